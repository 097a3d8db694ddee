import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';
import { OPTIONS } from '../store/samples.ts';
import type { Json } from '../support/json.ts';
import { record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const otherKey = 'key-of-another-caller';

let service: Service;
let store: Store;
/** Webhooks come before the answer. */
let isProvedFirst = false;
beforeAll(async () => {
  store = await openStore('memory:', OPTIONS);
  const completeAll = store.completeAll.bind(store);
  store.completeAll = async (ends) => {
    if (isProvedFirst) {
      await post(...ends.map(({ id }) => status('sessionMessageSent', id)));
      await applied();
    }
    return completeAll(ends);
  };
  const deleteUnsent = store.deleteUnsent.bind(store);
  store.deleteUnsent = async (id) => {
    if (isProvedFirst) {
      await post(status('sessionMessageSent', id));
      await applied();
    }
    return deleteUnsent(id);
  };
  service = await startService({
    store,
    settings: { MATON_CONNECTION_ID: seededConnection },
    seams: { pauses: { ...defaultRetryDelays, intakeEveryMs: 20 } },
    callers: [{ name: 'other', key: otherKey, scopes: ['*'], connections: ['*'] }],
  });
});
afterAll(() => service.close());

/** Webhooks as the public listener records them. */
const post = (...members: object[]) =>
  store.recordIntake(
    members.map((member) => {
      const body = JSON.stringify(member);
      const key = dedupeKey({ connectionId: seededConnection, member, body });
      return { key, connectionId: seededConnection, receivedAtMs: Date.now(), body };
    }),
  );
const status = (name: string, id: string, more: object = {}) => ({
  eventType: `${name}_v2`,
  localMessageId: id,
  ...more,
});
const sendTemplate = async (to: string, more: { key?: string } = {}) => {
  const answer = await service.ask('POST', '/v1/messages/template', {
    json: { to, template: 'order_update', parameters },
    ...(more.key !== undefined && { headers: { 'idempotency-key': more.key } }),
  });
  expect(answer.status, answer.text).toBe(201);
  return record(answer.json);
};
const counted = async (name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await service.ask('GET', '/metrics')).text)?.[1]);
const read = async (path: string, key?: string) => {
  const answer = await service.ask('GET', path, key === undefined ? {} : { key });
  expect(answer.status, answer.text).toBe(200);
  return record(answer.json);
};
const idsIn = (list: Json) => (Array.isArray(list.data) ? list.data.map((each) => record(each).id) : []);
const applied = () => expect.poll(() => store.intakeState()).toMatchObject({ waiting: 0 });

