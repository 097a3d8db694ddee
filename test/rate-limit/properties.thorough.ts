import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LANES, type PermitRequest, type RouteGroup } from '../../src/rate-limit/types.ts';
import { chance, densest, FakeTime } from './fake-time.ts';
import { bench, type Outcome } from './traffic.ts';

const LIMITS = { contacts: 10, messages: 10, template: 30, templates: 30 };
const groupNames = ['contacts', 'messages', 'templates'] as const satisfies RouteGroup[];

type Event =
  | { gapMs: number; ask: Partial<PermitRequest>; timeoutMs: number; abortAfterMs?: number | undefined }
  | { gapMs: number; rejected: RouteGroup | undefined; retryAfterMs: number | undefined };

const gapMs = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  fc.integer({ min: 1, max: 150 }),
  fc.integer({ min: 500, max: 9_000 }),
);
const group = fc.option(fc.constantFrom(...groupNames), { nil: undefined });
const asked: fc.Arbitrary<Event> = fc
  .record({
    gapMs,
    lane: fc.constantFrom(...LANES),
    caller: fc.constantFrom('a', 'b', 'c'),
    weight: fc.constantFrom(1, 2, 0.5),
    group,
    timeoutMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: 20_000 })),
    abortAfterMs: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: undefined, freq: 4 }),
  })
  .map(({ gapMs, timeoutMs, abortAfterMs, group, ...ask }) => ({
    gapMs,
    timeoutMs,
    abortAfterMs,
    ask: group === undefined ? ask : { ...ask, group },
  }));
const met: fc.Arbitrary<Event> = fc.record({
  gapMs,
  rejected: group,
  retryAfterMs: fc.constantFrom(undefined, 0, Number.NaN, -5, 200, 5_000, 3_600_000),
});
const events = (withRefusals: boolean): fc.Arbitrary<Event[]> =>
  fc.array(withRefusals ? fc.oneof({ weight: 12, arbitrary: asked }, met) : asked, { minLength: 1, maxLength: 150 });

/** Plays the events, then waits for the end; timers come up to `lateMs` late. */
async function play(events: readonly Event[], seed: number, lateMs: number) {
  const random = chance(seed);
  const time = new FakeTime(() => random() * lateMs);
  const traffic = bench({ plan: 'growth' }, time);
  const silences: { from: number; until: number; group: RouteGroup | undefined }[] = [];
  for (const event of events) {
    await time.run(event.gapMs);
    if ('ask' in event) {
      const abort = new AbortController();
      traffic.ask({ ...event.ask, timeoutMs: event.timeoutMs, signal: abort.signal });
      if (event.abortAfterMs !== undefined) time.at(time.now + event.abortAfterMs, () => abort.abort());
      continue;
    }
    const { rejected, retryAfterMs } = event;
    const ms = retryAfterMs !== undefined && retryAfterMs > 0 ? Math.min(retryAfterMs, 60_000) : 1_000;
    await time.run(0);
    silences.push({ from: time.now, until: time.now + ms, group: rejected });
    traffic.budget.reportTooManyRequests(rejected, retryAfterMs);
  }
  await time.run(2_000_000);
  return { ...traffic, silences, random };
}

/** On its way, a call loses up to so much of the distance that we keep. */
const arrivals = (outcomes: readonly Outcome[], random: () => number): number[] =>
  outcomes.map(({ at }) => at + random() * 50);

describe('any load', () => {
  it.each([false, true])(
    'no limit is exceeded at the receiver, and every request is answered once (429s: %s)',
    async (refusals) => {
      await fc.assert(
        fc.asyncProperty(events(refusals), fc.nat(), fc.constantFrom(0, 2, 40), async (events, seed, lateMs) => {
          const { outcomes, granted, silences, random, budget } = await play(events, seed, lateMs);
          expect(outcomes.filter(({ answers }) => answers !== 1)).toEqual([]);
          expect(densest(arrivals(granted(), random), 1_000)).toBeLessThanOrEqual(10);
          for (const group of groupNames) {
            const times = granted().filter(({ ask }) => ask.group === group);
            expect(densest(arrivals(times, random), 10_000), group).toBeLessThanOrEqual(LIMITS[group]);
          }
          for (const { ask, at, how } of outcomes) {
            if (how !== 'granted') expect(at).toBeLessThanOrEqual(ask.deadline + lateMs + 1e-6);
            else {
              expect(at).toBeLessThanOrEqual(ask.deadline);
              const broken = silences.filter(
                (each) => (each.group ?? ask.group) === ask.group && at > each.from && at < each.until,
              );
              expect(broken).toEqual([]);
            }
          }
          const { lanes } = budget.stats();
          expect(LANES.map((lane) => lanes[lane].queued)).toEqual([0, 0, 0]);
        }),
        { numRuns: 120 },
      );
    },
  );

  it('the last of a crowd gets its permit at the estimated time', async () => {
    const errors: number[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 120 }), fc.nat(), async (events, seed) => {
        const together = events.map((event) => ({ ...event, gapMs: 0, abortAfterMs: undefined }));
        const { outcomes } = await play(together, seed, 2);
        const last = outcomes.at(-1);
        if (last?.how === 'granted') errors.push(Math.abs(last.at - last.askedAt - last.promisedMs));
      }),
      { numRuns: 150 },
    );
    errors.sort((a, b) => a - b);
    expect(errors.length).toBeGreaterThan(50);
    // Within four slots, nine times of ten; those before it that give up make it earlier.
    expect(errors[Math.floor(errors.length * 0.9)]).toBeLessThan(450);
  });

  it('an estimate is rarely wrong', async () => {
    const random = chance(7);
    let accepted = 0;
    let broken = 0;
    for (let run = 0; run < 8; run++) {
      const { time, ask, outcomes, budget } = bench({ plan: 'growth' }, new FakeTime(() => random() * 3));
      const end = time.now + 60_000;
      while (time.now < end) {
        await time.run(-Math.log(1 - random()) * (60 + 20 * run)); // from far too much to just enough
        const dice = random();
        ask({
          lane: dice < 0.02 ? 'urgent' : dice < 0.8 ? 'interactive' : 'broadcast',
          caller: `c${Math.floor(random() * 6)}`,
          ...(random() < 0.4 ? { group: groupNames[Math.floor(random() * 4)] ?? 'messages' } : {}),
          timeoutMs: dice < 0.8 ? 2_000 + random() * 13_000 : Number.POSITIVE_INFINITY,
        });
      }
      await time.run(200_000);
      accepted += outcomes.filter(({ how, at, askedAt }) => how === 'granted' || at > askedAt).length;
      broken += outcomes.filter(({ how, at, askedAt }) => how === 'spent' && at > askedAt).length;
      const { lanes } = budget.stats();
      expect(lanes.interactive.rejected + lanes.interactive.expired + lanes.interactive.granted).toBe(
        outcomes.filter(({ ask }) => ask.lane === 'interactive').length,
      );
    }
    expect(broken / accepted).toBeLessThan(0.05);
  });
});
