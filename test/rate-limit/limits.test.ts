import { describe, expect, it } from 'vitest';
import { bench, type Outcome } from './traffic.ts';

const count = (outcomes: readonly Outcome[], is: (outcome: Outcome) => boolean): number => outcomes.filter(is).length;
const times = (n: number, run: (index: number) => void): void => {
  for (let index = 0; index < n; index++) run(index);
};

describe('the limits of WATI’s plan', () => {
  it('allow a burst, then delay only their own group, even for the same caller', async () => {
    const { time, ask } = bench({ plan: 'growth' });
    const reads = Array.from({ length: 40 }, () => ask({ group: 'messages' }));
    const others = Array.from({ length: 40 }, () => ask({}));
    await time.run(9_000);
    expect([count(reads, ({ how }) => how === 'granted'), count(others, ({ how }) => how === 'granted')]).toEqual([
      10, 40,
    ]);
    const late = ask({ lane: 'urgent', group: 'messages', timeoutMs: 500 });
    await time.run(0);
    expect(late).toMatchObject({ how: 'spent', at: late.askedAt });
    expect(late.retryAfterMs).toBeGreaterThan(400);
    await time.run(41_000);
    expect(count(reads, ({ how }) => how === 'granted')).toBe(40);
  });

  it('leave a margin for network jitter', async () => {
    const { time, ask } = bench({ plan: 'growth', perSecond: 1_000 });
    const reads = Array.from({ length: 11 }, () => ask({ group: 'contacts' }));
    await time.run(20_000);
    expect((reads[10]?.at ?? 0) - (reads[0]?.at ?? 0)).toBeGreaterThanOrEqual(10_050);
  });

  it('and delayed calls are not counted as being ahead of others', async () => {
    const { time, ask } = bench({ plan: 'growth' });
    times(500, () => ask({ lane: 'urgent', group: 'messages' }));
    await time.run(2_000);
    const one = ask({ timeoutMs: 1_000 });
    await time.run(1_000);
    expect(one.how).toBe('granted');
  });

  it('and delayed callers have not saved permits up', async () => {
    const { time, ask, granted } = bench({ plan: 'growth' });
    times(30, () => ask({ caller: 'reader', group: 'messages' }));
    times(300, () => ask({ caller: 'sender' }));
    await time.run(9_000);
    times(100, () => ask({ caller: 'reader' }));
    const from = time.now;
    await time.run(5_000);
    const sent = granted().filter(({ at }) => at > from);
    expect(count(sent, ({ ask }) => ask.caller === 'sender') / sent.length).toBeGreaterThan(0.45);
  });
});

describe('a 429', () => {
  it('stops all calls, then halves the rate, which recovers by half a call per second every ten seconds', async () => {
    const { time, budget, ask, granted } = bench();
    times(2_000, () => ask({}));
    await time.run(5_000);
    budget.reportTooManyRequests(undefined, 5_000);
    budget.reportTooManyRequests(undefined, 4_000); // was on its way already
    const from = time.now;
    expect(budget.stats()).toMatchObject({ rate: 5, pausedMs: 5_000, tooManyRequests: 2 });
    await time.run(130_000);
    const sent = granted().map(({ at }) => at - from);
    const between = (a: number, b: number): number => sent.filter((at) => at >= a && at < b).length;
    expect(between(1, 5_000)).toBe(0);
    expect(between(5_000, 15_000) / 10).toBeCloseTo(5 * 0.91, 0);
    expect(between(25_000, 35_000) / 10).toBeCloseTo(6 * 0.91, 0);
    expect(between(106_000, 116_000) / 10).toBeGreaterThan(8.9);
    expect(budget.stats()).toMatchObject({ rate: 10, pausedMs: 0 });
  });

  it.each([
    [undefined, 1_000],
    [0, 1_000],
    [Number.NaN, 1_000],
    [-1, 1_000],
    [5_000, 5_000],
    [3_600_000, 60_000],
  ])('with Retry-After %s ms is silent for %i ms', async (retryAfterMs, silentMs) => {
    const { time, budget, ask } = bench();
    budget.reportTooManyRequests(undefined, retryAfterMs);
    const one = ask({});
    await time.run(100_000);
    expect(one.at - one.askedAt).toBe(silentMs);
    expect(one.promisedMs).toBe(silentMs);
  });

  it('of a group stops only that group, and sets a limit even if the plan has none', async () => {
    const { time, budget, ask } = bench({ plan: 'none' });
    budget.reportTooManyRequests('templates', 3_000);
    const [bulk, other] = [ask({ group: 'templates' }), ask({ group: 'contacts' })];
    await time.run(3_200);
    expect([bulk.at - bulk.askedAt, other.at - other.askedAt]).toEqual([3_000, 0]);
    expect(budget.stats().groups).toEqual({ templates: { limit: 50, used: 1, pausedMs: 0 } });
    await time.run(100_000);
    expect(budget.stats().groups).toEqual({});
  });

  it('never stops everything for good, however often it comes', async () => {
    const { time, budget, ask, granted } = bench();
    times(100, () => ask({}));
    for (let n = 0; n < 50; n++) {
      await time.run(1_001);
      budget.reportTooManyRequests(undefined, 1_000);
    }
    expect(budget.stats().rate).toBeGreaterThanOrEqual(0.5);
    const before = granted().length;
    await time.run(10_000);
    expect(granted().length - before).toBeGreaterThanOrEqual(4);
  });
});

