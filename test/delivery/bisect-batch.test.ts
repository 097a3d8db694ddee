import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bisectIfRefused } from '../../src/delivery/dispatch/bisect-batch.ts';
import type { AttemptResult } from '../../src/upstream/attempt-result.ts';

type Receivers = Parameters<typeof bisectIfRefused>[0];
const sendWithBisection = async (receivers: Receivers, options: Parameters<typeof bisectIfRefused>[2]) =>
  bisectIfRefused(receivers, await options.send(receivers), options);

const receiversOf = (n: number) =>
  Array.from({ length: n }, (_, at) => ({ phone: `1415555${1000 + at}`, localMessageId: `id-${at}` }));

const refusedAs = (refusal: 'edge' | 'template' | 'other', status = 403): AttemptResult & { outcome: 'rejected' } => ({
  outcome: 'rejected',
  refusal,
  detail: 'no',
  status,
});

/** An upstream that refuses a call as a whole where one of these is in it. */
function upstream(poison: ReadonlySet<number>, refusal: ReturnType<typeof refusedAs> = refusedAs('edge')) {
  const calls: string[][] = [];
  const sent: string[] = [];
  const send = async (receivers: readonly { localMessageId: string }[]): Promise<AttemptResult[]> => {
    const ids = receivers.map(({ localMessageId }) => localMessageId);
    calls.push(ids);
    if (ids.some((id) => poison.has(Number(id.slice(3))))) {
      const verdict = { ...refusal };
      return ids.map(() => verdict);
    }
    sent.push(...ids);
    return ids.map(() => ({ outcome: 'accepted' }));
  };
  return { calls, sent, send };
}

const always = async () => {};

describe('a batch that is refused as a whole', () => {
  it('loses only the receiver at fault, in some 2 log2(n) further calls', async () => {
    const { calls, sent, send } = upstream(new Set([137]));
    const verdicts = await sendWithBisection(receiversOf(200), { send, acquirePermit: always, splitsBatches: true });
    expect(verdicts.map(({ outcome }) => outcome).filter((outcome) => outcome === 'rejected')).toHaveLength(1);
    expect(verdicts[137]).toMatchObject({ outcome: 'rejected', refusal: 'edge' });
    expect(sent).toHaveLength(199);
    expect(calls.length).toBeLessThanOrEqual(17);
  });

  it('is sent to nobody twice, and not to the receiver at fault, whichever that is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.uniqueArray(fc.nat(39), { maxLength: 3 }),
        async (n, culprits) => {
          const poison = new Set(culprits.filter((at) => at < n));
          const { sent, send } = upstream(poison);
          const receivers = receiversOf(n);
          const verdicts = await sendWithBisection(receivers, { send, acquirePermit: always, splitsBatches: true });
          expect(verdicts).toHaveLength(n);
          expect(new Set(sent).size).toBe(sent.length);
          for (const [at, { outcome }] of verdicts.entries()) {
            expect(sent.includes(`id-${at}`)).toBe(outcome === 'accepted');
            if (poison.has(at)) expect(outcome).toBe('rejected');
          }
        },
      ),
    );
  });

  it('has a result for every receiver, and rejects only receivers that were refused, unless the refusal concerns all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 60 }), fc.infiniteStream(fc.boolean()), async (n, draws) => {
        const poison = new Set(Array.from({ length: n }, (_, at) => at).filter(() => draws.next().value));
        const { calls, sent, send } = upstream(poison);
        const verdicts = await sendWithBisection(receiversOf(n), { send, acquirePermit: always, splitsBatches: true });
        const isOfAll = verdicts.some((verdict) => 'sharedCause' in verdict);
        for (const [at, verdict] of verdicts.entries()) {
          expect(verdict.outcome).toBe(sent.includes(`id-${at}`) ? 'accepted' : 'rejected');
          if (!isOfAll) expect(verdict.outcome === 'rejected').toBe(poison.has(at));
          if ('sharedCause' in verdict && verdict.sharedCause === 'refused-alone')
            expect(calls).toContainEqual([`id-${at}`]);
        }
        // It is about all only where not one was taken, wherever it was tried.
        if (isOfAll) expect([sent.length, poison.size > 4]).toEqual([0, true]);
        expect(new Set(sent).size).toBe(sent.length);
        expect(calls.length).toBeLessThanOrEqual(2 * n);
      }),
      { numRuns: 200 },
    );
  });

  it('finds several culprits side by side, at its beginning or its end', async () => {
    for (const culprits of [
      [0, 1, 2, 3, 4, 5],
      [194, 195, 196, 197, 198, 199],
      [0, 1, 2, 199],
    ]) {
      const { sent, send } = upstream(new Set(culprits));
      const verdicts = await sendWithBisection(receiversOf(200), { send, acquirePermit: always, splitsBatches: true });
      expect(sent).toHaveLength(200 - culprits.length);
      expect(verdicts.filter(({ outcome }) => outcome === 'rejected')).toHaveLength(culprits.length);
    }
  });

  it('is given up after three single receivers were refused in the same words and none was accepted', async () => {
    const { calls, send } = upstream(new Set(receiversOf(200).keys()));
    const verdicts = await sendWithBisection(receiversOf(200), { send, acquirePermit: always, splitsBatches: true });
    expect(new Set(verdicts.map(({ outcome }) => outcome))).toEqual(new Set(['rejected']));
    expect(calls.length).toBeLessThan(20);
  });

  it.each([
    ['a template that all of them share', refusedAs('template'), true, 1],
    ['a connection that all of them share', { ...refusedAs('other', 400), detail: 'missing connection' }, true, 1],
    ['a 2xx, where that is not wanted', refusedAs('other', 200), false, 1],
  ])('is not halved for %s', async (_name, refusal, splitsBatches, times) => {
    const { calls, send } = upstream(new Set([1]), refusal);
    await sendWithBisection(receiversOf(4), { send, acquirePermit: always, splitsBatches });
    expect(calls).toHaveLength(times);
  });

  it('acquires a permit before each further call, and is not sent to those without one', async () => {
    const { calls, sent, send } = upstream(new Set([0]));
    let turns = 0;
    const acquirePermit = async () => {
      turns += 1;
      if (turns === 4) throw new Error('the process ends');
    };
    const verdicts = await sendWithBisection(receiversOf(8), { send, acquirePermit, splitsBatches: true });
    expect(calls).toHaveLength(turns);
    for (const [at, { outcome }] of verdicts.entries()) {
      expect(sent.includes(`id-${at}`)).toBe(outcome === 'accepted');
    }
    expect(verdicts.filter(({ outcome }) => outcome === 'not_sent').length).toBeGreaterThan(0);
  });
});