describe('the delivery state of a message', () => {
  it('is shown with the message, in lists, replays and for operators, and lists can be filtered by it', async () => {
    const sent: string[] = [];
    for (let n = 0; n < 7; n++) sent.push(String((await sendTemplate(`1415556200${n}`, { key: `k${n}` })).id));
    const [none = '', alone = '', delivered = '', read4 = '', failed = '', replied = '', late = ''] = sent;
    await post(
      status('templateMessageSent', alone),
      status('sentMessageDELIVERED', delivered),
      status('sentMessageREAD', read4),
      status('templateMessageFailed', failed, { failedCode: '131026', failedDetail: 'Message undeliverable' }),
      status('sentMessageREPLIED', replied),
      status('templateMessageFailed', late, { failedCode: '131049' }),
      status('sentMessageDELIVERED', late),
    );
    await applied();
    const told = async (id: string) => (await read(`/v1/messages/${id}`)).delivery;
    expect(await told(none)).toBeUndefined();
    expect(await told(alone)).toEqual({ status: 'sent', sentAt: isoTime, source: 'webhook', updatedAt: isoTime });
    expect(await told(read4)).toMatchObject({ status: 'read', readAt: isoTime, deliveredAt: isoTime });
    expect(await told(failed)).toEqual({
      status: 'failed',
      failedAt: isoTime,
      failure: { code: '131026', detail: 'Message undeliverable', kind: 'recipient' },
      source: 'webhook',
      updatedAt: isoTime,
    });
    expect(await told(replied)).toMatchObject({ status: 'delivered', repliedAt: isoTime });
    expect(await told(late)).toMatchObject({ status: 'delivered', failedAt: isoTime, deliveredAt: isoTime });
    expect(await told(late)).not.toHaveProperty('failure');

    const listed = async (delivery: string) =>
      idsIn(await read(`/v1/messages?delivery=${delivery}&limit=100`)).toSorted();
    expect(await listed('none')).toEqual([none]);
    expect(await listed('sent')).toEqual([alone]);
    expect(await listed('delivered')).toEqual([delivered, replied, late].toSorted());
    expect(await listed('read')).toEqual([read4]);
    expect(await listed('failed')).toEqual([failed]);
    expect(await listed('replied')).toEqual([replied]);
    expect((await service.ask('GET', '/v1/messages?delivery=gone')).status).toBe(400);

    expect(record((await sendTemplate('14155562003', { key: 'k3' })).delivery)).toMatchObject({ status: 'read' });
    const seen = await read('/v1/operations/messages?delivery=failed');
    expect(seen.data).toMatchObject([{ id: failed, delivery: { failure: { kind: 'recipient' } } }]);
  });

  it('is not shown to another caller', async () => {
    expect(idsIn(await read('/v1/messages?delivery=read', otherKey))).toEqual([]);
  });

  it('counts in its broadcast', async () => {
    const created = await service.ask('POST', '/v1/broadcasts', {
      json: {
        template: 'order_update',
        broadcastName: 'sale',
        recipients: [0, 1, 2, 3].map((n) => ({ to: `1415556300${n}`, parameters })),
      },
      headers: { 'idempotency-key': 'sale' },
    });
    const path = `/v1/broadcasts/${record(created.json).id}`;
    await expect.poll(async () => (await read(path)).status).toBe('done');
    expect((await read(path)).delivery).toEqual({ sent: 0, delivered: 0, read: 0, failed: 0, replied: 0 });
    const [one = '', two = '', three = ''] = idsIn(
      await read(`/v1/messages?broadcastId=${record(created.json).id}`),
    ).map(String);
    await post(
      ...[one, two, three].map((id) => status('templateMessageSent', id)),
      status('sentMessageREAD', one),
      status('sentMessageREPLIED', one),
      status('templateMessageFailed', two, { failedCode: '131050' }),
    );
    await applied();
    expect((await read(path)).delivery).toEqual({ sent: 1, delivered: 0, read: 1, failed: 1, replied: 1 });
  });

  it('corrects a message whose answer was lost, and is counted', async () => {
    service.simulator.script('sendSessionMessage', { fault: 'reset-after' });
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to: '14155550100', text: 'Hello' } });
    const id = String(record(answer.json).id);
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown', localMessageId: id } });
    await post(status('sessionMessageSent', id));
    await applied();
    expect(await read(`/v1/messages/${id}`)).toMatchObject({
      status: 'accepted',
      evidence: 'local-id',
      delivery: { status: 'sent' },
    });
    const metrics = (await service.ask('GET', '/metrics')).text;
    expect(metrics).toMatch(/wati_bff_resolved_total\{by="webhook"\} 1\b/);
    expect(metrics).toMatch(/wati_bff_contradictions_total 0\b/);
    expect(metrics).toMatch(/wati_bff_delivery_total\{status="failed",failure_kind="recipient"\} 1\b/);
    expect(metrics).toMatch(/wati_bff_intake_applied_total\{outcome="moved"\} \d+/);
    expect(metrics).toMatch(/wati_bff_delivery_seconds_count\{status="read"\} \d+/);
  });
});

describe('a message whose webhook comes before its answer', () => {
  const text = (to: string) => service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });

  it.each([
    ['is accepted as ever', '14155550101', 'arrives', 0],
    ['is accepted where the answer is lost', '14155550101', 'reset-after', 0],
    ['is accepted where the answer refuses it, which is counted as a contradiction', '14155550409', 'arrives', 1],
  ] as const)('%s', async (_title, to, fault, contradictions) => {
    const before = await counted('wati_bff_contradictions_total');
    if (fault === 'reset-after') service.simulator.script('sendSessionMessage', { fault });
    if (to === '14155550101') service.simulator.tenant.receive(to, 'Hello');
    isProvedFirst = true;
    const answer = await text(to);
    isProvedFirst = false;
    expect(answer).toMatchObject({ status: 201, json: { status: 'accepted' } });
    const { id } = record(answer.json);
    expect(await read(`/v1/messages/${id}`)).toMatchObject({ status: 'accepted', delivery: { status: 'sent' } });
    expect((await counted('wati_bff_contradictions_total')) - before).toBe(contradictions);
  });
});

