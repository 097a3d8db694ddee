import { Problem } from '../problem.ts';

/** Problems of the upstream as a whole, not of the request. */
const passing: ReadonlySet<string> = new Set([
  'rate-limited',
  'quota-spent',
  'connection-unusable',
  'upstream-unauthorized',
  'upstream-unavailable',
  'upstream-timeout',
]);

/** Whether the same request may succeed later. */
export const isPassing = (error: unknown): boolean => error instanceof Problem && passing.has(error.slug);
