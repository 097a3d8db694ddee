import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAllowedFrom } from '../../src/callers/addresses.ts';
import { type Callers, callerEntry, fixedCallers } from '../../src/callers.ts';
import { createSendingCheck } from '../../src/sending-rules.ts';
import { isRecord } from '../support/json.ts';
import { operationsOf } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { form } from '../upload/multipart-helper.ts';
import { multipartType } from './files-helper.ts';
import { seededConnection } from './outcomes.ts';

const key = 'key-of-one-whose-entry-changes';
const mine = '14155551000';
const stranger = '14155552000';
const values = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };

/** The entry of the one caller, as each test narrows it. */
let now: Callers;
const narrow = (rules: object) => {
  now = fixedCallers([callerEntry('staging', key, { scopes: ['*'], ...rules })]);
};
const callers: Callers = {
  find: (asked) => now.find(asked),
  byId: (id) => now.byId(id),
  list: () => now.list(),
  close: () => {},
};

let service: Service;
beforeAll(async () => {
  narrow({});
  service = await startService({
    settings: {
      MATON_CONNECTION_ID: seededConnection,
      NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
    },
    seams: { callers },
  });
});
afterAll(() => service.close());
beforeEach(() => narrow({}));

let asked = 0;
const keyed = () => ({ 'idempotency-key': `key-${asked++}` });
const ask = (path: string, json: unknown) => service.ask('POST', path, { key, json, headers: keyed() });
const upload = (path: string, body: Buffer) =>
  service.ask('POST', path, { key, body, headers: { 'content-type': multipartType, ...keyed() } });
const csv = (numbers: readonly string[]) => {
  const rows = numbers.map((each) => `${each},Asha,A-1,shipped\n`).join('');
  return form({
    type: 'text/csv',
    disposition: 'form-data; name="file"; filename="a.csv"',
    file: `Phone,customer_name,order_id,order_status\n${rows}`,
  });
};
const parametersOf = (template: string) => (template === 'order_update' ? { parameters: values } : {});
const sections = [{ title: 'c', rows: [{ title: 'd' }] }];

type Try = (to: string, template: string) => Promise<Answer>;
/** Sends with the wide entry, and loses the answer. Narrows the entry again before any other request. */
async function lost(send: () => Promise<Answer>): Promise<Answer> {
  const narrowed = now;
  narrow({});
  // Messages that earlier tests left queued would get the fault.
  await vi.waitFor(async () => {
    expect((await service.ask('GET', '/v1/broadcasts?limit=100', { key })).text).not.toContain('"running"');
  }, 20_000);
  service.simulator.script('sendTemplateMessagesV2', { fault: 'reset-before' });
  const first = await send();
  now = narrowed;
  return first;
}

/** Numbers of messages, broadcasts and sends that the first request leaves behind. */
const firstTraces: Record<string, readonly number[]> = {
  resendMessage: [1, 0, 1],
  resendAnyMessage: [1, 0, 1],
  resendBroadcast: [1, 1, 1],
};

