import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BroadcastDryRun } from '../../src/schemas/dry-run.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Ask, type Service, startService } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const narrowKey = 'a-key-with-rules-and-a-quota';
const boundary = 'the-boundary';
const header = 'Phone,customer_name,order_id,order_status,Reference';
const body = 'Hi Asha, your order A-1 shipped.';

describe('a dry run', () => {
  let service: Service;
  beforeAll(async () => {
    const narrow = { recipients: ['1415555*'], messagesPerDay: 9 };
    service = await startService({
      settings: connection,
      callers: [{ name: 'narrow', key: narrowKey, scopes: ['*'], connections: ['*'], ...narrow }],
    });
  });
  afterAll(() => service.close());

  const rehearse = (
    recipients: object[],
    { query = 'dryRun=true', more = {}, ...ask }: Ask & { query?: string; more?: object } = {},
  ) =>
    service.ask('POST', `/v1/broadcasts?${query}`, {
      json: { template: 'order_update', broadcastName: 'sale', recipients, ...more },
      headers: { 'idempotency-key': 'key-1' },
      ...ask,
    });
  const rehearseCsv = (lines: string[], ask: Ask & { query?: string } = {}) =>
    service.ask(
      'POST',
      `/v1/broadcasts/import?template=order_update&broadcastName=sale&${ask.query ?? 'dryRun=true'}`,
      {
        body: `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\ncontent-type: text/csv\r\n\r\n${lines.join('\n')}\r\n--${boundary}--\r\n`,
        headers: { 'idempotency-key': 'key-1', 'content-type': `multipart/form-data; boundary=${boundary}` },
        ...ask,
      },
    );
  const found = ({ status, json }: Answer): BroadcastDryRun => {
    expect(status).toBe(200);
    return json as BroadcastDryRun;
  };
  const recorded = async () => (await service.ask('GET', '/v1/broadcasts')).json;

  it('of a list counts its faults, duplicates and valid recipients, shows texts, and records nothing', async () => {
    const list = [
      { to: '14155551000', parameters },
      { to: '+1 415 555 1000', parameters },
      { to: '14155551001', parameters: { ...parameters, order_id: ' ' } },
      ...Array.from({ length: 4 }, (_, n) => ({ to: String(14155551002 + n), parameters })),
    ];
    expect(found(await rehearse(list))).toEqual({
      recipients: 7,
      valid: 5,
      duplicates: 1,
      optedOut: 0,
      faultCount: 2,
      faults: [
        { pointer: '/recipients/1/to', detail: 'is given twice, first at /recipients/0/to' },
        { pointer: '/recipients/2/parameters/order_id', detail: 'is blank' },
      ],
      samples: ['14155551000', '14155551002', '14155551003'].map((to) => ({
        to,
        message: expect.objectContaining({ template: 'order_update', body }),
      })),
      perMinute: expect.any(Number),
      estimatedDurationS: 1,
    });
    expect(await recorded()).toEqual({ data: [] });
    expect((await service.ask('GET', '/v1/messages')).json).toEqual({ data: [] });
    // With `perMinute` it takes longer.
    const slow = found(await rehearse(list, { more: { perMinute: 2 } }));
    expect(slow).toMatchObject({ perMinute: 2, estimatedDurationS: 150 });
  });

  it('of a file reads it to its end, even if it has faults', async () => {
    const lines = [
      header,
      '14155551000,Asha,A-1,shipped,order 1',
      '14155551000,Asha,A-1,shipped,order 2',
      '12,Asha,A-1,shipped,',
      '14155551001,Asha,,shipped,order 3',
      `14155551002,Asha,A-1,shipped,${'x'.repeat(256)}`,
      '14155551003,Asha,A-1,shipped,',
    ];
    const { faults, ...counts } = found(await rehearseCsv(lines));
    expect(counts).toMatchObject({ recipients: 6, valid: 2, duplicates: 1, optedOut: 0, faultCount: 4 });
    expect(counts.samples.map(({ to, message }) => [to, message.body])).toEqual([
      ['14155551000', body],
      ['14155551003', body],
    ]);
    expect(faults.map(({ pointer, row, line }) => [pointer, row, line])).toEqual([
      ['/rows/2/Phone', 2, 3],
      ['/rows/3/Phone', 3, 4],
      ['/rows/4/order_id', 4, 5],
      ['/rows/5/Reference', 5, 6],
    ]);
    // The import itself reports the same faults, and so does a file that cannot be read to its end.
    const refused = await rehearseCsv(lines, { query: 'dryRun=false' });
    expect(refused).toMatchObject({ status: 422, json: { type: problem('csv-invalid'), errors: faults } });
    const unread = found(await rehearseCsv(['Phone,order_id', '14155551000,A-1']));
    expect(unread).toMatchObject({ recipients: 0, valid: 0, samples: [], estimatedDurationS: 0 });
    expect(unread.faults.map(({ pointer }) => pointer)).toEqual(['/rows/0/customer_name', '/rows/0/order_status']);
    expect(await recorded()).toEqual({ data: [] });
  });

  it('reports recipients that the entry of the caller forbids, and the remaining quota', async () => {
    const numbers = ['14155551000', '442079460123'];
    for (const answer of [
      await rehearse(
        numbers.map((to) => ({ to, parameters })),
        { key: narrowKey },
      ),
      await rehearseCsv([header, ...numbers.map((to) => `${to},Asha,A-1,shipped,`)], { key: narrowKey }),
    ]) {
      const { faults, ...counts } = found(answer);
      expect(counts).toMatchObject({ recipients: 2, valid: 1, faultCount: 1, quotaLeft: 9 });
      expect(faults).toEqual([expect.objectContaining({ detail: 'your key may not send to this recipient' })]);
    }
    expect((await rehearse([{ to: '14155551000', parameters }], { more: { template: 'nope' } })).status).toBe(422);
    expect((await rehearse([{ to: '14155551000', parameters }], { query: 'dryRun=yes' })).status).toBe(400);
  });

  it('counts recipients known to have opted out, and does not use up the key', async () => {
    const list = ['14155551020', '14155551022'].map((to) => ({ to, parameters }));
    const { json } = await rehearse(list, { query: '' });
    const { id } = json as { id: string };
    await expect.poll(async () => (await service.ask('GET', `/v1/broadcasts/${id}`)).json).toHaveProperty('finishedAt');
    const { rejections = {} } = (await service.ask('GET', `/v1/broadcasts/${id}`)).json as {
      rejections?: Record<string, number>;
    };
    const optedOut = rejections['opted-out'] ?? 0;
    expect(optedOut).toBeGreaterThan(0);
    expect(found(await rehearse([...list, { to: '14155551000', parameters }]))).toMatchObject({ valid: 3, optedOut });
  });
});
