import { Problem } from '../problem.ts';
import { toInsertProblem } from '../store/store-problems.ts';

/** While this process was suspended, others may have considered it dead and deleted its unfinished broadcast. */
export const ownershipLost = () =>
  new Problem('store-unavailable', 'the broadcast could not be recorded in time, so nothing was sent', {
    outcome: 'not_sent',
    retryAfterS: 2,
  });

/** The commit is in doubt, so neither "recorded" nor "not sent" is certain; a repeat with the same key is safe. */
export const startInDoubt = (cause: unknown) =>
  new Problem(
    'store-unavailable',
    'it is not known whether the broadcast was recorded; ask again with the same key, it is started once at most',
    { cause, outcome: 'unknown', retryAfterS: 2 },
  );

/** Nothing is sent before the broadcast is published, even if recipients are inserted. */
export function notStarted(cause: unknown): never {
  throw toInsertProblem(cause);
}

export function raise(problem: Problem): never {
  throw problem;
}
