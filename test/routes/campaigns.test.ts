import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broadcast } from '../../src/schemas/broadcast.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const broadcastOf = ({ json }: Answer) => json as Broadcast;

describe('a campaign', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { ...connection, GROUP_MAX_BROADCAST: '10' },
      callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'], connections: ['*'] }],
    });
  });
  afterAll(() => service.close());

  const create = (key: string, recipients: object[], more: object = {}) =>
    service.ask('POST', '/v1/broadcasts', {
      json: { template: 'order_update', broadcastName: 'sale', recipients, ...more },
      headers: { 'idempotency-key': key },
    });
  const to = (...numbers: string[]) => numbers.map((number) => ({ to: number, parameters }));
  const read = async (id: string) => broadcastOf(await service.ask('GET', `/v1/broadcasts/${id}`));

  it('keeps to its own pace, shows when it will end, and is another request with another pace', async () => {
    const numbers = ['14155551000', '14155551001', '14155551002'];
    const started = await create('pace', to(...numbers), { perMinute: 1, reference: 'autumn' });
    expect(started).toMatchObject({ status: 202, json: { perMinute: 1, reference: 'autumn' } });
    const { id } = broadcastOf(started);
    await expect.poll(async () => (await read(id)).counts.accepted).toBe(1);
    const { counts, estimatedEndAt, createdAt, updatedAt } = await read(id);
    expect(counts).toMatchObject({ accepted: 1, queued: 2 });
    const leftMs = Date.parse(String(estimatedEndAt)) - Date.parse(updatedAt);
    expect(leftMs).toBeGreaterThan(100_000);
    expect(updatedAt >= createdAt).toBe(true);
    for (const more of [{}, { perMinute: 2 }, { perMinute: 1, reference: 'winter' }]) {
      const other = await create('pace', to(...numbers), more);
      expect(other).toMatchObject({ status: 422, json: { type: problem('idempotency-mismatch') } });
    }
    expect(await create('pace', to(...numbers), { perMinute: 1 })).toMatchObject({ status: 202, json: { id } });
    for (const perMinute of [0, 100_001, 1.5, '5'])
      expect((await create('pace-2', to('14155551000'), { perMinute })).status).toBe(400);
    const paused = broadcastOf(await service.ask('POST', `/v1/broadcasts/${id}/pause`));
    expect(paused).toMatchObject({ status: 'paused', pausedBy: 'caller' });
    expect(paused).not.toHaveProperty('estimatedEndAt');
    expect(service.simulator.ledger.of('sendTemplateMessagesV2').map(({ recipients }) => recipients)).toEqual([
      ['14155551000'],
    ]);
    expect((await service.ask('POST', `/v1/broadcasts/${id}/cancel`)).status).toBe(200);
  });
});
