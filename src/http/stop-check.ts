import type { FastifyRequest } from 'fastify';
import type { StoppedSending } from '../holds/holds.ts';
import { sendingStopped } from '../holds/sending-stop.ts';
import { callerOf } from './authenticate.ts';
import type { IsRepeat } from './earlier-request.ts';

interface Services {
  stopped: StoppedSending;
  /** A request that was answered before is answered again: it sends nothing. */
  isRepeat: IsRepeat;
}

/** `undefined`: it may go on. Otherwise it is being found out whether it repeats an earlier one; rejects with `sending-stopped`. */
export type StopCheck = (request: FastifyRequest, connection?: string) => Promise<void> | undefined;

/** Asked on the way of every request that may put a message before a person, again when its connection is known. */
export function createStopCheck({ stopped, isRepeat }: Services): StopCheck {
  return (request, connection) => {
    const { sendsMessage, maySendMessage } = request.routeOptions.config;
    if (!sendsMessage && !maySendMessage) return undefined;
    const { id } = callerOf(request);
    const hold = stopped.reasonFor({ caller: id, ...(connection !== undefined && { connection }) });
    if (!hold) return undefined;
    return isRepeat(request).then((repeats) => {
      if (!repeats) throw sendingStopped(hold);
    });
  };
}
