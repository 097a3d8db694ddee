import { Problem, type ProblemExtras } from '../problem.ts';
import type { PoolRefusal, Release, SharedPool } from './shared-pool.ts';

/** Names of pools in problem details: `as many uploads are under way as ...`. */
const nouns: Record<string, string> = {
  requests: 'requests are under way',
  bodies: 'bytes of bodies are being read',
  uploads: 'uploads are under way',
  imports: 'imports are under way',
  downloads: 'downloads are under way',
  reports: 'reports of broadcasts are being sent',
  'event-streams': 'event streams are open',
  'event-readers': 'streams of events are open',
  'operator-streams': 'streams of operations are open',
  'event-waits': 'requests wait for events',
  'event-pages': 'bytes of events are being sent',
  'webhook-tests': 'webhook endpoints are being tested',
  sends: 'sends are under way',
};

/**
 * Takes from a pool, or throws a Problem: 429 if the caller has used its share, 503 if the pool is exhausted. Nothing was done
 * before that, so a repeat is safe.
 */
export function takeOrRefuse(
  pool: SharedPool,
  holder: string,
  { amount = 1, ...extras }: ProblemExtras & { amount?: number } = {},
): Release {
  const taken = pool.take(holder, amount);
  if (typeof taken === 'function') return taken;
  throw refusalProblem(pool, taken, extras);
}

export function refusalProblem({ name }: SharedPool, refusal: PoolRefusal, extras: ProblemExtras = {}): Problem {
  const noun = nouns[name] ?? `${name} are taken`;
  const told = { retryAfterS: 2, ...extras };
  return refusal === 'share-spent'
    ? new Problem('rate-limited', `as many of your ${noun} as one caller may have`, told)
    : new Problem('overloaded', `as many ${noun} as there may be at once`, told);
}
