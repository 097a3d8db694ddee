import { describe, expect, it } from 'vitest';
import { type Paced, silences, startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import type { Answer } from '../support/service.ts';
import { until } from '../support/until.ts';

const settings = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const operation = 'sendSessionMessage';

/** In front of an upstream that could take all and says 429 so many times; what is asked waits until time runs on. */
async function inStorm(retryAfter: string, times: number, run: (storm: Storm) => Promise<void>): Promise<void> {
  const paced = await startPaced(10, { settings });
  const { service, rateLimiter } = paced;
  try {
    // The turn that is free.
    await service.ask('GET', '/v1/contacts?pageSize=1');
    const refusal = { status: 429, headers: { 'retry-after': retryAfter }, body: {} };
    service.simulator.script(operation, ...Array.from({ length: times }, () => refusal));
    const waiting = (count: number) => until(() => rateLimiter.stats().lanes.interactive.queued === count);
    const text = (to: string, headers = {}) =>
      service.ask('POST', '/v1/messages/text', { json: { to, text: 'hello' }, headers });
    const tries = (to: string) => service.simulator.ledger.sendsTo(to);
    await run({ paced, waiting, text, tries });
  } finally {
    await service.close();
  }
}

interface Storm {
  paced: Paced;
  waiting(count: number): Promise<boolean>;
  text(to: string, headers?: Record<string, string>): Promise<Answer>;
  tries(to: string): ReturnType<Paced['service']['simulator']['ledger']['sendsTo']>;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `1415555100${n}`);
const callsOf = ({ service }: Paced) => service.simulator.ledger.entries.length;

describe.concurrent('a storm of 429s', () => {
  it.each([
    ['2', 1, 2_000],
    ['0', 3, 1_000],
    ['soon', 3, 1_000],
    ['-1', 2, 1_000],
  ])(
    'with Retry-After %s: nothing goes out before its time, and then all is accepted',
    async (retryAfter, times, ms) => {
      await inStorm(retryAfter, times, async ({ paced, waiting, text, tries }) => {
        const all = numbers(4);
        const reading = paced.service.ask('GET', '/v1/contacts?pageSize=1');
        const asked = all.map((to) => text(to));
        await waiting(5);
        const answers = await paced.during(Promise.all(asked));
        expect(answers.map(({ status }) => status)).toEqual(all.map(() => 201));
        expect((await paced.during(reading)).status).toBe(200);
        const seen = silences(paced);
        expect(seen).toHaveLength(times);
        for (const silence of seen) expect(silence).toBeGreaterThanOrEqual(ms);
        // Every call had a turn of its own.
        expect(callsOf(paced)).toBeLessThanOrEqual(paced.events.filter(({ what }) => what === 'turn').length);
        for (const to of all) {
          expect(tries(to).filter(({ processed }) => processed)).toHaveLength(1);
          expect(tries(to).length).toBeLessThanOrEqual(3);
        }
      });
    },
  );

  it('with Retry-After 3600: nothing is sent for now, and new sends are refused unrecorded', async () => {
    await inStorm('3600', 1, async ({ paced, waiting, text }) => {
      const { service } = paced;
      const first = text('14155551000');
      await waiting(1);
      // Accepted before the refusals began, and no client waits for it: it stays queued.
      const queued = await text('14155551001', { prefer: 'respond-async' });
      expect(queued.status).toBe(202);
      expect(await paced.during(first)).toMatchObject({
        status: 503,
        json: { type: problem('upstream-unavailable'), outcome: 'not_sent' },
      });
      const calls = callsOf(paced);
      for (const { status, headers, json } of await Promise.all(numbers(5).map((to) => text(to)))) {
        expect({ status, json }).toMatchObject({ status: 429, json: { type: problem('rate-limited') } });
        expect(Number(headers['retry-after'])).toBeGreaterThan(10);
      }
      await paced.run(10_000);
      expect(callsOf(paced)).toBe(calls);
      const { json } = await service.ask('GET', '/v1/messages');
      const statuses = (json as { data: { status: string }[] }).data.map(({ status }) => status);
      expect(statuses.toSorted()).toEqual(['not_sent', 'queued']);
    });
  });

  it('that does not end is given up after three attempts, and nothing was sent', async () => {
    await inStorm('0', 100, async ({ paced, text, tries }) => {
      const both = numbers(2);
      const answers = await paced.during(Promise.all(both.map((to) => text(to))));
      for (const { status, json } of answers) {
        expect({ status, json }).toMatchObject({
          status: 503,
          json: { type: problem('upstream-unavailable'), outcome: 'not_sent' },
        });
      }
      await paced.run(5_000);
      for (const to of both) {
        expect(tries(to).length).toBe(3);
        expect(tries(to).filter(({ processed }) => processed)).toEqual([]);
      }
    });
  });
});
