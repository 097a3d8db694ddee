import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { csvSubject, fileSubject, formHeaders, formOf, sendingTo } from './sending.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

let service: Service;
let store: Store;
/** The wall clock of the service and its store; it stands still until it is moved. */
let now = Date.UTC(2026, 10, 2, 9);
beforeAll(async () => {
  store = await openStore('memory:', { ...OPTIONS, wallClock: () => now });
  const pauses = { ...defaultRetryDelays, lookEveryMs: 20 };
  service = await startService({ store, seams: { now: () => now, pauses } });
});
afterAll(() => service.close());

/** Customers with an open window (src/simulator/seed.ts). */
const customers = [...Array(10).keys(), 110, 111, 112].map((n) => String(14_155_551_000 + n));
let recipient = 14_155_558_000;
let to: string;
let sentBefore: number;
beforeEach(() => {
  to = customers.shift() ?? '';
  customers.push(to);
  sentBefore = service.simulator.ledger.sendsTo(to).length;
});

const patiently = { timeout: 5_000, interval: 20 };
const at = (ms: number) => new Date(now + ms).toISOString();
const bodyOf = ({ json }: Answer) => json as Record<string, unknown> & { id: string; errors?: unknown };
const read = async (id: string) => bodyOf(await service.ask('GET', `/v1/messages/${id}`));
const becomes = (id: string, status: string) =>
  expect.poll(async () => (await read(id)).status, patiently).toBe(status);
/** Returns the number of sends to the customer of this test. */
const sent = () => service.simulator.ledger.sendsTo(to).length - sentBefore;
const text = (more: object, headers: Record<string, string> = {}) =>
  service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello', ...more }, headers });
/** Resolves when the schedule has looked once more. */
const aLook = async () => {
  recipient += 1;
  const json = { to: String(recipient), template: 'welcome', sendAt: at(1) };
  const { id } = bodyOf(await service.ask('POST', '/v1/messages/template', { json }));
  now += 1;
  await becomes(id, 'accepted');
};

describe('a message with sendAt', () => {
  test('is queued until then, and goes out at that time', async () => {
    const answer = await text({ sendAt: at(minuteMs) });
    const { id } = bodyOf(answer);
    expect(answer).toMatchObject({ status: 202, headers: { location: `/v1/messages/${id}` } });
    expect(answer.json).toMatchObject({ status: 'queued', attempts: 0, sendAt: at(minuteMs) });
    expect(await read(id)).toEqual(answer.json);
    const listed = await service.ask('GET', `/v1/messages?status=queued&to=${to}`);
    expect(listed.json).toMatchObject({ data: [{ id }] });
    await aLook();
    expect(sent()).toBe(0);
    now += minuteMs;
    await becomes(id, 'accepted');
    expect(sent()).toBe(1);
  });

  test('that has passed goes out at once, and its answer waits for the outcome', async () => {
    const answer = await text({ sendAt: at(-dayMs) });
    expect(answer).toMatchObject({ status: 201, json: { status: 'accepted', sendAt: at(-dayMs) } });
  });

  test('is not sent when its clock is set back, and once when it is set forward', async () => {
    const { id } = bodyOf(await text({ sendAt: at(dayMs) }));
    now -= dayMs;
    await aLook();
    expect(await read(id)).toMatchObject({ status: 'queued' });
    now += 3 * dayMs;
    await becomes(id, 'accepted');
    now -= 2 * dayMs;
    await aLook();
    now += 2 * dayMs;
    await aLook();
    expect(sent()).toBe(1);
  });

  test('is cancelled, once and for all', async () => {
    const { id } = bodyOf(await text({ sendAt: at(minuteMs) }));
    const cancelled = await service.ask('POST', `/v1/messages/${id}/cancel`);
    const failure = { code: 'cancelled', detail: 'its caller cancelled it' };
    expect(cancelled).toMatchObject({ status: 200, json: { id, status: 'cancelled', failure } });
    expect(await service.ask('POST', `/v1/messages/${id}/cancel`)).toMatchObject({ status: 200, json: cancelled.json });
    now += 2 * minuteMs;
    await aLook();
    expect(sent()).toBe(0);
    expect(await read(id)).toEqual(cancelled.json);
  });

  test('is answered from its record under its key, and sent once', async () => {
    const headers = { 'idempotency-key': `later-${to}` };
    const sendAt = at(minuteMs);
    const first = await text({ sendAt }, headers);
    const again = await text({ sendAt }, headers);
    expect(again).toMatchObject({ status: 202, json: first.json, headers: { 'idempotency-replayed': 'true' } });
    for (const other of [{}, { sendAt: at(2 * minuteMs) }, { sendAt, notAfter: at(dayMs) }]) {
      expect(await text(other, headers)).toMatchObject({
        status: 422,
        json: { type: problem('idempotency-mismatch') },
      });
    }
    now += minuteMs;
    await expect.poll(async () => (await text({ sendAt }, headers)).status, patiently).toBe(201);
    // Also when its `sendAt` is long past.
    now += 40 * dayMs;
    expect(await text({ sendAt }, headers)).toMatchObject({ status: 201 });
    expect(sent()).toBe(1);
  });

  test('another text of the same words is recorded beside it, and looks like it to a search', async () => {
    const asked = { id: 'another', kind: 'text', connectionId: '-', to, fingerprint: '' } as const;
    const lookalikes = () => store.countLookalikes(asked, at(-90 * dayMs), at(90 * dayMs));
    const before = await lookalikes();
    const ids = [bodyOf(await text({ sendAt: at(minuteMs) })).id, bodyOf(await text({})).id];
    now += minuteMs;
    for (const id of ids) await becomes(id, 'accepted');
    expect(sent()).toBe(2);
    expect(await lookalikes()).toBe(before + 2);
  });
});

