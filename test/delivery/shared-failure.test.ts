import { expect, it } from 'vitest';
import { findHeldBack } from '../../src/delivery/dispatch/shared-failure.ts';
import type { AttemptResult } from '../../src/upstream/classify-response.ts';

const taken: AttemptResult = { outcome: 'accepted' };
const lost: AttemptResult = { outcome: 'unknown', detail: 'no answer' };
const refused = (
  refusal: 'account' | 'edge' | 'credentials' | 'recipient',
  ofAll?: 'alone' | 'untried',
): AttemptResult => ({
  outcome: 'rejected',
  refusal,
  detail: 'no',
  status: 200,
  ...(ofAll && { ofAll }),
});
const poor = refused('account');
const own = refused('recipient');
const away = (retryable: boolean): AttemptResult => ({ outcome: 'not_sent', detail: 'gone', retryable });

it.each<[string, readonly AttemptResult[], readonly number[], readonly number[] | undefined]>([
  ['all for credits', [poor, poor], [1, 1], [0, 1]],
  ['one alone for credits', [poor], [1], [0]],
  ['one of several for credits', [taken, poor, taken], [1, 1, 1], undefined],
  ['the last three for credits', [taken, own, poor, poor, poor], [1, 1, 1, 1, 1], [2, 3, 4]],
  ['the last two for credits', [taken, poor, poor], [1, 1, 1], undefined],
  ['three for credits before one that was taken', [poor, poor, poor, taken], [1, 1, 1, 1], undefined],
  ['all for what each of them is at fault', [own, own, own], [1, 1, 1], undefined],
  ['all for a key, which has a way of its own', [refused('credentials')], [1], undefined],
  ['each that was tried alone', [refused('edge', 'alone'), refused('edge', 'untried')], [1, 1], [0, 1]],
  ['each that was tried alone, again', [refused('edge', 'alone'), refused('edge', 'untried')], [2, 2], [1]],
  ['what is not known, and never goes back', [lost, lost], [3, 3], undefined],
  ['what could not go out, and may yet', [away(true)], [2], undefined],
  ['what could not go out in three tries', [taken, away(true)], [3, 3], [1]],
  ['what cannot go out at all', [away(false)], [1], [0]],
  ['all for credits, with what could not go out', [poor, poor, away(true)], [3, 3, 3], [0, 1, 2]],
  ['the last three, before what may yet go out', [taken, poor, poor, poor, away(true)], [1, 1, 1, 1, 1], [1, 2, 3]],
])('of a broadcast goes back: %s', (_name, verdicts, attempts, expected) => {
  const held = findHeldBack(verdicts, { attempts, maxAttempts: 3, isClosing: false });
  expect(held && [...held.places]).toEqual(expected);
  expect(held?.reason !== undefined).toBe(expected !== undefined);
  // While the process ends nobody is paused for it.
  if (verdicts.some(({ outcome }) => outcome === 'rejected')) return;
  expect(findHeldBack(verdicts, { attempts, maxAttempts: 3, isClosing: true })?.reason).toBeUndefined();
});