/** How each sending route is asked for one recipient and one template. */
const tries: Record<string, Try> = {
  sendText: (to) => ask('/v1/messages/text', { to, text: 'hello' }),
  sendFileLink: (to) => ask('/v1/messages/file-link', { to, url: 'https://example.com/a.pdf' }),
  sendButtons: (to) => ask('/v1/messages/buttons', { to, body: 'a', buttons: [{ text: 'b' }] }),
  sendList: (to) => ask('/v1/messages/list', { to, body: 'a', buttonText: 'b', sections }),
  sendTemplate: (to, template) => ask('/v1/messages/template', { to, template, ...parametersOf(template) }),
  sendFile: (to) => upload(`/v1/messages/file?to=${encodeURIComponent(to)}`, form()),
  sendTemplateCsv: (to, template) =>
    upload(`/v1/broadcasts/csv?template=${template}&broadcastName=b`, csv(['14155551001', to])),
  importBroadcast: (to, template) =>
    upload(`/v1/broadcasts/import?template=${template}&broadcastName=b`, csv(['14155551001', to])),
  createBroadcast: (to, template) => {
    const recipients = ['14155551001', to].map((each) => ({ to: each, ...parametersOf(template) }));
    return ask('/v1/broadcasts', { template, broadcastName: 'b', recipients });
  },
  resendMessage: async (to, template) => {
    const first = await lost(() => ask('/v1/messages/template', { to, template, ...parametersOf(template) }));
    expect(first).toMatchObject({ status: 202, json: { status: 'unknown' } });
    return ask(`${first.headers.location}/resend`, { reason: 'nothing came' });
  },
  resendAnyMessage: async (to, template) => {
    const first = await lost(() => ask('/v1/messages/template', { to, template, ...parametersOf(template) }));
    const path = `${first.headers.location}`.replace('/v1/', '/v1/operations/');
    return ask(`${path}/resend`, { reason: 'nothing came' });
  },
  resendBroadcast: async (to, template) => {
    const recipients = [{ to, ...parametersOf(template) }];
    const first = await lost(async () => {
      const started = await ask('/v1/broadcasts', { template, broadcastName: 'b', recipients });
      await vi.waitFor(async () => {
        const answer = await service.ask('GET', `${started.headers.location}`, { key });
        expect(answer.json).toMatchObject({ status: 'done', counts: { unknown: 1 } });
      }, 20_000);
      return started;
    });
    return ask(`${first.headers.location}/resend`, { statuses: ['unknown'], reason: 'nothing came' });
  },
};
const templated = [
  ...['sendTemplate', 'sendTemplateCsv', 'importBroadcast', 'createBroadcast'],
  ...['resendMessage', 'resendAnyMessage', 'resendBroadcast'],
];
/** Whether anything of what was asked for the stranger went out, or is on record. */
const tracesOf = async () => {
  const messages = await service.ask('GET', `/v1/messages?to=${stranger}`, { key });
  const broadcasts = await service.ask('GET', '/v1/broadcasts?limit=100', { key });
  const counts = [messages, broadcasts].map(({ json }) =>
    isRecord(json) && Array.isArray(json.data) ? json.data.length : -1,
  );
  return [...counts, service.simulator.ledger.sendsTo(stranger).length];
};

describe('the entry of a caller', () => {
  it('is checked on every route that sends', () => {
    const sending = operationsOf().filter(
      ({ raw }) => isRecord(raw.responses) && JSON.stringify(raw).includes('idempotency-mismatch'),
    );
    expect(sending.map(({ id }) => id).sort()).toEqual(Object.keys(tries).sort());
  });

  it.each(Object.keys(tries))('that names recipients keeps %s from sending to others', async (name) => {
    narrow({ recipients: ['14155551*'] });
    const before = await tracesOf();
    const refused = await tries[name]?.(stranger, 'welcome');
    expect(refused).toMatchObject({ status: 403, json: { type: problem('sending-forbidden'), retryable: false } });
    expect(refused?.text).not.toContain(stranger);
    expect(await tracesOf()).toEqual(before.map((count, at) => count + (firstTraces[name]?.[at] ?? 0)));
    const taken = await tries[name]?.(mine, 'welcome');
    expect([201, 202], taken?.text).toContain(taken?.status);
  });

  it.each(templated)('that names templates keeps %s from using others', async (name) => {
    narrow({ templates: ['welcome'] });
    const refused = await tries[name]?.(mine, 'order_update');
    expect(refused).toMatchObject({
      status: 403,
      json: {
        type: problem('sending-forbidden'),
        errors: [{ detail: expect.stringMatching(/it may send welcome$/) }],
      },
    });
    const taken = await tries[name]?.(mine, 'welcome');
    expect([201, 202], taken?.text).toContain(taken?.status);
  });

  it('that names templates does not affect sends without one, and an empty list allows none', async () => {
    narrow({ templates: [] });
    expect(await tries.sendText?.(mine, '')).toMatchObject({ status: 201 });
    expect(await tries.sendTemplate?.(mine, 'welcome')).toMatchObject({ status: 403 });
    narrow({ recipients: [] });
    expect(await tries.sendText?.(mine, '')).toMatchObject({ status: 403 });
  });

  it('does not prevent the replay of an earlier request', async () => {
    const request = { key, json: { to: stranger, template: 'welcome' }, headers: keyed() };
    const first = await service.ask('POST', '/v1/messages/template', request);
    narrow({ recipients: [mine] });
    const again = await service.ask('POST', '/v1/messages/template', request);
    expect(again).toMatchObject({ status: 201, headers: { 'idempotency-replayed': 'true' }, text: first.text });
  });

  it('lists every row of an import that the caller may not send, by its position', async () => {
    narrow({ recipients: [mine] });
    const answer = await upload(
      '/v1/broadcasts/import?template=welcome&broadcastName=b',
      csv([mine, stranger, '14155553000']),
    );
    expect(answer.json).toMatchObject({ errors: [{ pointer: '/rows/2' }, { pointer: '/rows/3' }] });
  });

  it.each([
    { recipients: [mine] },
    { templates: ['a'] },
    { countries: ['US'] },
    { messagesPerHour: 5 },
    { messagesPerDay: 5 },
  ])('that has %o makes no native call that could send', async (rules) => {
    narrow(rules);
    const start = () =>
      service.ask(
        'POST',
        '/v1/native/api/v1/chatbots/start?whatsappNumber=14155551000&chatbotId=6622a1f0c3b4d5e6f7a8b901',
        { key },
      );
    expect(await start()).toMatchObject({ status: 403, json: { type: problem('sending-forbidden') } });
    expect(await service.ask('GET', '/v1/native/api/v1/chatbots', { key })).toMatchObject({ status: 200 });
    narrow({});
    expect((await start()).status).toBe(200);
  });

  it('that names addresses is valid from those alone', async () => {
    narrow({ addresses: ['10.0.0.0/8'] });
    const elsewhere = await service.ask('GET', '/v1/broadcasts', { key });
    expect(elsewhere).toMatchObject({ status: 403, json: { type: problem('forbidden') } });
    narrow({ addresses: ['10.0.0.0/8', '127.0.0.0/8'] });
    expect(await service.ask('GET', '/v1/broadcasts', { key })).toMatchObject({ status: 200 });
  });

  it('may have keys that expire: then they are answered like a wrong key', async () => {
    let clockMs = Date.parse('2027-01-31T23:59:59.999Z');
    now = fixedCallers(
      [callerEntry('staging', key, { scopes: ['*'] })].map((entry) => ({
        ...entry,
        keys: entry.keys?.map((each) => ({ ...each, notAfter: '2027-01-31' })) ?? [],
      })),
      () => clockMs,
    );
    expect(await service.ask('GET', '/v1/broadcasts', { key })).toMatchObject({ status: 200 });
    clockMs += 1;
    const [late, wrong] = [
      await service.ask('GET', '/v1/broadcasts', { key }),
      await service.ask('GET', '/v1/broadcasts', { key: 'a-key-that-nobody-ever-had' }),
    ];
    const body = ({ json }: Answer) => ({ ...(isRecord(json) ? json : {}), requestId: '' });
    expect(late.status).toBe(401);
    expect(body(late)).toEqual(body(wrong));
    await vi.waitFor(() => expect(service.logs().at(-1)).toMatchObject({ status: 401 }));
  });
});

