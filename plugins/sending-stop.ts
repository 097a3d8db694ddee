import fp from 'fastify-plugin';
import type { StopCheck } from '../src/http/stop-check.ts';

/** Refuses before the body is read. */
export const refuseStopped = fp(
  async (app, { check }: { check: StopCheck }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const asked = check(request);
      if (!asked) return done();
      asked.then(() => done(), done);
    });
  },
  { name: 'sending-stop', dependencies: ['auth'] },
);
