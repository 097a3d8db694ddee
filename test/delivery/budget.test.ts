import { afterEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { createUploads } from '../../src/upload/uploads.ts';
import { type Service, startService } from '../helper.ts';
import { openRequest, pdf, pdfForm } from '../routes/files-helper.ts';
import { OPTIONS } from '../store/samples.ts';

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
    expect(times().length / seconds).toBeGreaterThan(8.5);
  });

  it('are kept to where the commit between the turn and the first byte takes its time', async () => {
    const store = await openStore('memory:', OPTIONS);
    const beginAll = store.beginAll.bind(store);
    let commits = 0;
    store.beginAll = async (marks) => {
      commits += 1;
      await new Promise((resume) => setTimeout(resume, commits % 4 === 1 ? 150 : 0));
      return beginAll(marks);
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

  it('refuse at once, and before anything is recorded, a send whose turn cannot come in time', async () => {
    service = await start({ SEND_WAIT_MS: '500' });
    const answers = await Promise.all(Array.from({ length: 30 }, () => text('14155551000')));
    const refused = answers.filter(({ status }) => status === 429);
    const taken = answers.length - refused.length;
    expect(taken).toBeGreaterThan(2);
    expect(refused.length).toBeGreaterThan(15);
    for (const { json, headers } of refused) {
      expect(json).toMatchObject({ type: '/problems/rate-limited', retryable: true });
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
    const { json } = await service.ask('GET', '/v1/messages?limit=100');
    expect((json as { data: unknown[] }).data).toHaveLength(taken);
    await expect.poll(() => service.simulator.ledger.of('sendSessionMessage').length).toBe(taken);
  });

  it.each(['text', 'template'])('let in no more than can go, where a %s is slow to be recorded', async (kind) => {
    const store = await openStore('memory:', OPTIONS);
    const record = store.record.bind(store);
    store.record = async (send) => {
      await new Promise((resume) => setTimeout(resume, 300));
      return record(send);
    };
    service = await startService({
      settings: {
        ...connection,
        ...{ MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none', SEND_WAIT_MS: '1000', GROUP_MAX_INTERACTIVE: '2' },
      },
      simulator: { perSecond: 10 },
      store,
    });
    await service.ask('GET', '/v1/templates');
    const template = { template: 'welcome' };
    const send = (n: number) =>
      kind === 'text'
        ? text(`1415555100${n % 10}`)
        : service.ask('POST', '/v1/messages/template', { json: { to: `141555520${n + 10}`, ...template } });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => send(n)));
    const counts = Map.groupBy(answers, ({ status }) => status);
    const of = (status: number) => counts.get(status)?.length ?? 0;
    // On a busy machine the last of them may be answered a little late.
    const taken = of(201) + of(202);
    expect(taken + of(429)).toBe(60);
    const perCall = kind === 'text' ? 1 : 2;
    expect(taken).toBeLessThanOrEqual(11 * perCall);
    expect(taken).toBeGreaterThan(6 * perCall);
  });

  it('pause for as long as a 429 says, for everybody', async () => {
    service = await start({ SEND_WAIT_MS: '6000' });
    service.simulator.script('sendSessionMessage', { status: 429, headers: { 'retry-after': '2' }, body: {} });
    const [first, second] = await Promise.all([
      text('14155551000'),
      new Promise((resume) => setTimeout(resume, 300)).then(() => text('14155551001')),
    ]);
    expect([first.status, second.status]).toEqual([201, 201]);
    const [refusedAt = 0, ...later] = times();
    expect(Math.min(...later) - refusedAt).toBeGreaterThanOrEqual(1_990);
  });

  it('are not waited for by an upload whose caller has gone', async () => {
    const uploads = createUploads({ openMax: 1, bytesPerSecondMin: 1 });
    service = await startService({
      settings: { ...connection, MATON_RATE_PER_SECOND: '1', WATI_PLAN: 'none', SEND_WAIT_MS: '30000' },
      seams: { uploads },
    });
    for (let n = 0; n < 6; n++) await text('14155551000', { prefer: 'respond-async' });
    const body = pdfForm(pdf(300_000));
    const request = openRequest(service, { headers: { 'content-length': String(body.length) } });
    await request.write(body.subarray(0, 100_000));
    await expect.poll(() => uploads.open).toBe(1);
    request.socket.destroy();
    await expect.poll(() => uploads.open, { timeout: 1_500 }).toBe(0);
    expect(service.simulator.ledger.of('sendSessionFile')).toEqual([]);
    const { json } = await service.ask('GET', '/v1/messages?limit=100');
    expect(JSON.stringify(json)).not.toContain('"file"');
  });
});
