import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { isRecord } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { parameters, started } from './helper.ts';

const open = '14155551000';
const closed = '14155551012';
const hour = 3_600;

describe('POST /_sandbox/clock', () => {
  it('closes a window when 24 hours are over, and not before; the next message of the customer opens it', async () => {
    const { ask, text, advance } = await started();
    const incoming = () => ask('POST', '/_sandbox/messages', { from: '4915112345678', text: 'Hi', name: 'Emre' });
    await incoming();
    expect((await text('4915112345678')).status).toBe(201);
    await advance(23 * hour);
    expect((await text('4915112345678')).status).toBe(201);
    await advance(hour);
    expect(await text('4915112345678')).toMatchObject({
      status: 409,
      json: { type: problem('session-window-closed') },
    });
    await incoming();
    expect((await text('4915112345678')).status).toBe(201);
  });

  it('reports the time, moves that of histories, records and the ledger alike, and is reset', async () => {
    const { ask, text, advance, reset, ledger, list } = await started();
    const { json: before } = await ask('GET', '/_sandbox/clock');
    expect(before).toEqual({ now: expect.stringMatching(/Z$/), advancedSeconds: 0 });
    const start = Date.parse(String(before.now));
    await advance(10 * hour);
    const { json: now } = await advance(0.5 * hour);
    expect(now.advancedSeconds).toBe(10.5 * hour);
    const late = (at: unknown) => Date.parse(String(at)) - start;
    expect(late(now.now)).toBeGreaterThanOrEqual(10.5 * hour * 1_000);
    const sent = await text(open);
    const [newest] = await list(`/v1/conversations/${open}/messages`);
    const [entry] = await ledger(`?recipient=${open}&operation=sendSessionMessage`);
    for (const at of [sent.json.createdAt, sent.json.updatedAt, newest?.at, entry?.at]) {
      expect(late(at)).toBeGreaterThanOrEqual(10.5 * hour * 1_000);
    }
    const { json: after } = await reset();
    expect(late(after.now)).toBeLessThan(hour * 1_000);
    expect(late((await text(open)).json.createdAt)).toBeLessThan(hour * 1_000);
  });

  it('releases a key when it is older than its retention, and not before', async () => {
    const { text, advance } = await started({ KEY_RETENTION_HOURS: '24' });
    const key = { 'idempotency-key': 'order-1' };
    const first = await text('14155550000', 'One', key);
    await advance(23 * hour);
    expect((await text('14155550000', 'One', key)).json.id).toBe(first.json.id);
    expect((await text('14155550000', 'Two', key)).status).toBe(422);
    await advance(hour + 1);
    // The window of that customer is closed by now; what counts is that it is a new send.
    expect((await text('14155550000', 'Two', key)).json).toMatchObject({ type: problem('session-window-closed') });
  });

  it('makes the look-up of an unknown message due without waiting for a minute', async () => {
    const { ask, text, advance } = await started();
    const { json } = await text('14155550202');
    expect(json.status).toBe('unknown');
    await advance(60);
    const status = async () => (await ask('GET', `/v1/messages/${String(json.id)}`)).json.status;
    await vi.waitFor(async () => expect(await status()).toBe('accepted'), { timeout: 15_000, interval: 100 });
  });
});

describe('POST /_sandbox/messages', () => {
  it('is a customer who writes: in the history, with a window that is open, and a contact if there was none', async () => {
    const { ask, text, list } = await started();
    expect((await text(closed)).status).toBe(409);
    const came = await ask('POST', '/_sandbox/messages', { from: `+${closed}`, text: 'Where is it?' });
    expect(came).toMatchObject({ status: 200, json: { from: closed, text: 'Where is it?' } });
    expect((await text(closed)).status).toBe(201);
    const history = await list(`/v1/conversations/${closed}/messages`);
    expect(history.slice(0, 2)).toMatchObject([
      { direction: 'out', text: 'Hello' },
      { id: came.json.id, direction: 'in', text: 'Where is it?', at: came.json.at },
    ]);
    await ask('POST', '/_sandbox/messages', { from: '4915112345678', text: 'Hi', name: 'Emre' });
    expect((await ask('GET', '/v1/contacts/4915112345678')).json).toMatchObject({ name: 'Emre' });
  });
});