test('only what is queued can be cancelled, and only by its caller', async () => {
  const { id } = bodyOf(await text({}));
  const cancel = (id: string) => service.ask('POST', `/v1/messages/${id}/cancel`);
  expect(await cancel(id)).toMatchObject({
    status: 409,
    json: { type: problem('message-over'), detail: 'the message is accepted; only what is queued can be cancelled' },
  });
  expect(await cancel('nobody-has-it')).toMatchObject({ status: 404 });
  await store.insert({
    id: 'of-another',
    caller: 'another',
    kind: 'text',
    to,
    connectionId: 'c',
    content: {},
    sendAt: at(dayMs),
  });
  expect(await cancel('of-another')).toMatchObject({ status: 404 });
  expect(await store.find('another', 'of-another')).toMatchObject({ status: 'queued' });
  // In flight.
  const answer = Promise.withResolvers<void>();
  service.simulator.script('sendSessionMessage', { until: answer.promise });
  const waits = text({});
  await expect.poll(async () => (await store.counts()).sending, patiently).toBe(1);
  const [sending] = (await store.list('tester', { status: 'sending' }, { limit: 1 })).messages;
  expect(await cancel(sending?.id ?? '')).toMatchObject({
    status: 409,
    json: { detail: expect.stringContaining('is being sent') },
  });
  answer.resolve();
  expect((await waits).status).toBe(201);
});

const singles = () => sendingTo(() => to);
const withTimes = (path: string, times: Record<string, string>) => `${path}&${new URLSearchParams(times)}`;
const broadcastBody = () => ({ template: 'welcome', broadcastName: 'autumn', recipients: [{ to }] });
let keys = 0;
const keyed = () => {
  keys += 1;
  return { 'idempotency-key': `key-${keys}` };
};
const importOf = (times: Record<string, string>) =>
  service.ask('POST', withTimes('/v1/broadcasts/import?template=welcome&broadcastName=autumn', times), {
    body: formOf(`Phone\r\n${to}\r\n`, 'text/csv', 'a.csv'),
    headers: { ...formHeaders, ...keyed() },
  });

/** Returns every way to send, with times in its body or its query. */
const ways = (): {
  name: string;
  place: string;
  takesSendAt: boolean;
  ask(times: Record<string, string>): Promise<Answer>;
}[] => [
  ...singles().map(({ name, method, path, ask }) => ({
    name,
    place: '',
    takesSendAt: true,
    ask: (times: Record<string, string>) =>
      service.ask(method, path, { ...ask, json: { ...Object(ask?.json), ...times } }),
  })),
  ...[fileSubject(to), csvSubject(to)].map(({ name, method, path, ask }) => ({
    name,
    place: '/query',
    takesSendAt: false,
    ask: (times: Record<string, string>) => service.ask(method, withTimes(path, times), ask),
  })),
  {
    name: 'broadcast',
    place: '',
    takesSendAt: true,
    ask: (times) => service.ask('POST', '/v1/broadcasts', { json: { ...broadcastBody(), ...times }, headers: keyed() }),
  },
  { name: 'import', place: '/query', takesSendAt: true, ask: importOf },
];

