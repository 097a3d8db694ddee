import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import { deliveryStatus, factsOf, joinFacts } from '../../src/tracking/delivery-state.ts';
import { failureKind } from '../../src/tracking/failure-kind.ts';
import type { StatusFact } from '../../src/tracking/types.ts';

const names: StatusFact[] = ['sent', 'failed', 'delivered', 'read', 'replied'];
const at = fc.integer({ min: 1_000, max: 1_010 });
const failure = fc.option(fc.record({ code: fc.constantFrom('131026', '131047'), detail: fc.constantFrom('', 'no') }));
const ids = fc.record({ watiId: fc.constantFrom('a', 'b'), whatsappMessageId: fc.constant('w') }, { requiredKeys: [] });
const heard: fc.Arbitrary<DeliveryFacts> = fc
  .record({ fact: fc.constantFrom(...names), at, failure, ids, source: fc.constantFrom('webhook', 'poll') })
  .map(({ failure, ...each }) => ({
    ...factsOf({ ...each, ...(failure && { failure }) }, each.at, each.source),
    ...each.ids,
  }));
const several = fc.array(heard, { minLength: 1, maxLength: 12 });

const joined = (facts: readonly DeliveryFacts[]): DeliveryFacts => facts.reduce(joinFacts);
const told = (...facts: [StatusFact, number][]) =>
  joined(facts.map(([fact, when]) => factsOf({ fact, failure: { code: '131026', detail: 'no' } }, when, 'webhook')));

describe('the state of a message', () => {
  it('is the same in any order, number and grouping of its facts', () => {
    fc.assert(
      fc.property(
        several.chain((facts) =>
          fc.tuple(
            fc.constant(facts),
            fc.shuffledSubarray(facts, { minLength: facts.length }),
            fc.array(fc.constantFrom(...facts), { maxLength: 6 }),
            fc.integer({ min: 0, max: facts.length - 1 }),
          ),
        ),
        ([facts, shuffled, again, cut]) => {
          const state = joined(facts);
          expect(joined([...shuffled, ...again])).toEqual(state);
          if (cut > 0) expect(joinFacts(joined(shuffled.slice(0, cut)), joined(shuffled.slice(cut)))).toEqual(state);
          expect(joinFacts(state, state)).toEqual(state);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never moves back, and each of its times is the earliest that was reported', () => {
    fc.assert(
      fc.property(several, (facts) => {
        let state: DeliveryFacts | undefined;
        for (const fact of facts) {
          const next = state ? joinFacts(state, fact) : fact;
          expect(next.rank).toBeGreaterThanOrEqual(state?.rank ?? 0);
          state = next;
        }
        const reads = facts.map(({ readAt }) => readAt).filter((time) => time !== undefined);
        expect(state?.readAt).toBe(reads.length > 0 ? Math.min(...reads) : undefined);
        expect(state?.failure !== undefined).toBe(state?.rank === 2);
      }),
    );
  });

  it.each<[string, [StatusFact, number][], object]>([
    [
      'a failure beats sent',
      [
        ['sent', 1],
        ['failed', 2],
      ],
      { rank: 2, sentAt: 1, failedAt: 2 },
    ],
    [
      'a late sent does not undo a failure',
      [
        ['failed', 1],
        ['sent', 2],
      ],
      { rank: 2, sentAt: 2, failedAt: 1 },
    ],
    [
      'delivery beats a failure',
      [
        ['failed', 1],
        ['delivered', 2],
      ],
      { rank: 3, failedAt: 1, deliveredAt: 2 },
    ],
    [
      'a late failure undoes no delivery',
      [
        ['delivered', 1],
        ['failed', 2],
      ],
      { rank: 3, failedAt: 2, deliveredAt: 1 },
    ],
    ['read implies delivered', [['read', 5]], { rank: 4, readAt: 5, deliveredAt: 5 }],
    [
      'delivered after read moves nothing',
      [
        ['read', 5],
        ['delivered', 7],
      ],
      { rank: 4, readAt: 5, deliveredAt: 5 },
    ],
    ['replied implies delivered, and not read', [['replied', 5]], { rank: 3, repliedAt: 5, deliveredAt: 5 }],
    [
      'replied marks what was read',
      [
        ['read', 4],
        ['replied', 5],
      ],
      { rank: 4, readAt: 4, deliveredAt: 4, repliedAt: 5 },
    ],
  ])('%s', (_title, facts, state) => {
    for (const order of [facts, facts.toReversed()]) {
      const { failure, source, ...rest } = told(...order);
      expect({ ...rest, source }).toEqual({ ...state, source: 'webhook' });
      expect(failure !== undefined).toBe(rest.rank === 2);
    }
  });

  it('has a word for each rank but the lowest', () => {
    expect([0, 1, 2, 3, 4].map((rank) => deliveryStatus(rank as DeliveryFacts['rank']))).toEqual([
      undefined,
      'sent',
      'failed',
      'delivered',
      'read',
    ]);
  });
});

describe('the kind of a failure', () => {
  it.each([
    ['131026', 'recipient'],
    ['131021', 'recipient'],
    ['131051', 'recipient'],
    ['131047', 'window'],
    ['131049', 'held-back'],
    ['130472', 'held-back'],
    ['131050', 'opted-out'],
    ['132000', 'template'],
    ['132015', 'template'],
    ['131042', 'account'],
    ['131031', 'account'],
    ['190', 'account'],
    ['368', 'account'],
    ['130429', 'rate'],
    ['131056', 'rate'],
    ['80007', 'rate'],
    ['131052', 'media'],
    ['131053', 'media'],
    ['131000', 'other'],
    ['1320000', 'other'],
    ['unknown', 'other'],
    ['constructor', 'other'],
  ])('%s is %s', (code, kind) => expect(failureKind(code)).toBe(kind));
});
