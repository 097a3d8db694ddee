import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { form } from '../upload/multipart-helper.ts';
import { multipartType } from './files-helper.ts';
import { seededConnection } from './outcomes.ts';

const to = '14155551000';
let service: Service;
let callers = 0;
/** A caller of its own for each test: what one has spent is spent. */
const keys = Array.from({ length: 8 }, (_, at) => `key-of-limited-caller-${at}-long`);
beforeAll(async () => {
  service = await startService({
    settings: { MATON_CONNECTION_ID: seededConnection },
    callers: keys.map((key, at) => ({
      name: `limited-${at}`,
      key,
      scopes: ['*'],
      messagesPerHour: 3,
      messagesPerDay: 100,
    })),
    // At noon for as long as it runs: no hour ends meanwhile.
    store: await openStore('memory:', { ...OPTIONS, wallClock: () => Date.parse('2026-11-30T12:00:00Z') }),
  });
});
afterAll(() => service.close());

let asked = 0;
const ask = (key: string, path: string, json: unknown) =>
  service.ask('POST', path, { key, json, headers: { 'idempotency-key': `k-${asked++}` } });
const text = (key: string) => ask(key, '/v1/messages/text', { to, text: 'hello' });
const nextKey = () => keys[callers++] ?? '';
const spent = { status: 429, json: { type: problem('quota-spent') } };
const upload = (key: string, path: string, numbers: number) => {
  const rows = Array.from({ length: numbers }, (_, at) => `1415555100${at}\n`).join('');
  const disposition = 'form-data; name="file"; filename="a.csv"';
  const body = form({ type: 'text/csv', disposition, file: `Phone\n${rows}` });
  return service.ask('POST', path, {
    key,
    body,
    headers: { 'content-type': multipartType, 'idempotency-key': `k-${asked++}` },
  });
};

it('a caller without quota left gets 429 with the start of the next hour, before anything is recorded', async () => {
  const key = nextKey();
  for (let count = 0; count < 3; count++) expect(await text(key)).toMatchObject({ status: 201 });
  const refused = await text(key);
  expect(refused).toMatchObject({ ...spent, headers: { 'retry-after': expect.stringMatching(/^\d{1,4}$/) } });
  expect(refused.json).toMatchObject({
    outcome: 'not_sent',
    detail: 'your quota of 3 messages an hour is spent; nothing was sent',
  });
  const { json } = await service.ask('GET', '/v1/messages', { key });
  expect(json).toMatchObject({ data: { length: 3 } });
});

it('a repeat under its key costs nothing, and is answered even if the quota is used up', async () => {
  const key = nextKey();
  const request = { key, json: { to, text: 'hello' }, headers: { 'idempotency-key': 'same' } };
  await service.ask('POST', '/v1/messages/text', request);
  await text(key);
  await text(key);
  expect(await service.ask('POST', '/v1/messages/text', request)).toMatchObject({ status: 201 });
  expect(await text(key)).toMatchObject(spent);
});

const broadcast = (key: string, count: number) => {
  const recipients = Array.from({ length: count }, (_, at) => ({ to: `1415555100${at}` }));
  return ask(key, '/v1/broadcasts', { template: 'welcome', broadcastName: 'b', recipients });
};

it.each<[string, (key: string, count: number) => ReturnType<typeof text>]>([
  ['a broadcast', broadcast],
  ['an import', (key, count) => upload(key, '/v1/broadcasts/import?template=welcome&broadcastName=b', count)],
  ['a CSV of WATI', (key, count) => upload(key, '/v1/broadcasts/csv?template=welcome&broadcastName=b', count)],
])('%s counts each of its recipients, and is refused as a whole', async (_what, start) => {
  const key = nextKey();
  expect(await start(key, 4)).toMatchObject({ ...spent, headers: { 'retry-after': expect.any(String) } });
  expect(await service.ask('GET', '/v1/broadcasts', { key })).toMatchObject({ json: { data: [] } });
  expect([201, 202]).toContain((await start(key, 3)).status);
  expect(await text(key)).toMatchObject(spent);
});

it('concurrent sends of any kind never exceed the quota', async () => {
  const key = nextKey();
  const at = Array.from({ length: 10 }, (_, n) => n);
  const sends = at.flatMap(() => [
    text(key),
    broadcast(key, 2),
    upload(key, '/v1/broadcasts/import?template=welcome&broadcastName=b', 1),
  ]);
  const answers = await Promise.all(sends);
  const taken = answers.map(({ status }, n) => (status < 300 ? ([1, 2, 1][n % 3] ?? 0) : 0));
  expect(taken.reduce((sum, count) => sum + count, 0)).toBe(3);
  for (const { status } of answers) expect([201, 202, 429]).toContain(status);
  expect(await text(key)).toMatchObject(spent);
});
