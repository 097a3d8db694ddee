import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { isRecord } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { fields, type Subject, seededConnection } from './outcomes.ts';
import { sendingTo, streamingTo } from './sending.ts';

const to = (at: number) => String(14_155_552_000 + at);
const subjects: Subject[] = [...sendingTo(to), ...streamingTo(to)];

/** Returns the same request with a reference. */
function called({ path, ask = {} }: Subject, reference: string): { path: string; ask: Subject['ask'] } {
  if (isRecord(ask.json)) return { path, ask: { ...ask, json: { ...ask.json, reference } } };
  return { path: `${path}${path.includes('?') ? '&' : '?'}reference=${encodeURIComponent(reference)}`, ask };
}

const withKey = (ask: Subject['ask'], key: string) => ({
  ...ask,
  headers: { ...ask?.headers, 'idempotency-key': key },
});

const toldKey = 'the-key-of-a-caller-with-events';
let service: Service;
beforeAll(async () => {
  service = await startService({
    settings: { MATON_CONNECTION_ID: seededConnection },
    callers: [{ name: 'told', key: toldKey, scopes: ['messages:send', 'events:read'], events: ['message.*'] }],
  });
});
beforeEach(() => {
  service.simulator.reset();
  for (let at = 0; at < 10; at++) service.simulator.tenant.receive(to(at), 'Hello');
});
afterAll(() => service.close());

const listed = async (query: string) => {
  const { data } = fields((await service.ask('GET', `/v1/messages?${query}`)).json);
  return (Array.isArray(data) ? data : []).map((each) => fields(each).id);
};
const lineOf = (id: unknown) => service.logs().findLast(({ msg, messageId }) => msg === 'request' && messageId === id);

it.each(subjects.map((subject) => [subject.name, subject] as const))(
  'the reference and the key of a message are shown and found, and do not leave the service: %s',
  async (name, subject) => {
    const reference = `Order ${name} / Ä-77`;
    const key = `key-of-${name}`;
    const { path, ask } = called(subject, reference);
    const sent = await service.ask('POST', path, withKey(ask, key));
    expect(sent.json, sent.text).toMatchObject({ reference, idempotencyKey: key });
    const { id } = fields(sent.json);
    expect((await service.ask('GET', `/v1/messages/${id}`)).json).toMatchObject({ reference, idempotencyKey: key });
    expect(await listed(`reference=${encodeURIComponent(reference)}`)).toEqual([id]);
    expect(await listed(`idempotencyKey=${key}`)).toEqual([id]);
    expect(lineOf(id)).toMatchObject({ reference });
    expect(service.simulator.ledger.of(subject.operation)).toHaveLength(1);
    expect(decodeURIComponent(JSON.stringify(service.simulator.ledger.entries))).not.toContain('Order');

    // A repeat with the same reference or none is the same message; with another reference it is a different one.
    for (const repeat of [called(subject, reference), subject]) {
      const again = await service.ask('POST', repeat.path, withKey(repeat.ask, key));
      expect(again.json, again.text).toMatchObject({ id, reference });
      expect(again.headers['idempotency-replayed']).toBe('true');
    }
    const other = called(subject, 'Order B');
    const refused = await service.ask('POST', other.path, withKey(other.ask, key));
    expect(refused.json).toMatchObject({
      type: problem('idempotency-mismatch'),
      detail: expect.stringContaining('another reference'),
    });
    expect(refused.headers.location).toBe(`/v1/messages/${id}`);
    expect(service.simulator.ledger.of(subject.operation)).toHaveLength(1);
  },
);

it('a caller may begin to name references between two tries', async () => {
  const json = { to: to(0), text: 'Hello' };
  const headers = { 'idempotency-key': 'before-references' };
  const first = fields((await service.ask('POST', '/v1/messages/text', { json, headers })).json);
  expect(first).not.toHaveProperty('reference');
  const named = { ...json, reference: 'A-1' };
  expect((await service.ask('POST', '/v1/messages/text', { json: named, headers })).json).toMatchObject({
    id: first.id,
  });
});

it('a reference is one line of at most 255 characters', async () => {
  const wrong = ['', ' ', 'a\nb', 'a\tb', 'a\0b', 'a\u0007b', 'x'.repeat(256)];
  for (const subject of subjects) {
    for (const reference of wrong) {
      const { path, ask } = called(subject, reference);
      const pointer = path.includes('reference=') ? '/query/reference' : '/reference';
      const { json } = await service.ask('POST', path, ask);
      expect(json, JSON.stringify(reference)).toMatchObject({ status: 400, errors: [{ pointer }] });
    }
  }
  const json = { to: to(0), text: 'Hello', reference: '\u{1F600}'.repeat(255) };
  expect((await service.ask('POST', '/v1/messages/text', { json })).status).toBe(201);
});

