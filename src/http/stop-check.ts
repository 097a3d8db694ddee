import type { FastifyRequest } from 'fastify';
import type { StoppedSending } from '../holds/holds.ts';
import { sendingStopped } from '../holds/sending-stop.ts';
import { callerOf } from './authenticate.ts';
import type { IsRepeat } from './earlier-request.ts';

interface Services {
  stopped: StoppedSending;
  /** A request that repeats a recorded one is answered from the record even while sending is stopped, because it sends nothing. */
  isRepeat: IsRepeat;
}

/** `undefined`: the send may proceed. Otherwise a promise that rejects with `sending-stopped` unless the request repeats an earlier one. */
export type StopCheck = (request: FastifyRequest, connection?: string) => Promise<void> | undefined;

/** Called before every request that can send a message: once before its connection is known, and again after. */
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