describe('a list of recipients', () => {
  const may = (recipients: string[], to: string) => {
    const check = createSendingCheck({ recipients });
    check.recipient(to, '/to');
    try {
      check.assert();
      return true;
    } catch {
      return false;
    }
  };

  it('matches a number exactly, with or without its plus', () =>
    fc.assert(
      fc.property(fc.stringMatching(/^[1-9][0-9]{6,14}$/), fc.stringMatching(/^[1-9][0-9]{6,14}$/), (mine, other) => {
        expect([may([mine], mine), may([`+${mine}`], mine), may([mine], `+${mine}`)]).toEqual([true, true, true]);
        expect(may([mine], other)).toBe(mine === other);
        expect([may([`${mine.slice(0, 4)}*`], mine), may([`${mine.slice(0, 4)}*`], other)]).toEqual([
          true,
          other.startsWith(mine.slice(0, 4)),
        ]);
      }),
    ));

  it.each([
    [['66*'], '6622a1f0c3b4d5e6f7a8b901', false],
    [['6622A1F0C3B4D5E6F7A8B901'], '6622a1f0c3b4d5e6f7a8b901', true],
    [['US.ENT.118157'], 'us.ent.118157', true],
    [['1*'], 'US.1181', false],
  ])('%j and %s: %s', (recipients, to, expected) => expect(may(recipients, to)).toBe(expected));
});

describe('a list of addresses', () => {
  it.each([
    [undefined, '203.0.113.9', true],
    [[], '127.0.0.1', false],
    [['10.1.2.3'], '10.1.2.3', true],
    [['10.1.2.3'], '::ffff:10.1.2.3', true],
    [['10.1.2.3'], '10.1.2.4', false],
    [['10.0.0.0/8'], '::ffff:10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['0.0.0.0/0'], '::1', false],
    [['::/0'], '2001:db8::1', true],
    [['::ffff:10.0.0.0/104'], '10.9.9.9', true],
    [['::ffff:10.0.0.0/104'], '11.9.9.9', false],
    [['fd00::/8'], 'fd12:3456::1', true],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['10.0.0.0/8'], undefined, false],
    [['0.0.0.0/0'], 'nonsense', false],
  ])('%j lets %s in: %s', (addresses, remote, expected) => expect(isAllowedFrom(addresses, remote)).toBe(expected));
});
