import { afterEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../helper.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const subjects = [
  ['text', 'sendSessionMessage', { text: 'hello' }],
  ['template', 'sendTemplateMessagesV2', { template: 'order_update', parameters }],
] as const;

describe.each(subjects)('while the key is refused, a %s', (kind, operation, content) => {
  let service: Service;
  afterEach(() => service.close());

  const start = async (settings: Record<string, string>) => {
    service = await startService({ settings: { ...connection, ...settings } });
    await service.ask('GET', '/v1/templates');
    service.simulator.tenant.settings.matonKey = 'revoked';
  };
  const send = (to: string, headers = {}) =>
    service.ask('POST', `/v1/messages/${kind}`, { json: { to, ...content }, headers });
  const status = async (location: unknown) =>
    ((await service.ask('GET', String(location))).json as { status: string }).status;
  const tries = () => service.simulator.ledger.of(operation).length;

  it.each([
    ['by itself', {}],
    ['in a group', { MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none' }],
  ])('that nobody waits for stays queued, and goes out once when the key is mended: %s', async (_name, settings) => {
    await start(settings);
    const async = { prefer: 'respond-async' };
    const first = await send('14155551000', async);
    expect(first.status).toBe(202);
    await expect.poll(tries).toBeGreaterThan(0);
    const second = await send('14155551001', async);
    await new Promise((resume) => setTimeout(resume, 1_200));
    expect([await status(first.headers.location), await status(second.headers.location)]).toEqual(['queued', 'queued']);
    const before = tries();
    await new Promise((resume) => setTimeout(resume, 700));
    expect(tries()).toBe(before);
    service.simulator.tenant.settings.matonKey = 'ok';
    for (const { headers } of [first, second]) {
      await expect.poll(() => status(headers.location), { timeout: 8_000 }).toBe('accepted');
    }
    const processed = service.simulator.ledger.of(operation).filter((entry) => entry.processed);
    expect(processed.flatMap(({ recipients }) => recipients).toSorted()).toEqual(['14155551000', '14155551001']);
  });

  it('that somebody waits for is told so at once', async () => {
    await start({});
    await send('14155551000', { prefer: 'respond-async' });
    await expect.poll(tries).toBeGreaterThan(0);
    expect(await send('14155551001')).toMatchObject({
      status: 502,
      json: { type: '/problems/upstream-unauthorized', outcome: 'rejected' },
    });
  });
});
