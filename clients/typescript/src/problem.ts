import type { Problem } from './generated/types.gen.ts';

/** The end of a known `type`, such as `rate-limited`. */
export type KnownProblem = Problem['type'] extends infer Type
  ? Type extends `${string}/problems/${infer Slug}`
    ? Slug
    : never
  : never;

/** Of a call that failed: did the service refuse it (a problem), or was there no answer (any other error)? */
export const isProblem = (error: unknown): error is Problem =>
  typeof error === 'object' && error !== null && 'type' in error && 'retryable' in error;

/** A misspelt name does not compile; a problem that is newer than this package is none of those that it knows. */
export const hasType = (problem: Problem, type: KnownProblem): boolean => problem.type.endsWith(`/problems/${type}`);
