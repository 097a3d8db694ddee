import { describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const subjects = [
  ['text', 'sendSessionMessage', { text: 'hello' }],
  ['template', 'sendTemplateMessagesV2', { template: 'order_update', parameters }],
] as const;

describe.concurrent.each(subjects)('while the key is refused, a %s', (kind, operation, content) => {
  const start = async (settings: Record<string, string>) => {
    const service = await startService({ settings: { ...connection, ...settings } });
    await service.ask('GET', '/v1/templates');
    service.simulator.tenant.settings.matonKey = 'revoked';
    return {
      service,
      send: (to: string, headers = {}) =>
        service.ask('POST', `/v1/messages/${kind}`, { json: { to, ...content }, headers }),
      status: async (location: unknown) =>
        ((await service.ask('GET', String(location))).json as { status: string }).status,
      tries: () => service.simulator.ledger.of(operation).length,
      /** Whether the key is good again: calls that put nothing before anybody. */
      probes: () => service.simulator.ledger.entries.filter((entry) => entry.operation !== operation).length,
    };
  };

  it.each([
    ['by itself', {}],
    ['in a group', { MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none' }],
  ])('that nobody waits for stays queued, and goes out once when the key is mended: %s', async (_name, settings) => {
    const { service, send, status, tries, probes } = await start(settings);
    const async = { prefer: 'respond-async' };
    const first = await send('14155551000', async);
    expect(first.status).toBe(202);
    await until(() => tries() > 0);
    const second = await send('14155551001', async);
    const probed = probes();
    await until(() => probes() > probed);
    expect([await status(first.headers.location), await status(second.headers.location)]).toEqual(['queued', 'queued']);
    const before = tries();
    await until(() => probes() > probed + 1);
    expect(tries()).toBe(before);
    service.simulator.tenant.settings.matonKey = 'ok';
    for (const { headers } of [first, second]) {
      await until(async () => (await status(headers.location)) === 'accepted');
    }
    const processed = service.simulator.ledger.of(operation).filter((entry) => entry.processed);
    expect(processed.flatMap(({ recipients }) => recipients).toSorted()).toEqual(['14155551000', '14155551001']);
    await service.close();
  });

  it('whose client waits is answered at once', async () => {
    const { service, send, tries } = await start({});
    await send('14155551000', { prefer: 'respond-async' });
    await until(() => tries() > 0);
    expect(await send('14155551001')).toMatchObject({
      status: 502,
      json: { type: problem('upstream-unauthorized'), outcome: 'rejected' },
    });
    await service.close();
  });
});