describe('GET /_sandbox/ledger', () => {
  it('lists the requests for one recipient in comparable words, and whether they were acted on', async () => {
    const { ask, text, order, ledger } = await started();
    await text(open, 'Your parcel is here.');
    await order(open);
    await text(closed);
    await ask('POST', '/v1/messages/file-link', { to: open, url: 'https://example.com/a.pdf', caption: 'Bill' });
    const buttons = { to: open, body: 'Keep it?', buttons: [{ text: 'Yes' }] };
    await ask('POST', '/v1/messages/buttons', buttons);
    const sent = (await ledger(`?recipient=${open}`)).flatMap(({ messages }) => messages);
    expect(sent).toEqual([
      { to: open, processed: true, text: 'Your parcel is here.' },
      { to: open, processed: true, template: 'order_update', parameters },
      { to: open, processed: true, file: 'https://example.com/a.pdf', caption: 'Bill' },
      { to: open, processed: true, text: 'Keep it?' },
    ]);
    expect(await ledger(`?recipient=%2B${closed}`)).toMatchObject([{ messages: [{ to: closed, processed: false }] }]);
  });

  it('distinguishes the recipients of one call', async () => {
    const { ask, ledger } = await started();
    const recipients = [open, '14155550423'].map((to) => ({ to, parameters }));
    const broadcast = { template: 'order_update', broadcastName: 'b', recipients };
    const { json } = await ask('POST', '/v1/broadcasts', broadcast, { 'idempotency-key': 'b' });
    const isDone = async () => (await ask('GET', `/v1/broadcasts/${String(json.id)}`)).json.status === 'done';
    await vi.waitFor(async () => expect(await isDone()).toBe(true), { timeout: 15_000 });
    const of = async (recipient: string, processed: boolean) =>
      (await ledger(`?recipient=${recipient}&processed=${processed}`)).map(({ messages }) => messages);
    expect(await of(open, true)).toEqual([[{ to: open, processed: true, template: 'order_update', parameters }]]);
    expect(await of('14155550423', true)).toEqual([]);
    expect(await of('14155550423', false)).toHaveLength(1);
    expect([await of(open, false), (await ledger('?processed=true&operation=sendTemplateMessagesV2')).length]).toEqual([
      [],
      1,
    ]);
  });

  it('finds by operation, path, outcome and time', async () => {
    const { ask, text, advance, ledger } = await started();
    await text(open);
    await text(closed);
    const { json } = await advance(hour);
    await ask('GET', '/v1/contacts?pageSize=1');
    const operations = async (query: string) => (await ledger(query)).map(({ operation }) => operation);
    expect(await operations('?operation=sendSessionMessage')).toHaveLength(2);
    expect(await operations(`?path=/api/v1/sendSessionMessage/${closed}`)).toEqual(['sendSessionMessage']);
    expect(await operations('?processed=false')).toEqual(['sendSessionMessage']);
    expect(await operations(`?since=${String(json.now)}`)).toEqual(['getContacts']);
    expect(await ledger('?operation=rotateToken')).toEqual([]);
  });

  it('never shows the key', async () => {
    const { text, ledger } = await started();
    await text(open);
    const shown = await ledger();
    expect(shown.map(({ headers }) => isRecord(headers) && headers.authorization)).toContain('ok');
    expect(JSON.stringify(shown)).not.toMatch(/Bearer|sim-[0-9a-f]{8}/);
  });

  it.each([
    ['to=1', 'There is no query parameter to; there are recipient, operation, path, processed, since'],
    ['recipient=1&recipient=2', 'recipient is given twice'],
    ['processed=yes', 'processed must be true or false'],
    ['since=yesterday', 'since must be an ISO 8601 time'],
    ['operation=sendText', 'There is no operation sendText; there are unknown, getContacts, '],
  ])('refuses ?%s in clear words', async (query, words) => {
    const { ask } = await started();
    const { status, json } = await ask('GET', `/_sandbox/ledger?${query}`);
    expect([status, json.error]).toEqual([400, expect.stringContaining(words)]);
  });
});