describe('an upload that turns out to be an invalid request', () => {
  const brokenForm = () => {
    const head = 'Content-Disposition: form-data; name="file"; filename="invoice.pdf"\r\nContent-Type: application/pdf';
    return service.ask('POST', '/v1/messages/file?to=14155550100', {
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: `--x\r\n${head}\r\n\r\n%PDF-1.4\nhello\r\n--x\r\n${head}\r\n\r\n%PDF-1.4\r\n--x--\r\n`,
    });
  };
  const files = async () => idsIn(await read('/v1/messages?to=14155550100&limit=100')).length;

  it('leaves no record; if WATI names it all the same, it leaves an accepted one, which is counted', async () => {
    const [before, known] = [await counted('wati_bff_contradictions_total'), await files()];
    expect(await brokenForm()).toMatchObject({ status: 400 });
    expect(await files()).toBe(known);
    isProvedFirst = true;
    const answer = await brokenForm();
    isProvedFirst = false;
    expect(answer).toMatchObject({ status: 201, json: { kind: 'file', status: 'accepted' } });
    expect(await files()).toBe(known + 1);
    expect((await counted('wati_bff_contradictions_total')) - before).toBe(1);
  });
});

describe('a conversation', () => {
  const conversation = (recipient: string, query = '', key?: string) =>
    read(`/v1/conversations/${recipient}${query}`, key);

  it('of which nothing is known is reported as unknown', async () => {
    expect(await conversation('14155569999')).toEqual({
      recipient: '14155569999',
      phone: '14155569999',
      window: { source: 'none' },
      repliesTo: 'nobody',
    });
  });

  it('is open for a day after the customer wrote, by whichever id it is requested, and a reply is for the last caller that wrote', async () => {
    await sendTemplate('14155564000');
    const at = new Date(Date.now() - 60_000);
    const from = { waId: '14155564000', bsuid: 'US.4000', username: '@asha' };
    await post({ eventType: 'message', owner: false, text: 'Hi', created: at.toISOString(), ...from });
    await applied();
    const known = {
      phone: '14155564000',
      bsuid: 'US.4000',
      username: '@asha',
      window: { open: true, expiresAt: new Date(at.getTime() + 86_400_000).toISOString(), source: 'webhook' },
      lastReceivedAt: at.toISOString(),
      lastSentAt: isoTime,
      repliesTo: 'you',
    };
    expect(await conversation('+14155564000')).toEqual({ recipient: '14155564000', ...known });
    expect(await conversation('US.4000')).toEqual({ recipient: 'US.4000', ...known });
    expect(await conversation('14155564000', '', otherKey)).toMatchObject({ repliesTo: 'other' });
  });

  it('to which an operator wrote later has no caller whom a reply would be for', async () => {
    await sendTemplate('14155564001');
    await post({ eventType: 'sessionMessageSent', id: 'of-an-operator', waId: '14155564001', text: 'I take over' });
    await expect.poll(async () => (await conversation('14155564001')).repliesTo).toBe('nobody');
  });

  it('is closed after a refusal, until the customer writes', async () => {
    const text = { to: '14155550409', text: 'Hello' };
    expect((await service.ask('POST', '/v1/messages/text', { json: text })).status).toBe(409);
    await expect
      .poll(async () => (await conversation('14155550409')).window)
      .toEqual({ open: false, source: 'refusal' });
  });

  it('is read from the history on request', async () => {
    service.simulator.tenant.receive('14155550105', 'Hello');
    expect((await conversation('14155550105')).window).toEqual({ source: 'none' });
    expect(await conversation('14155550105', '?refresh=true')).toMatchObject({
      window: { open: true, source: 'history' },
      lastReceivedAt: isoTime,
    });
    expect((await conversation('14155550105')).window).toMatchObject({ open: true, source: 'history' });
    const asked = service.simulator.ledger.entries.filter(({ path }) => path.startsWith('/api/v1/getMessages'));
    expect(asked).toHaveLength(1);
    expect((await conversation('14155569998', '?refresh=true')).window).toEqual({ source: 'none' });
  });
});
