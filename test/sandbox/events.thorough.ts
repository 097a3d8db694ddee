import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, expect, it } from 'vitest';
import { sandboxKey } from '../../src/callers/sandbox-key.ts';
import { callerEntry } from '../../src/callers.ts';
import { isRecord, type Json } from '../support/json.ts';
import { record } from '../support/operations.ts';
import { started } from './helper.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-events-'));
afterAll(() => rmSync(folder, { recursive: true }));
const keyOf = (name: string) => ({ authorization: `Bearer key-of-${name}-long-enough` });
const entry = (name: string, rest: object) =>
  callerEntry(name, `key-of-${name}-long-enough`, { scopes: ['*'], ...rest });

it('tells two callers of their messages and of the answers to them, each fact once, whatever webhooks come twice', async () => {
  const path = join(folder, 'clients.json');
  writeFileSync(
    path,
    JSON.stringify([entry('billing', { events: ['*'] }), entry('crm', { events: ['*'], inbound: 'all' })]),
  );
  const { ask, order } = await started({ CLIENTS_FILE: path });
  await ask('POST', '/_sandbox/webhooks', { twins: true, bsuid: true, duplicates: 3, disorderMs: 200, seed: 'events' });

  const events = async (name: string): Promise<Json[]> => {
    const { json } = await ask('GET', '/v1/events?limit=1000', undefined, keyOf(name));
    return Array.isArray(json.data) ? json.data.filter(isRecord) : [];
  };
  const types = async (name: string) => (await events(name)).map(({ type }) => String(type)).toSorted();
  const states = ['accepted', 'delivered', 'read', 'replied', 'sent'].map((state) => `message.${state}`);

  // A customer who taps a button, one with a username, and one whose answer is lost until a webhook proves the message.
  for (const [ends, name] of [
    ['0704', 'billing'],
    ['0757', 'billing'],
    ['0756', 'crm'],
  ] as const) {
    await order(`1415556${ends}`, keyOf(name));
  }
  await ask('POST', '/_sandbox/clock', { advanceSeconds: 60 });
  await expect
    .poll(() => types('billing'), { timeout: 15_000 })
    .toEqual(
      [...states, ...states, 'contact.changed', 'contact.changed', 'message.received', 'message.received'].toSorted(),
    );
  const lost = ['message.resolved', 'message.unknown', 'message.sent', 'message.delivered', 'message.read'];
  const heard = ['contact.changed', 'contact.changed', 'message.received', 'message.received'];
  await expect.poll(() => types('crm'), { timeout: 15_000 }).toEqual([...lost, ...heard].toSorted());

  const received = async (name: string) =>
    (await events(name)).map(({ data }) => record(data).received).filter((each) => isRecord(each));
  const own = await received('billing');
  expect(own.map(({ routedBy }) => routedBy)).toEqual(['quote', 'quote']);
  const messages = new Set(
    (await events('billing'))
      .map(({ data }) => record(data).message)
      .filter(isRecord)
      .map(({ id }) => id),
  );
  for (const { replyTo } of own) expect(messages).toContain(record(replyTo).messageId);
  // In the order of the numbers: both answers are late by up to 200 ms, so either may come first.
  expect(own.map(({ phone, button }) => [phone, button !== undefined]).toSorted()).toEqual([
    ['14155560704', true],
    ['14155560757', expect.any(Boolean)],
  ]);
  expect((await received('crm')).map(({ routedBy }) => routedBy)).toEqual(['all', 'all']);
});

it('tells of a picture by a path that is served, and of a window that the conversation has as well', async () => {
  const { sandbox, ask, list } = await started();
  await ask('POST', '/_sandbox/messages', { from: '14155560100', text: 'Broken', media: 'image' });
  const told = () => list('/v1/events?types=message.received');
  await expect.poll(told).toHaveLength(1);
  const [event] = await told();
  const { media, window, recipient } = record(record(event?.data).received);
  const url = new URL(`/v1/media?path=${encodeURIComponent(String(record(media).path))}`, sandbox.url);
  const picture = await request(url, { headers: { authorization: `Bearer ${sandboxKey}` } });
  expect(picture.statusCode).toBe(200);
  expect(picture.headers['content-type']).toMatch(/^image\//);
  await picture.body.dump();
  expect((await ask('GET', `/v1/conversations/${recipient}`)).json).toMatchObject({ window });
});
