import { afterEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { createUploads } from '../../src/upload/uploads.ts';
import { openRequest, pdf, pdfForm } from '../routes/files-helper.ts';
import { OPTIONS } from '../store/samples.ts';
import { type Paced, silences, startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import type { Service } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };

describe('ten requests a second', () => {
  let paced: Paced;
  let service: Service;
  afterEach(() => service.close());

  const start = async (settings: Record<string, string>, more: Parameters<typeof startPaced>[1] = {}) => {
    paced = await startPaced(10, { settings: { ...connection, ...settings }, ...more });
    ({ service } = paced);
  };
  const text = (to: string, headers = {}) =>
    service.ask('POST', '/v1/messages/text', { json: { to, text: 'hello' }, headers });

  it('refuse a send whose permit cannot be granted in time, before anything is recorded', async () => {
    await start({ SEND_WAIT_MS: '500' });
    const answers = await Promise.all(Array.from({ length: 30 }, () => text('14155551000')));
    const refused = answers.filter(({ status }) => status === 429);
    const taken = answers.length - refused.length;
    // At once, and then every 111 ms.
    expect(taken).toBe(5);
    for (const { json, headers } of refused) {
      expect(json).toMatchObject({ type: problem('rate-limited'), retryable: true });
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
    const { json } = await service.ask('GET', '/v1/messages?limit=100');
    expect((json as { data: unknown[] }).data).toHaveLength(taken);
    const sent = () => service.simulator.ledger.of('sendSessionMessage').length;
    await paced.during(expect.poll(sent).toBe(taken) as Promise<void>);
  });

  it.each([
    ['text', 10],
    ['template', 20],
  ])('let in no more than can go, where a %s is slow to be recorded', async (kind, most) => {
    const store = await openStore('memory:', OPTIONS);
    const record = store.insert.bind(store);
    let recording = 0;
    const open = Promise.withResolvers<void>();
    store.insert = async (send) => {
      recording += 1;
      await open.promise;
      return record(send);
    };
    await start({ SEND_WAIT_MS: '1000', GROUP_MAX_INTERACTIVE: '2' }, { store });
    await service.ask('GET', '/v1/templates');
    const template = { template: 'welcome' };
    const send = (n: number) =>
      kind === 'text'
        ? text(`1415555100${n % 10}`)
        : service.ask('POST', '/v1/messages/template', { json: { to: `141555520${n + 10}`, ...template } });
    let refused = 0;
    const asked = Array.from({ length: 60 }, async (_, n) => {
      const { status } = await send(n);
      if (status === 429) refused += 1;
      return status;
    });
    await expect.poll(() => recording + refused).toBe(60);
    open.resolve();
    await paced.during(Promise.all(asked));
    expect(recording + refused).toBe(60);
    expect(recording).toBeLessThanOrEqual(most);
    expect(recording).toBeGreaterThan(most * 0.6);
  });

  it('pause for as long as a 429 says, for all callers', async () => {
    await start({});
    service.simulator.script('sendSessionMessage', { status: 429, headers: { 'retry-after': '2' }, body: {} });
    const both = Promise.all([text('14155551000'), text('14155551001')]);
    expect((await paced.during(both)).map(({ status }) => status)).toEqual([201, 201]);
    expect(silences(paced)).toHaveLength(1);
    expect(silences(paced)[0]).toBeGreaterThanOrEqual(2_000);
  });

  it('are not waited for by an upload whose caller has disconnected', async () => {
    const uploads = createUploads({ openMax: 1, bytesPerSecondMin: 1 });
    await start({ SEND_WAIT_MS: '30000' }, { seams: { uploads } });
    for (let n = 0; n < 6; n++) await text('14155551000', { prefer: 'respond-async' });
    const body = pdfForm(pdf(300_000));
    const request = openRequest(service, { headers: { 'content-length': String(body.length) } });
    await request.write(body.subarray(0, 100_000));
    await expect.poll(() => uploads.open).toBe(1);
    request.socket.destroy();
    // No turn comes meanwhile.
    await expect.poll(() => uploads.open).toBe(0);
    await paced.run(1_000);
    expect(service.simulator.ledger.of('sendSessionFile')).toEqual([]);
    const { json } = await service.ask('GET', '/v1/messages?limit=100');
    expect(JSON.stringify(json)).not.toContain('"file"');
  });
});
