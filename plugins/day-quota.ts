import fp from 'fastify-plugin';
import { Problem } from '../src/problem.ts';
import type { DayQuota } from '../src/rate-limit/day-quota.ts';
import type { IsRepeat } from './earlier-request.ts';

interface Services {
  quota: Pick<DayQuota, 'spentForMs'>;
  isRepeat: IsRepeat;
}

/** Refuses what would call WATI once the day's calls are spent: reads first. Register after plugins/auth.ts. */
export const refuseOverQuota = fp(async (app, { quota, isRepeat }: Services) => {
  app.addHook('onRequest', (request, _reply, done) => {
    const { sends, connection } = request.routeOptions.config;
    if (!sends && !connection) return done();
    const kind = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'other';
    const waitMs = quota.spentForMs(kind);
    if (waitMs === 0) return done();
    isRepeat(request).then((repeats) => (repeats ? done() : done(spent(kind, waitMs, sends))), done);
  });
});

function spent(kind: 'read' | 'other', waitMs: number, sends: boolean | undefined): Problem {
  const detail =
    kind === 'read'
      ? 'the calls that this service may make to WATI in a day are nearly spent, and the rest is kept for sends'
      : 'the calls that this service may make to WATI in a day are spent; nothing was sent';
  const retryAfterS = Math.ceil(waitMs / 1000);
  return new Problem('quota-spent', detail, { retryAfterS, ...(sends && { outcome: 'not_sent' as const }) });
}
