import { afterEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { type Service, startService } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };

/** The most that arrived in any window of a second. */
function mostInASecond(times: readonly number[]): number {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] ?? 0) - (times[first] ?? 0) >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

describe('ten requests a second, of a simulator that counts every sliding second', () => {
  let service: Service;
  afterEach(() => service.close());

  const start = (settings: Record<string, string>) =>
    startService({
      settings: { ...connection, MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none', ...settings },
      simulator: { perSecond: 10 },
    });
  const text = (to: string, wait = {}) =>
    service.ask('POST', '/v1/messages/text', { json: { to, text: 'hello' }, headers: wait });
  const times = () => service.simulator.ledger.entries.map(({ at }) => at);

  it('are never exceeded by 64 callers, and mostly used', async () => {
    service = await start({ SEND_WAIT_MS: '20000' });
    const begun = performance.now();
    const until = begun + 4_000;
    const caller = async (n: number) => {
      while (performance.now() < until) {
        if (n % 4 === 0) await service.ask('GET', '/v1/templates?page=2');
        await text(`1415555100${n % 10}`);
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => caller(n)));
    const seconds = (performance.now() - begun) / 1000;
    expect(service.simulator.ledger.entries.filter(({ status }) => status === 429)).toEqual([]);
    expect(mostInASecond(times())).toBeLessThanOrEqual(10);
    expect(times().length / seconds).toBeGreaterThan(8);
  });

  it('are kept even if the commit between the permit and the first byte takes long', async () => {
    const store = await openStore('memory:', OPTIONS);
    const claimAll = store.claimAll.bind(store);
    let commits = 0;
    store.claimAll = async (marks) => {
      commits += 1;
      await new Promise((resume) => setTimeout(resume, commits % 4 === 1 ? 150 : 0));
      return claimAll(marks);
    };
    service = await startService({
      settings: { ...connection, MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none', SEND_WAIT_MS: '20000' },
      simulator: { perSecond: 10 },
      store,
    });
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => text(`1415555100${n % 10}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(201));
    expect(service.simulator.ledger.entries.filter(({ status }) => status === 429)).toEqual([]);
    expect(mostInASecond(times())).toBeLessThanOrEqual(10);
  });
});
