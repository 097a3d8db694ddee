import { beforeEach, describe, expect, it } from 'vitest';
import { createBatchSizes } from '../../src/delivery/dispatch/batch-sizes.ts';
import type { AttemptResult } from '../../src/upstream/attempt-result.ts';

const accepted: AttemptResult = { outcome: 'accepted' };
const lost: AttemptResult = { outcome: 'unknown', detail: 'no answer' };
const unsent: AttemptResult = { outcome: 'not_sent', detail: 'refused connection', retryable: true };
const refused: AttemptResult = { outcome: 'rejected', refusal: 'template-parameters', detail: 'blank', status: 200 };
const unauthorized: AttemptResult = { outcome: 'rejected', refusal: 'credentials', detail: 'no', status: 401 };

const slowMs = 5_000;
const kind = { connection: 'c', lane: 'broadcast' as const };

describe('how many messages one call carries', () => {
  let now: number;
  let sizes: ReturnType<typeof createBatchSizes>;
  beforeEach(() => {
    now = 0;
    const bounds = { start: 200, max: 1_000 };
    sizes = createBatchSizes({
      bounds: { urgent: { start: 50, max: 50 }, interactive: bounds, broadcast: bounds },
      slowMs,
      clock: () => now,
    });
  });
  const begin = (messages = sizes.limit(kind)) => {
    const onAnswer = sizes.begin(kind, messages);
    return (result: AttemptResult) => onAnswer(Array.from({ length: messages }, () => result));
  };
  /** One call after the other; returns the limits after each. */
  const calls = (count: number, result: AttemptResult = accepted, tookMs = 100) =>
    Array.from({ length: count }, () => {
      const answer = begin();
      now += tookMs;
      answer(result);
      return sizes.limit(kind);
    });
  const grow = () => calls(6);

  it('doubles after two full calls with clean answers, up to the maximum', () => {
    expect(sizes.limit(kind)).toBe(200);
    expect(calls(9)).toEqual([200, 400, 400, 800, 800, 1_000, 1_000, 1_000, 1_000]);
  });

  it('does not grow by calls that are not full, nor by slow ones', () => {
    for (let n = 0; n < 10; n++) begin(199)(accepted);
    calls(10, accepted, slowMs * 0.6);
    expect(sizes.limit(kind)).toBe(200);
  });

  it('grows by calls in which some are refused each for itself', () => {
    for (let n = 0; n < 2; n++)
      sizes.begin(kind, 200)(Array.from({ length: 200 }, (_, at) => (at % 2 ? accepted : { ...refused })));
    expect(sizes.limit(kind)).toBe(400);
  });

  it.each([
    ['is lost', lost, 100],
    ['leaves out one of them', undefined, 100],
    ['is slow', accepted, slowMs + 1],
    ['refuses all for something that one may carry', refused, 100],
  ])('halves when an answer %s, never below its start', (_what, result, tookMs) => {
    grow();
    const fail = () => {
      const messages = sizes.limit(kind);
      const onAnswer = sizes.begin(kind, messages);
      now += tookMs;
      const all = Array.from({ length: messages }, () => result ?? accepted);
      onAnswer(result ? all : [...all.slice(1), lost]);
      return sizes.limit(kind);
    };
    expect([fail(), fail(), fail(), fail()]).toEqual([500, 250, 200, 200]);
  });

  it('halves once for calls that were under way together, and takes them for no reason to grow', () => {
    grow();
    const underWay = [begin(), begin(), begin(), begin()];
    for (const answer of underWay.slice(0, 2)) answer(lost);
    for (const answer of underWay.slice(2)) answer(accepted);
    expect(sizes.limit(kind)).toBe(500);
  });

  it('stays when nothing was sent, or the credentials are refused', () => {
    grow();
    expect([...calls(3, unsent, slowMs * 2), ...calls(3, unauthorized)]).toEqual(Array(6).fill(1_000));
  });

  it('risks a size that fails less and less often', () => {
    let [messages, unknown, failures] = [0, 0, 0];
    for (let n = 0; n < 20_000; n++) {
      const limit = sizes.limit(kind);
      const isLost = limit > 400;
      messages += limit;
      if (isLost) [unknown, failures] = [unknown + limit, failures + 1];
      sizes.begin(kind, limit)([isLost ? lost : accepted]);
    }
    expect(failures).toBeLessThan(12);
    expect(unknown / messages).toBeLessThan(0.002);
  });

  it('does not fear growth for failures at the start', () => {
    calls(50, lost);
    expect(calls(2)).toEqual([200, 400]);
  });

  it('begins anew after ten minutes without a call', () => {
    grow();
    now += 600_001;
    expect(sizes.limit(kind)).toBe(200);
  });

  it('is one for each connection and lane', () => {
    grow();
    expect(sizes.limit({ ...kind, connection: 'other' })).toBe(200);
    expect(sizes.limit({ ...kind, lane: 'interactive' })).toBe(200);
    expect(sizes.limit({ ...kind, lane: 'urgent' })).toBe(50);
    expect(sizes.reading()).toContainEqual({ ...kind, limit: 1_000 });
  });
});
