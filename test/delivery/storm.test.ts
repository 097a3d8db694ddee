import { describe, expect, it } from 'vitest';
import { type Answer, type Service, startService } from '../helper.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const operation = 'sendSessionMessage';

/** A call whose turn had come before the answer arrived may still go out: so long a busy machine takes for a commit. */
const onItsWayMs = 150;

/** A service that paces itself, in front of an upstream that could take all and says 429 so many times. */
async function inStorm<Value>(
  {
    retryAfter,
    times,
    waitMs,
    perSecond = 10,
  }: { retryAfter: string; times: number; waitMs: number; perSecond?: number },
  run: (service: Service) => Promise<Value>,
): Promise<Value> {
  const service = await startService({
    settings: {
      ...connection,
      MATON_RATE_PER_SECOND: String(perSecond),
      WATI_PLAN: 'none',
      SEND_WAIT_MS: String(waitMs),
    },
  });
  try {
    const refusal = { status: 429, headers: { 'retry-after': retryAfter }, body: {} };
    service.simulator.script(operation, ...Array.from({ length: times }, () => refusal));
    return await run(service);
  } finally {
    await service.close();
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `1415555100${n}`);
const text = (service: Service, to: string, headers = {}): Promise<Answer> =>
  service.ask('POST', '/v1/messages/text', { json: { to, text: 'hello' }, headers });
const entries = ({ simulator }: Service) => simulator.ledger.entries;
const tries = (service: Service, to: string) => service.simulator.ledger.sendsTo(to);

/** How long nothing came after each 429, ms. */
function silences(service: Service): number[] {
  const times = entries(service).map(({ at }) => at);
  const refusals = entries(service).filter(({ status }) => status === 429);
  return refusals.map(({ at }) => Math.min(...times.filter((time) => time > at + onItsWayMs)) - at);
}

describe.concurrent('a storm of 429s', () => {
  it.each([
    ['5', 1, 5_000],
    ['0', 3, 1_000],
    ['soon', 3, 1_000],
    ['-1', 2, 1_000],
  ])(
    'with Retry-After %s: nothing goes out before its time, and then all is accepted',
    async (retryAfter, times, ms) => {
      await inStorm({ retryAfter, times, waitMs: 15_000 }, async (service) => {
        const all = numbers(4);
        const reading = service.ask('GET', '/v1/contacts?pageSize=1');
        const answers = await Promise.all(all.map((to) => text(service, to)));
        expect(answers.map(({ status }) => status)).toEqual(all.map(() => 201));
        expect((await reading).status).toBe(200);
        const seen = silences(service);
        expect(seen).toHaveLength(times);
        for (const silence of seen) expect(silence).toBeGreaterThanOrEqual(ms - 2);
        for (const to of all) {
          expect(tries(service, to).filter(({ processed }) => processed)).toHaveLength(1);
          expect(tries(service, to).length).toBeLessThanOrEqual(3);
        }
      });
    },
  );

  it('with Retry-After 3600: nothing goes out for now, and who asks hears so at once, unrecorded', async () => {
    // Half a second from one call to the next: the 429 is known by then, however busy the machine is.
    await inStorm({ retryAfter: '3600', times: 1, waitMs: 2_000, perSecond: 2 }, async (service) => {
      // The second was taken before the storm was known, and nobody waits for it: it stays queued.
      const [first, queued] = await Promise.all([
        text(service, '14155551000'),
        text(service, '14155551001', { prefer: 'respond-async' }),
      ]);
      expect(first).toMatchObject({
        status: 503,
        json: { type: '/problems/upstream-unavailable', outcome: 'not_sent' },
      });
      const calls = entries(service).length;
      const startedAt = performance.now();
      const refused = await Promise.all(numbers(5).map((to) => text(service, to)));
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      for (const { status, headers, json } of refused) {
        expect({ status, json }).toMatchObject({ status: 429, json: { type: '/problems/rate-limited' } });
        expect(Number(headers['retry-after'])).toBeGreaterThan(50);
      }
      await new Promise((resume) => setTimeout(resume, 2_000));
      expect(entries(service).length).toBe(calls);
      expect(queued.status).toBe(202);
      const { json } = await service.ask('GET', '/v1/messages');
      const statuses = (json as { data: { status: string }[] }).data.map(({ status }) => status);
      expect(statuses.toSorted()).toEqual(['not_sent', 'queued']);
    });
  });

  it('that does not end is given up after three tries, and nothing was sent', async () => {
    await inStorm({ retryAfter: '0', times: 100, waitMs: 6_000 }, async (service) => {
      const both = numbers(2);
      const answers = await Promise.all(both.map((to) => text(service, to)));
      for (const { status, json } of answers) {
        expect({ status, json }).toMatchObject({
          status: 503,
          json: { type: '/problems/upstream-unavailable', outcome: 'not_sent' },
        });
      }
      await new Promise((resume) => setTimeout(resume, 1_500));
      for (const to of both) {
        expect(tries(service, to).length).toBeLessThanOrEqual(3);
        expect(tries(service, to).filter(({ processed }) => processed)).toEqual([]);
      }
    });
  });
});