it('a resend keeps the reference of its message, and so does the search of what became of it', async () => {
  service.simulator.script('sendSessionMessage', { fault: 'reset-after', process: false });
  const json = { to: to(0), text: 'Hello', reference: 'A-77' };
  const sent = fields((await service.ask('POST', '/v1/messages/text', { json })).json);
  expect(sent).toMatchObject({ status: 'unknown', reference: 'A-77' });
  const resent = await service.ask('POST', `/v1/messages/${sent.id}/resend`, { json: { reason: 'nothing came' } });
  expect(resent.json).toMatchObject({ resendOf: sent.id, reference: 'A-77', status: 'accepted' });
  expect(await listed('reference=A-77')).toEqual([fields(resent.json).id, sent.id]);
});

it('events tell of a message under its reference and its key', async () => {
  const { nextCursor } = fields((await service.ask('GET', '/v1/events?cursor=latest', { key: toldKey })).json);
  await service.ask('POST', '/v1/messages/text', {
    key: toldKey,
    json: { to: to(0), text: 'Hello', reference: 'E-1' },
    headers: { 'idempotency-key': 'told-1' },
  });
  const path = `/v1/events?cursor=${nextCursor}&limit=1`;
  const page = await service.ask('GET', path, { key: toldKey, headers: { prefer: 'wait=20' } });
  expect(page.json).toMatchObject({ data: [{ data: { message: { reference: 'E-1', idempotencyKey: 'told-1' } } }] });
});

it('two texts that differ in their references alone are lookalikes, so neither is found for the other', async () => {
  service.simulator.script('sendSessionMessage', { fault: 'reset-after', process: false });
  const ask = (reference: string) => ({ json: { to: to(1), text: 'Your code is on its way', reference } });
  const lost = fields((await service.ask('POST', '/v1/messages/text', ask('A-1'))).json);
  await service.ask('POST', '/v1/messages/text', ask('A-2'));
  const looked = await service.ask('POST', `/v1/messages/${lost.id}/reconcile`);
  expect(looked.json).toMatchObject({ status: 'unknown', reference: 'A-1' });
});

it('recipients of a broadcast have references of their own', async () => {
  const recipients = [{ to: to(2), reference: 'B-2' }, { to: to(3) }];
  const post = (given: object[]) =>
    service.ask('POST', '/v1/broadcasts', {
      json: { template: 'welcome', broadcastName: 'b', recipients: given },
      headers: { 'idempotency-key': 'of-each' },
    });
  const started = fields((await post(recipients)).json);
  const ids = await listed('reference=B-2');
  expect(ids).toHaveLength(1);
  expect((await service.ask('GET', `/v1/messages/${ids[0]}`)).json).toMatchObject({
    to: to(2),
    reference: 'B-2',
    broadcastId: started.id,
  });
  expect((await post(recipients)).json).toMatchObject({ id: started.id });
  expect((await post([{ to: to(2), reference: 'B-3' }, { to: to(3) }])).json).toMatchObject({
    type: problem('idempotency-mismatch'),
  });
  expect((await post([{ to: to(2), reference: ' ' }])).json).toMatchObject({
    errors: [{ pointer: '/recipients/0/reference' }],
  });
});

it('operators see references and keys; the number of a recipient is masked in them as elsewhere', async () => {
  const ask = (reference: string, key: string) => ({
    json: { to: to(8), text: 'Hello', reference },
    headers: { 'idempotency-key': key },
  });
  const plain = fields((await service.ask('POST', '/v1/messages/text', ask('2026110001', 'op-1'))).json);
  const telling = fields((await service.ask('POST', '/v1/messages/text', ask(`+${to(8)} x`, 'op-2'))).json);
  const shown = async (query: string) => {
    const { data } = fields((await service.ask('GET', `/v1/operations/messages?to=${to(8)}${query}`)).json);
    return data;
  };
  expect(await shown('')).toMatchObject([
    { id: telling.id, reference: '+***2008 x', idempotencyKey: 'op-2' },
    { id: plain.id, reference: '2026110001', idempotencyKey: 'op-1' },
  ]);
  expect(await shown('&reveal=true')).toMatchObject([{ reference: `+${to(8)} x` }, { reference: '2026110001' }]);
  expect(lineOf(telling.id)).toMatchObject({ reference: '+***2008 x' });
  expect(lineOf(plain.id)).toMatchObject({ reference: '2026110001' });
});
