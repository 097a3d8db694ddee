import { parse } from 'csv-parse/sync';
import { afterEach, describe, expect, it } from 'vitest';
import { recipientsReport } from '../../src/messages/recipients-report.ts';
import type { ReportedRecipient } from '../../src/store/broadcast-store.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const rowsOf = (text: string): Record<string, string>[] => parse(text, { columns: true });

const reported = async (recipients: ReportedRecipient[]) => {
  let text = '';
  const store = {
    listRecipients: async (_: string, { after }: { after: number }) => ({
      recipients: recipients.slice(after, after + 1),
      ...(after + 1 < recipients.length && { next: after + 1 }),
    }),
  };
  for await (const part of recipientsReport({ store, id: 'b', mayRead: () => true })) text += part;
  return text;
};

describe('the report of a broadcast', () => {
  let service: Service;
  afterEach(() => service?.close());

  const create = async (numbers: string[]) => {
    const { json } = await service.ask('POST', '/v1/broadcasts', {
      json: {
        template: 'order_update',
        broadcastName: 'Größe, "neu"',
        recipients: numbers.map((to) => ({ to, parameters })),
      },
      headers: { 'idempotency-key': 'key-1' },
    });
    const { id } = json as { id: string };
    await expect.poll(async () => (await service.ask('GET', `/v1/broadcasts/${id}`)).json).toHaveProperty('finishedAt');
    return id;
  };
  const report = (id: string, key?: string): Promise<Answer> =>
    service.ask('GET', `/v1/broadcasts/${id}/recipients.csv`, key === undefined ? {} : { key });

  it('has a row for each recipient, in the order of the request, with its outcome', async () => {
    const key = 'a-key-that-only-sends-messages';
    service = await startService({
      settings: { ...connection, GROUP_MAX_BROADCAST: '5' },
      callers: [
        { name: 'other', key: 'key-of-another-caller', scopes: ['*'], connections: ['*'] },
        { name: 'sender', key, scopes: ['messages:send'], connections: ['*'] },
      ],
    });
    const given = ['14155551000', '14155551020', '14155550423', '14155551022', '14155550422', '14155550202'];
    const id = await create(given);
    const answer = await report(id);
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'text/csv; charset=utf-8; header=present',
        'content-disposition':
          'attachment; filename="Gr__e_ _neu_-recipients.csv"; filename*=UTF-8\'\'Gr%C3%B6%C3%9Fe%2C%20%22neu%22-recipients.csv',
        'cache-control': 'no-store',
      },
    });
    const rows = rowsOf(answer.text);
    expect(rows.map(({ Phone }) => Phone)).toEqual(given);
    expect(rows.map(({ Status }) => Status).toSorted()).toEqual([
      'accepted',
      ...Array<string>(4).fill('rejected'),
      'unknown',
    ]);
    const one = rows.find(({ FailureCode }) => FailureCode === 'opted-out');
    expect(one).toMatchObject({ Status: 'rejected', Delivery: '', CalledAt: expect.stringMatching(/Z$/) });
    expect((await service.ask('GET', `/v1/messages/${one?.MessageId}`)).json).toMatchObject({ to: one?.Phone });
    const path = `/v1/broadcasts/${id}/recipients.csv`;
    expect(await service.ask('HEAD', path)).toMatchObject({ status: 200, text: '' });
    expect((await report(id, 'key-of-another-caller')).status).toBe(404);
    expect((await report(id, key)).status).toBe(403);
    expect((await report('nope')).status).toBe(404);
    expect((await service.ask('GET', `${path}?x=1`)).status).toBe(400);
  });

  it('lets no cell become a formula, and breaks off when the reader loses the right to read', async () => {
    const details = ['=1+1', '+1', '-1', '@a', '\ttab', '\rcr', 'plain', '"quoted", and\r\nmore', ''];
    const text = await reported(
      details.map((detail, n) => ({
        id: `m${n}`,
        to: '14155550100',
        status: 'rejected',
        failure: { code: '=code', detail },
        updatedAt: '2026-11-02T09:30:00.000Z',
      })),
    );
    expect(rowsOf(text).map(({ FailureCode, FailureDetail }) => [FailureCode, FailureDetail])).toEqual(
      details.map((detail) => ["'=code", /^[=+\-@\t\r]/.test(detail) ? `'${detail}` : detail]),
    );
    expect(text).toMatch(/\r\n$/);
    const store = { listRecipients: async () => ({ recipients: [], next: 1 }) };
    let allowed = 2;
    const cut = recipientsReport({ store, id: 'b', mayRead: () => allowed-- > 0 });
    await expect(
      (async () => {
        for await (const _ of cut);
      })(),
    ).rejects.toThrow('may not read');
  });
});
