import fp from 'fastify-plugin';
import type { IsRepeat } from '../src/http/earlier-request.ts';
import { Problem } from '../src/problem.ts';
import type { DayQuota } from '../src/rate-limit/day-quota.ts';

interface Services {
  quota: Pick<DayQuota, 'spentForMs'>;
  isRepeat: IsRepeat;
}

/** Refuses requests that would call WATI once the day's calls are used up; reads first. */
export const refuseOverQuota = fp(
  async (app, { quota, isRepeat }: Services) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { sendsMessage, connection } = request.routeOptions.config;
      if (!sendsMessage && !connection) return done();
      const kind = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'other';
      const waitMs = quota.spentForMs(kind);
      if (waitMs === 0) return done();
      isRepeat(request).then((repeats) => (repeats ? done() : done(spent(kind, waitMs, sendsMessage))), done);
    });
  },
  { name: 'day-quota', dependencies: ['auth'] },
);

function spent(kind: 'read' | 'other', waitMs: number, sendsMessage: boolean | undefined): Problem {
  const detail =
    kind === 'read'
      ? 'the calls that this service may make to WATI in a day are nearly spent, and the rest is kept for sends'
      : 'the calls that this service may make to WATI in a day are spent; nothing was sent';
  const retryAfterS = Math.ceil(waitMs / 1000);
  return new Problem('quota-spent', detail, { retryAfterS, ...(sendsMessage && { outcome: 'not_sent' as const }) });
}