describe('/_sandbox', () => {
  it('lists what can be done there, at the service and at the simulated gateway, and each of it is there', async () => {
    const { sandbox, ask, list } = await started();
    const told = await list('/_sandbox');
    expect(await list(`${sandbox.gatewayUrl}/_sandbox`)).toEqual(told);
    expect(told.map(({ route }) => route)).toEqual([
      'GET /_sandbox',
      'POST /_sandbox/reset',
      'GET /_sandbox/ledger',
      'POST /_sandbox/messages',
      'POST /_sandbox/clicks',
      'GET /_sandbox/phones',
      'GET /_sandbox/phones/{number}',
      'GET /_sandbox/pictures',
      'GET /_sandbox/next-sends',
      'POST /_sandbox/next-sends',
      'GET /_sandbox/webhooks',
      'POST /_sandbox/webhooks',
      'POST /_sandbox/webhooks/enable',
      'POST /_sandbox/templates',
      'GET /_sandbox/key',
      'GET /_sandbox/clock',
      'POST /_sandbox/clock',
    ]);
    for (const { route, does } of told) {
      expect(does).toMatch(/^[^\n]+$/);
      const [method = '', path = ''] = String(route).split(' ');
      expect((await ask(method, path)).status).not.toBe(404);
    }
    expect(await ask('GET', '/_sandbox/nothing')).toMatchObject({
      status: 404,
      json: { error: 'There is no GET /_sandbox/nothing; GET /_sandbox lists what there is' },
    });
  });

  it.each([
    ['/_sandbox/reset', { sead: 1 }],
    ['/_sandbox/reset', { seed: 1.5 }],
    ['/_sandbox/reset', []],
    ['/_sandbox/reset?seed=1', undefined],
    ['/_sandbox/clock', undefined],
    ['/_sandbox/clock', { advanceSeconds: -1 }],
    ['/_sandbox/clock', { advanceSeconds: '60' }],
    ['/_sandbox/messages', { from: 'Asha', text: 'Hi' }],
    ['/_sandbox/messages', { from: open }],
    ['/_sandbox/messages', { from: open, text: 'Hi', to: open }],
  ])('refuses at %s what it does not take, and does nothing: %j', async (path, body) => {
    const { ask, text, ledger } = await started();
    await text(open);
    const { status, json } = await ask('POST', path, body);
    expect([status, json.error]).toEqual([400, expect.any(String)]);
    expect(await ledger(`?recipient=${open}`)).toHaveLength(1);
    expect((await ask('GET', '/_sandbox/clock')).json.advancedSeconds).toBe(0);
  });

  it('says that a body is no JSON, or too long', async () => {
    const { sandbox } = await started();
    const post = async (body: string) => fetch(`${sandbox.url}/_sandbox/reset`, { method: 'POST', body });
    expect((await post('{seed}')).status).toBe(400);
    expect((await post(JSON.stringify({ seed: 'x'.repeat(70_000) }))).status).toBe(413);
  });
});

describe('the sandbox', () => {
  it('is as fast as the settings of the service say, on both sides', async () => {
    const { order, text, ledger } = await started({ MATON_RATE_PER_SECOND: '100000' });
    // WATI's smallest plan takes 30 templates in ten seconds, Maton ten calls in one.
    const all = await Promise.all(Array.from({ length: 40 }, (_, at) => (at < 35 ? order(open) : text(open))));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 201));
    expect((await ledger()).filter(({ status }) => status !== 200)).toEqual([]);
  });

  it.each([
    ['MATON_RATE_PER_SECOND', { MATON_RATE_PER_SECOND: '2', WATI_PLAN: 'none' }, 8],
    ['WATI_PLAN', { MATON_RATE_PER_SECOND: '1000', WATI_PLAN: 'growth' }, 20],
  ])('is as slow as %s says, and the service keeps to it: no call is turned away', async (_name, settings, calls) => {
    const { ask, ledger } = await started(settings);
    // Each with a deadline of its own, so that they share no call upstream.
    const read = (at: number) => ask('GET', `/v1/contacts?pageSize=${at + 1}`, undefined, { prefer: 'wait=1' });
    const answers = await Promise.all(Array.from({ length: calls }, (_, at) => read(at)));
    expect(answers.filter(({ status }) => status !== 200).map(({ status }) => status)).toContain(429);
    expect((await ledger()).filter(({ status }) => status === 429)).toEqual([]);
  });

  it('treats invalid HTTP and Expect: 100-continue as the service does', async () => {
    const { sandbox } = await started();
    const say = async (words: string) => {
      const socket = connect(Number(new URL(sandbox.url).port), '127.0.0.1');
      socket.end(words);
      let heard = '';
      socket.on('data', (chunk) => {
        heard += chunk;
      });
      await once(socket, 'close');
      return heard;
    };
    expect(await say('GARBAGE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json/s);
    expect(await say('GET /health/live HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*no Host/s);
    const asking = ['POST /v1/messages/text HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 2'];
    // Without a key the body is not wanted.
    expect(await say(`${asking.join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 401 /);
  });
});
