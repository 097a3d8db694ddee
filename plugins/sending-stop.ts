import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { StoppedSending } from '../src/holds/holds.ts';
import { sendingStopped } from '../src/holds/sending-stop.ts';
import { callerOf } from './auth.ts';
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
    const { sends, maySend } = request.routeOptions.config;
    if (!sends && !maySend) return undefined;
    const { id } = callerOf(request);
    const hold = stopped.reasonFor({ caller: id, ...(connection !== undefined && { connection }) });
    if (!hold) return undefined;
    return isRepeat(request).then((repeats) => {
      if (!repeats) throw sendingStopped(hold);
    });
  };
}

/** Refuses before the body is read. Register after plugins/auth.ts: it asks who calls. */
export const refuseStopped = fp(async (app, { check }: { check: StopCheck }) => {
  app.addHook('onRequest', (request, _reply, done) => {
    const asked = check(request);
    if (!asked) return done();
    asked.then(() => done(), done);
  });
});