test('every way to send says what is wrong with a time, and records nothing', async () => {
  const form = 'must be a time in UTC such as 2026-11-02T09:30:00Z';
  const faults: [times: Record<string, string>, field: string, detail: string][] = [
    ...[
      '',
      'tomorrow',
      '2026-11-02',
      '2026-11-02T09:30Z',
      '1762075800',
      '2026-13-02T09:30:00Z',
      '2026-11-02T24:00:00Z',
    ].map((notAfter): (typeof faults)[number] => [{ notAfter }, 'notAfter', form]),
    [
      { notAfter: '2026-11-02T10:30:00+01:00' },
      'notAfter',
      'must be a time in UTC, which ends with Z, such as 2026-11-02T09:30:00Z',
    ],
    [
      { notAfter: '2026-11-02T10:30:00' },
      'notAfter',
      'must be a time in UTC, which ends with Z, such as 2026-11-02T09:30:00Z',
    ],
    [{ notAfter: '2027-02-30T09:30:00Z' }, 'notAfter', 'is a day that the calendar does not have'],
    [{ notAfter: at(0) }, 'notAfter', 'has passed already, so nothing would be sent'],
    [{ notAfter: at(-dayMs) }, 'notAfter', 'has passed already, so nothing would be sent'],
    [{ notAfter: at(30 * dayMs + 1) }, 'notAfter', 'is more than 30 days ahead; give a time within them'],
  ];
  const ofSendAt: typeof faults = [
    [{ sendAt: 'soon' }, 'sendAt', form],
    [{ sendAt: at(30 * dayMs + 1) }, 'sendAt', 'is more than 30 days ahead; give a time within them'],
    [
      { sendAt: at(minuteMs), notAfter: at(minuteMs) },
      'notAfter',
      'must be later than `sendAt`, or nothing would be sent',
    ],
    [
      { sendAt: at(dayMs), notAfter: at(minuteMs) },
      'notAfter',
      'must be later than `sendAt`, or nothing would be sent',
    ],
  ];
  const before = await store.counts();
  for (const { name, place, takesSendAt, ask } of ways()) {
    for (const [times, field, detail] of [...faults, ...(takesSendAt ? ofSendAt : [])]) {
      const refused = await ask(times);
      expect(refused, `${name} ${JSON.stringify(times)}`).toMatchObject({
        status: 400,
        json: { errors: [{ pointer: `${place}/${field}`, detail }] },
      });
    }
    if (takesSendAt) continue;
    const refused = await ask({ sendAt: at(minuteMs) });
    const remedy = name === 'file' ? '`POST /v1/messages/file-link`' : '`POST /v1/broadcasts/import`';
    const detail = `is not taken here: the bytes of a file are not stored, so it cannot go out later; `;
    expect(refused).toMatchObject({
      status: 400,
      json: { errors: [{ pointer: '/query/sendAt', detail: expect.stringContaining(detail) }] },
    });
    expect(refused.text).toContain(remedy);
  }
  expect(await store.counts()).toEqual(before);
  expect(sent()).toBe(0);
});

test('every way to send takes both times, shows them, and keeps to them', async () => {
  for (const { name, takesSendAt, ask } of ways()) {
    const [sendAt, notAfter] = [at(minuteMs), at(30 * dayMs)];
    const before = sent();
    const answer = await ask({ notAfter, ...(takesSendAt && { sendAt }) });
    expect(answer, name).toMatchObject({
      status: takesSendAt ? 202 : 201,
      json: { notAfter, ...(takesSendAt && { sendAt }) },
    });
    if (!takesSendAt) continue;
    const isBroadcast = name === 'broadcast' || name === 'import';
    expect(answer.json).toMatchObject({ status: isBroadcast ? 'scheduled' : 'queued' });
    expect(sent()).toBe(before);
    now += minuteMs;
    const path = String(answer.headers.location);
    const state = async () => bodyOf(await service.ask('GET', path)).status;
    await expect.poll(state, patiently).toBe(isBroadcast ? 'done' : 'accepted');
    expect(sent(), name).toBe(before + 1);
  }
});

test('a broadcast that is scheduled is paused, goes on as scheduled, and is cancelled', async () => {
  const begin = (sendAt: string, headers = keyed()) =>
    service.ask('POST', '/v1/broadcasts', { json: { ...broadcastBody(), sendAt }, headers });
  const sendAt = at(minuteMs);
  const headers = keyed();
  const { id } = bodyOf(await begin(sendAt, headers));
  const steer = async (verb: string) => bodyOf(await service.ask('POST', `/v1/broadcasts/${id}/${verb}`));
  expect(await begin(sendAt, headers)).toMatchObject({ status: 202, json: { id, status: 'scheduled' } });
  expect(await begin(at(dayMs), headers)).toMatchObject({ status: 422 });
  expect(await steer('pause')).toMatchObject({ status: 'paused', pausedBy: 'caller', sendAt });
  expect(await steer('resume')).toMatchObject({ status: 'scheduled' });
  expect(await steer('resume')).toMatchObject({ status: 'scheduled' });
  expect((await service.ask('GET', `/v1/operations/broadcasts?status=scheduled`)).json).toMatchObject({
    data: [{ id }],
  });
  expect((await service.ask('GET', '/v1/operations/overview')).json).toMatchObject({
    broadcasts: { scheduled: 1 },
    messages: { scheduled: 2 },
  });
  const metrics = (await service.ask('GET', '/metrics')).text;
  expect(metrics).toContain('wati_bff_broadcasts{status="scheduled"} 1');
  expect(metrics).toContain('wati_bff_recorded_sends{status="scheduled"} 2');
  expect(await steer('pause')).toMatchObject({ status: 'paused' });
  now += 2 * minuteMs;
  await aLook();
  expect(sent()).toBe(0);
  expect(await steer('cancel')).toMatchObject({ status: 'cancelled' });
  await aLook();
  expect(sent()).toBe(0);
});
