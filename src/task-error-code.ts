import { Problem } from './problem.ts';
import { codeOf } from './upstream/error-code.ts';

/** The message is not logged, because it may quote the upstream or the database. */
export const errorCode = (error: unknown): string => {
  if (error instanceof Problem) return error.slug;
  return error instanceof Error ? codeOf(error) : 'unknown';
};
