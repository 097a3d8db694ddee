import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { callerEntry } from '../../src/callers.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { exampleIds } from '../../src/schemas/common.ts';
import { problem } from '../support/problem-type.ts';
import { started } from './helper.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-sandbox-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('a sandbox with CLIENTS_FILE', () => {
  const keys = { orders: 'key-of-orders-long-enough', shop: 'key-of-the-shop-long-enough' };
  const clients = file('clients.json', [
    callerEntry('orders', keys.orders, { scopes: ['messages:send', 'messages:read', 'broadcasts:send'] }),
    callerEntry('shop', keys.shop, { scopes: ['templates:read'], countries: ['US'] }),
  ]);

  it('has those callers with their scopes, before and after a reset, and no other', async () => {
    const { sandbox, ask, reset } = await started({ CLIENTS_FILE: clients });
    expect(sandbox.callersOfFile).toEqual(['orders', 'shop']);
    const text = { to: '14155550100', text: 'Hello' };
    for (let round = 0; round < 2; round += 1) {
      const statuses = await Promise.all([
        ask('POST', '/v1/messages/text', text, bearer(keys.orders)),
        ask('POST', '/v1/messages/text', text, bearer(keys.shop)),
        ask('GET', '/v1/templates', undefined, bearer(keys.shop)),
        ask('GET', '/v1/messages'),
      ]);
      expect(statuses.map(({ status }) => status)).toEqual([201, 403, 200, 401]);
      // Keys of CLIENTS_FILE are secret.
      expect((await ask('GET', '/_sandbox/key')).json).toEqual({ key: null });
      await reset();
    }
    // The records of the examples are those of the first caller.
    const example = `/v1/messages/${exampleIds.unknownMessage}`;
    expect((await ask('GET', example, undefined, bearer(keys.orders))).status).toBe(200);
  });

  it.each([
    ['is not there', join(folder, 'nowhere.json'), /^CLIENTS_FILE: .*ENOENT/],
    ['has faults', file('faulty.json', [{ name: 'orders' }]), /^CLIENTS_FILE: orders: "scopes" is missing/],
  ])('does not start where the file %s', async (_what, CLIENTS_FILE, words) => {
    const environment = { PORT: '0', CLIENTS_FILE };
    await expect(startSandbox(environment, { logger: () => pino({ level: 'silent' }) })).rejects.toThrow(words);
  });
});

describe('the records of the examples', () => {
  it.each([
    ['GET', `/v1/messages/${exampleIds.unknownMessage}`],
    ['POST', `/v1/messages/${exampleIds.unknownMessage}/reconcile`],
    ['GET', `/v1/broadcasts/${exampleIds.doneBroadcast}`],
    ['POST', `/v1/broadcasts/${exampleIds.pausedBroadcast}/resume`],
    ['POST', `/v1/broadcasts/${exampleIds.unwantedBroadcast}/cancel`],
  ])('are there when they are asked for, after a reset as well: %s %s', async (method, path) => {
    const { ask, list, reset } = await started();
    expect(await list('/v1/messages')).toEqual([]);
    expect((await ask(method, path)).status).toBe(200);
    await reset();
    // A suite of tests begins without any record.
    expect([await list('/v1/messages'), await list('/v1/broadcasts')]).toEqual([[], []]);
    const both = await Promise.all([ask(method, path), ask('GET', `/v1/broadcasts/${exampleIds.doneBroadcast}`)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe('templates of your own', () => {
  const told = {
    id: 'as-the-real-account-has-it',
    name: 'parcel_here',
    status: 'approved',
    category: 'UTILITY',
    language: 'en',
    parameters: ['name', 'shelf', 'number', 'code'],
    header: { type: 'text', text: 'Your parcel {{number}}' },
    body: 'Hi {{name}}, it is on shelf {{shelf}}.',
    footer: 'Open until six',
    buttons: [{ type: 'url', text: 'Map', url: 'https://example.com/map/{{code}}' }],
  };

  it('are added by a call, as GET /v1/templates tells them, and sent', async () => {
    const { ask, list, reset, ledger } = await started();
    // The list that the service has by now is older than the template.
    await list('/v1/templates');
    const added = await ask('POST', '/_sandbox/templates', { data: [told], page: { number: 1, size: 1 } });
    expect(added.json).toEqual({ data: [{ name: 'parcel_here', status: 'approved', language: 'en' }] });
    const { json } = await ask('GET', '/v1/templates/parcel_here');
    expect(json).toEqual({ ...told, id: expect.any(String) });
    const parameters = { name: 'Asha', shelf: '7', number: 'A-1', code: 'x' };
    const send = (template: string, values: object) =>
      ask('POST', '/v1/messages/template', { to: '14155550100', template, parameters: values });
    expect((await send('parcel_here', parameters)).status).toBe(201);
    expect(await ledger('?recipient=14155550100')).toMatchObject([
      { messages: [{ template: 'parcel_here', parameters }] },
    ]);
    await ask('POST', '/_sandbox/templates', { name: 'in_review', body: 'Soon', status: 'pending' });
    expect((await send('in_review', {})).json).toMatchObject({ type: problem('template-unknown') });
    // One of the same name and language takes the place of the other.
    await ask('POST', '/_sandbox/templates', [{ name: 'welcome', body: 'Hello again' }]);
    await reset();
    expect((await list('/v1/templates?pageSize=100')).map(({ name }) => name)).not.toContain('parcel_here');
    expect((await ask('GET', '/v1/templates/welcome')).json.body).toMatch(/^Welcome!/);
  });

  it('come from a file at the start, and are there after a reset', async () => {
    const path = file('templates.json', [{ name: 'welcome', body: 'Hi {{who}}' }, told]);
    const { ask, reset } = await started({}, undefined, path);
    for (let round = 0; round < 2; round += 1) {
      expect((await ask('GET', '/v1/templates/welcome')).json).toMatchObject({
        body: 'Hi {{who}}',
        parameters: ['who'],
      });
      expect((await ask('GET', '/v1/templates/parcel_here')).status).toBe(200);
      await reset();
    }
  });

  it.each([
    ['{}', /Template 1 .*name/],
    ['[]', /There must be 1 to 1000 templates/],
    ['[{"name": "a", "body": "b"}, {"name": "a", "text": "b"}]', /Template 2 /],
    ['{"data": [{"name": "a", "body": ""}]}', /Template 1 \/body/],
  ])('are refused with what is wrong: %s', async (body, words) => {
    const { ask } = await started();
    const { status, json } = await ask('POST', '/_sandbox/templates', JSON.parse(body));
    expect([status, json.error]).toEqual([400, expect.stringMatching(words)]);
    const templatesFile = file('refused.json', body);
    const start = startSandbox({ PORT: '0' }, { templatesFile, logger: () => pino({ level: 'silent' }) });
    await expect(start).rejects.toThrow(words);
  });
});
