import { expect, it } from 'vitest';
import { findRequeuedTogether, isFailure, isFaultOfConnection } from '../../src/delivery/dispatch/retry-policy.ts';
import { type AttemptResult, withheld } from '../../src/upstream/attempt-result.ts';
import { classify } from '../../src/upstream/classify-response.ts';
import { WithheldError } from '../../src/upstream/withheld-error.ts';

const taken: AttemptResult = { outcome: 'accepted' };
const lost: AttemptResult = { outcome: 'unknown', detail: 'no answer' };
const refused = (
  refusal: 'account' | 'edge' | 'credentials' | 'recipient',
  sharedCause?: 'refused-alone' | 'not-tried',
): AttemptResult => ({
  outcome: 'rejected',
  refusal,
  detail: 'no',
  status: 200,
  ...(sharedCause && { sharedCause }),
});
const poor = refused('account');
const own = refused('recipient');
const away = (retryable: boolean): AttemptResult => ({ outcome: 'not_sent', detail: 'gone', retryable });

const first = {};
const third = { failures: 3 };
const again = { refusedAlone: true } as const;

type Earlier = Parameters<typeof findRequeuedTogether>[1][number];

it.each<[string, readonly AttemptResult[], readonly Earlier[], readonly number[] | undefined]>([
  ['all for credits', [poor, poor], [first, first], [0, 1]],
  ['one alone for credits', [poor], [first], [0]],
  ['one of several for credits', [taken, poor, taken], [first, first, first], undefined],
  ['the last three for credits', [taken, own, poor, poor, poor], [first, first, first, first, first], [2, 3, 4]],
  ['the last two for credits', [taken, poor, poor], [first, first, first], undefined],
  ['three for credits before one that was taken', [poor, poor, poor, taken], [first, first, first, first], undefined],
  ['all for what each of them is at fault', [own, own, own], [first, first, first], undefined],
  ['all for a key, which has a way of its own', [refused('credentials')], [first], undefined],
  [
    'each that was tried alone',
    [refused('edge', 'refused-alone'), refused('edge', 'not-tried')],
    [first, first],
    [0, 1],
  ],
  [
    'each that was tried alone, again',
    [refused('edge', 'refused-alone'), refused('edge', 'not-tried')],
    [again, again],
    [1],
  ],
  ['what is not known, and never goes back', [lost, lost], [third, third], undefined],
  ['what could not go out, and may yet', [away(true)], [{ failures: 2 }], undefined],
  ['what could not go out in three tries', [taken, away(true)], [third, third], [1]],
  ['what cannot go out at all', [away(false)], [first], [0]],
  ['all for credits, with what could not go out', [poor, poor, away(true)], [third, third, third], [0, 1, 2]],
  [
    'the last three, before what may yet go out',
    [taken, poor, poor, poor, away(true)],
    [first, first, first, first, first],
    [1, 2, 3],
  ],
])('of a broadcast goes back: %s', (_name, results, deliveries, expected) => {
  const together = findRequeuedTogether(results, deliveries, false);
  expect(together && [...together.indices]).toEqual(expected);
  expect(together?.reason !== undefined).toBe(expected !== undefined);
  // While the process shuts down, no broadcast is paused.
  if (results.some(({ outcome }) => outcome === 'rejected')) return;
  expect(findRequeuedTogether(results, deliveries, true)?.reason).toBeUndefined();
});

it('an attempt that this process held back is no fault of the connection and no failed attempt', () => {
  const cause = new WithheldError();
  const result = classify({ kind: 'failed', bytesSent: false, timedOut: false, cause });
  expect(result).toBe(withheld);
  const delivery = { stored: { broadcastId: 'b' } };
  expect([isFailure(result), isFaultOfConnection(result, delivery)]).toEqual([false, false]);
  expect(isFaultOfConnection(away(true), delivery)).toBe(true);
});
