import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';

const to = '14155551000';
const folder = mkdtempSync(join(tmpdir(), 'wati-bff-pin-'));
afterAll(() => rmSync(folder, { recursive: true }));

let service: Service;
afterEach(() => service.close());

async function begin(settings: Record<string, string>, ids: string[], store = `file:${join(folder, 'records.db')}`) {
  service = await startService({ settings: { STORE_URL: store, ...settings } });
  service.simulator.tenant.connections.length = 0;
  for (const id of ids) service.simulator.tenant.addConnection({ id });
}

describe('the only active connection', () => {
  it('is refused if it is another one than was used first, until an operator names it', async () => {
    const send = (headers = {}) => service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' }, headers });
    const refused = { status: 409, json: { type: problem('connection-ambiguous') } };
    const sent = () => service.simulator.ledger.of('sendSessionMessage').map(({ connection }) => connection);

    await begin({}, ['ours']);
    expect((await send()).status).toBe(201);
    expect((await service.ask('GET', '/health/ready')).json).toMatchObject({ connection: 'active' });
    // Somebody connects another account, and ours is taken away.
    service.simulator.tenant.addConnection({ id: 'theirs' });
    expect((await service.ask('DELETE', '/v1/connections/ours')).status).toBe(204);
    for (const prefer of [{}, { prefer: 'respond-async' }]) expect(await send(prefer)).toMatchObject(refused);
    expect(await service.ask('GET', '/v1/contacts')).toMatchObject(refused);
    expect((await send({ 'maton-connection': 'theirs' })).status).toBe(201);
    expect(sent()).toEqual(['ours', 'theirs']);
    const changed = { level: 'error', connection: 'theirs', pinned: 'ours' };
    expect(service.logs().filter(({ pinned }) => pinned)).toEqual([expect.objectContaining(changed)]);
    await service.close();

    // After a restart as well; readiness and metrics tell, and the instance stays in.
    await begin({}, ['theirs']);
    expect(await send()).toMatchObject(refused);
    expect(await service.ask('GET', '/health/ready')).toMatchObject({ status: 200, json: { connection: 'changed' } });
    expect((await service.ask('GET', '/metrics')).text).toContain('wati_bff_connection_changed 1');
    await service.close();

    await begin({ MATON_CONNECTION_ID: 'theirs' }, ['theirs']);
    expect((await send()).status).toBe(201);
    await service.close();
    await begin({}, ['theirs']);
    expect((await send()).status).toBe(201);
  });

  it('is stored by sends, not by reads', async () => {
    await begin({}, ['c-1'], 'memory:');
    expect((await service.ask('GET', '/v1/contacts')).status).toBe(200);
    service.simulator.tenant.connections.length = 0;
    service.simulator.tenant.addConnection({ id: 'c-2' });
    // The list is trusted for ten seconds; a new one is had after a change of our own.
    await service.ask('POST', '/v1/connections', { json: {} });
    expect((await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } })).status).toBe(201);
    expect(service.simulator.ledger.of('sendSessionMessage')).toMatchObject([{ connection: 'c-2' }]);
  });
});
