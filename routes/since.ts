import { invalid } from '../src/problem.ts';

/** Throws a Problem for an invalid time, a `since` in the future, and an `until` before `since`. */
export function assertTimes({ since, until }: { since?: string; until?: string }): void {
  assertSince(since);
  if (until === undefined) return;
  const end = Date.parse(until);
  const pointer = '/query/until';
  if (Number.isNaN(end)) throw invalid([{ pointer, detail: 'is not a time' }]);
  if (since !== undefined && Date.parse(since) >= end) {
    throw invalid([{ pointer, detail: 'must be after `since`: messages are listed that were created before it' }]);
  }
}

/** How far a caller's clock may be ahead of ours. */
const AHEAD_MAX_MS = 60_000;

/** Throws the Problem of a `since` that is no time, or lies in the future. */
export function assertSince(since: string | undefined, pointer: '/query/since' | '/since' = '/query/since'): void {
  if (since === undefined) return;
  const at = Date.parse(since);
  if (Number.isNaN(at)) throw invalid([{ pointer, detail: 'is not a time' }]);
  if (at <= Date.now() + AHEAD_MAX_MS) return;
  const detail = 'is in the future; give a time that has passed, in UTC, such as that of your last look';
  throw invalid([{ pointer, detail }]);
}