describe('a request without a permit in time', () => {
  it('is rejected at once, with the time when a repeat succeeds', async () => {
    const { time, ask } = bench();
    times(100, () => ask({}));
    const refused = ask({ timeoutMs: 3_000 });
    await time.run(0);
    expect(refused).toMatchObject({ how: 'spent', at: refused.askedAt });
    const retryAfterMs = refused.retryAfterMs ?? 0;
    expect(retryAfterMs).toBeGreaterThan(6_500);
    expect(retryAfterMs).toBeLessThan(8_500);
    await time.run(retryAfterMs);
    const again = ask({ timeoutMs: 3_000 });
    await time.run(3_000);
    expect(again.how).toBe('granted');
  });

  it('is rejected at its deadline if more urgent ones came', async () => {
    const { time, budget, ask } = bench();
    times(5, () => ask({}));
    const one = ask({ timeoutMs: 1_000 });
    await time.run(100);
    times(30, () => ask({ lane: 'urgent' }));
    await time.run(2_000);
    expect(one).toMatchObject({ how: 'spent', at: one.askedAt + 1_000, answers: 1 });
    expect(one.retryAfterMs).toBeGreaterThan(500);
    expect(budget.stats().lanes.interactive).toMatchObject({ rejected: 0, expired: 1 });
  });

  it('leaves the queue when it is aborted, with the reason', async () => {
    const { time, budget, ask } = bench();
    ask({});
    const abort = new AbortController();
    const gone = Array.from({ length: 50 }, () => ask({ signal: abort.signal }));
    const one = ask({});
    await time.run(0);
    abort.abort(new Error('hung up'));
    await time.run(120);
    expect(count(gone, ({ how, answers }) => how === 'aborted' && answers === 1)).toBe(50);
    expect(one.how).toBe('granted');
    await expect(
      budget.acquire({ lane: 'urgent', caller: 'crm', deadline: Number.POSITIVE_INFINITY, signal: abort.signal }),
    ).rejects.toThrow('hung up');
  });

  it('is rejected when the limiter is closed', async () => {
    const { time, budget, ask } = bench();
    times(20, (n) => ask({ lane: n % 2 === 0 ? 'broadcast' : 'urgent' }));
    await time.run(0);
    budget.close();
    const late = ask({});
    await time.run(1_000);
    expect(late.how).toBe('closed');
    expect(budget.stats().lanes).toMatchObject({ urgent: { queued: 0 }, broadcast: { queued: 0 } });
  });
});

describe('a permit', () => {
  it('is valid for forty milliseconds, and only until the next 429', async () => {
    const { time, budget } = bench();
    await time.run(5_000);
    const came = time.now;
    expect(budget.isPermitValid(came)).toBe(true);
    await time.run(40);
    expect(budget.isPermitValid(came)).toBe(true);
    await time.run(1);
    expect(budget.isPermitValid(came)).toBe(false);
    budget.reportTooManyRequests(undefined, 1_000);
    expect(budget.isPermitValid(time.now)).toBe(false);
    await time.run(1_001);
    expect(budget.isPermitValid(time.now)).toBe(true);
  });
});
