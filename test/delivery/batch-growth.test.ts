import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broadcast } from '../../src/schemas/broadcast.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { refuseScripts } from '../support/refuse-scripts.ts';
import { type Service, startService } from '../support/service.ts';

const operation = 'sendTemplateMessagesV2';
const [start, most] = [5, 40];

describe('calls for the recipients of broadcasts', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: {
        MATON_CONNECTION_ID: seededConnection,
        MATON_RATE_PER_SECOND: '1000',
        WATI_PLAN: 'none',
        UPSTREAM_TIMEOUT_MS: '60000',
        GROUP_MAX_BROADCAST: String(start),
        GROUP_GROWS_TO: String(most),
      },
    });
  });
  afterAll(() => service.close());

  let next = 14155550005;
  /** None that the simulator treats in its own way. */
  const numbers = (count: number) => {
    const from = next;
    next += count * 10;
    return Array.from({ length: count }, (_, n) => String(from + n * 10));
  };
  const broadcast = async (to: readonly string[], statusOf = (_to: string) => 'shipped') => {
    const recipients = to.map((number) => ({
      to: number,
      parameters: { customer_name: 'Asha', order_id: 'A-1', order_status: statusOf(number) },
    }));
    const started = await service.ask('POST', '/v1/broadcasts', {
      json: { template: 'order_update', broadcastName: 'sale', recipients },
      headers: { 'idempotency-key': `to-${to[0]}` },
    });
    const { id } = started.json as Broadcast;
    const read = async () => (await service.ask('GET', `/v1/broadcasts/${id}`)).json as Broadcast;
    await expect.poll(async () => (await read()).status, { timeout: 20_000 }).toBe('done');
    return read();
  };
  const limit = async () => {
    const { text } = await service.ask('GET', '/metrics');
    return Number(/^wati_bff_group_size_limit\{.*lane="broadcast".*\} (\d+)$/m.exec(text)?.[1]);
  };

  it('begin with the size that is set, double while the answers are clean, and never exceed the maximum', async () => {
    const to = numbers(600);
    const { counts } = await broadcast(to);
    expect(counts).toMatchObject({ accepted: 600 });
    const sizes = service.simulator.ledger.of(operation).map(({ recipients }) => recipients.length);
    expect(sizes.slice(0, 2)).toEqual([start, start]);
    expect(Math.max(...sizes)).toBe(most);
    expect(
      service.simulator.ledger
        .of(operation)
        .flatMap(({ recipients }) => recipients)
        .toSorted(),
    ).toEqual(to);
    expect(await limit()).toBe(most);
  });

  it('halve when an answer is lost, which costs that call alone', async () => {
    service.simulator.script(operation, { fault: 'reset-after' });
    const { counts } = await broadcast(numbers(most));
    expect(counts).toMatchObject({ unknown: most });
    expect(await limit()).toBe(most / 2);
    service.simulator.ledger.clear();
    expect((await broadcast(numbers(most))).counts).toMatchObject({ accepted: most });
    const sizes = service.simulator.ledger.of(operation).map(({ recipients }) => recipients.length);
    expect(sizes).toEqual([most / 2, most / 2]);
  });

  it('halve when all are refused for one of them, which is found as before', async () => {
    refuseScripts(service);
    const to = numbers(most / 2);
    const { counts, rejections } = await broadcast(to, (number) => (number === to[7] ? '<script>' : 'shipped'));
    expect(counts).toMatchObject({ accepted: most / 2 - 1, rejected: 1 });
    expect(rejections).toEqual({ 'template-parameters': 1 });
    expect(await limit()).toBe(most / 4);
  });
});
