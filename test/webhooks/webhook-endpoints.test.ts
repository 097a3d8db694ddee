import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'svix';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { readAllowedHosts } from '../../src/webhooks/allowed-hosts.ts';
import { openWebhooks } from '../../src/webhooks/open-webhooks.ts';
import { OPTIONS } from '../store/samples.ts';
import { fakeStore } from '../support/fake-store.ts';
import { record } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Ask, type Service, startService } from '../support/service.ts';
import { startReceiver } from './receiver.ts';
import { endpointAt, otherSigningKey, signingKey } from './samples.ts';

const keyOf = (name: string) => `the-key-of-${name}-for-webhooks`;
const callers = [
  ...['billing', 'crm', 'full', 'tester-of-secrets'].map((name) => ({
    name,
    key: keyOf(name),
    scopes: ['webhooks:read', 'webhooks:write'],
    events: ['message.*'],
  })),
  { name: 'unheard', key: keyOf('unheard'), scopes: ['webhooks:read', 'webhooks:write'] },
  { name: 'reader', key: keyOf('reader'), scopes: ['webhooks:read'] },
];
const types = ['message.delivered', 'message.failed'];

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let service: Service;
let store: Store;
const addresses = new Map<string, string[]>();
let keys: string[] = [signingKey];
const folder = mkdtempSync(join(tmpdir(), 'wati-bff-'));

const settings = (port: number) => ({
  WEBHOOK_ALLOWED_HOSTS: `hooks.example,*.apps.example,http://127.0.0.1:${port},http://named.example:${port}`,
  WEBHOOK_ENDPOINTS_MAX: '3',
  INTAKE_PUBLIC_URL: 'https://wati.apps.example/',
});

beforeAll(async () => {
  receiver = await startReceiver();
  store = await openStore(`file:${join(folder, 'records.db')}`, OPTIONS);
  const webhookLookup = async (name: string) =>
    (addresses.get(name) ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  service = await startService({
    settings: settings(receiver.port),
    callers,
    // The events of these endpoints are invented: nothing is sent except on request.
    store: fakeStore(store, { claimEndpoints: async () => [] }),
    seams: { webhookLookup, signingKeys: () => keys },
  });
  addresses.set('hooks.example', ['10.0.0.7']);
  addresses.set('named.example', ['127.0.0.1']);
});
afterAll(async () => {
  await service.close();
  await receiver.close();
  rmSync(folder, { recursive: true });
});

const as = (name: string, ask: Ask = {}) => ({ key: keyOf(name), ...ask });
const create = (name: string, json: Record<string, unknown> = {}) =>
  service.ask(
    'POST',
    '/v1/webhook-endpoints',
    as(name, { json: { url: 'https://hooks.example/wati', types, ...json } }),
  );
const idOf = (answer: { json: unknown }) => String(record(answer.json).id);
const at = (id: string, rest = '') => `/v1/webhook-endpoints/${id}${rest}`;
const audits = () =>
  service.logs().filter(({ audit, act }) => audit === true && String(act).startsWith('webhook-endpoint-'));

describe('an endpoint', () => {
  it('is created with its secret, and read, changed and deleted without it', async () => {
    const created = await create('billing', { description: 'orders' });
    expect(created).toMatchObject({
      status: 201,
      json: {
        url: 'https://hooks.example/wati',
        types,
        description: 'orders',
        status: 'enabled',
        lagSeconds: 0,
        parked: 0,
        failed: 0,
        secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      },
    });
    const id = idOf(created);
    expect(created.headers.location).toBe(at(id));
    const { secret, ...shown } = record(created.json);
    expect((await service.ask('GET', at(id), as('billing'))).json).toEqual(shown);
    expect((await service.ask('GET', '/v1/webhook-endpoints', as('reader'))).json).toEqual({ data: [] });
    expect((await service.ask('GET', '/v1/webhook-endpoints', as('billing'))).json).toEqual({ data: [shown] });
    const changed = await service.ask(
      'PATCH',
      at(id),
      as('billing', { json: { url: 'https://HOOKS.example:443/other?x=1', types: ['message.*'], status: 'disabled' } }),
    );
    expect(changed).toMatchObject({
      status: 200,
      json: {
        url: 'https://hooks.example/other?x=1',
        types: ['message.*'],
        status: 'disabled',
        reason: 'caller',
        description: 'orders',
      },
    });
    const enabled = await service.ask('PATCH', at(id), as('billing', { json: { status: 'enabled', from: 'latest' } }));
    expect(enabled).toMatchObject({ status: 200, json: { status: 'enabled' } });
    expect(enabled.json).not.toHaveProperty('reason');
    expect((await service.ask('DELETE', at(id), as('billing'))).status).toBe(204);
    expect((await service.ask('GET', at(id), as('billing'))).status).toBe(404);
    expect((await service.ask('DELETE', at(id), as('billing'))).status).toBe(404);
    expect(audits().map(({ act, outcome, caller }) => [act, outcome, caller])).toEqual([
      ['webhook-endpoint-create', 'done', 'billing'],
      ['webhook-endpoint-update', 'done', 'billing'],
      ['webhook-endpoint-update', 'done', 'billing'],
      ['webhook-endpoint-delete', 'done', 'billing'],
      ['webhook-endpoint-delete', 'refused', 'billing'],
    ]);
    expect(JSON.stringify(service.logs())).not.toContain('/other');
  });

  it('is nobody else\u2019s: other callers and unknown ids get a 404 at each operation', async () => {
    const id = idOf(await create('billing'));
    for (const [name, path] of [
      ['crm', at(id)],
      ['billing', at('whe_unknown')],
    ] as const) {
      const asks: [string, string, unknown?][] = [
        ['GET', path],
        ['PATCH', path, { types }],
        ['POST', `${path}/rotate-secret`, {}],
        ['POST', `${path}/test`],
        ['GET', `${path}/deliveries`],
        ['POST', `${path}/replay`, { failed: true }],
        ['DELETE', path],
      ];
      for (const [method, address, json] of asks) {
        const answer = await service.ask(method, address, as(name, json === undefined ? {} : { json }));
        expect(answer, `${method} ${address}`).toMatchObject({ status: 404, json: { type: problem('not-found') } });
      }
    }
    expect((await service.ask('GET', at(id), as('billing'))).status).toBe(200);
    await service.ask('DELETE', at(id), as('billing'));
  });

  it('needs the scope to write', async () => {
    const answer = await service.ask(
      'POST',
      '/v1/webhook-endpoints',
      as('reader', { json: { url: 'https://hooks.example/', types } }),
    );
    expect(answer).toMatchObject({ status: 403, json: { type: problem('forbidden') } });
    expect((await service.ask('GET', at('whe_x'), as('reader'))).status).toBe(404);
  });

  it('is refused, by place, with types of which none is recorded, and to a caller without events', async () => {
    const wanted = [
      'message.failed',
      'account.changed',
      'template.*',
      'webhook_endpoint.failing',
      '*',
      'mesage.failed',
    ];
    const unrecorded = 'is not recorded for you; ask your operator to list it in `events`';
    const errors = [
      { pointer: '/types/1', detail: unrecorded },
      { pointer: '/types/2', detail: unrecorded },
      { pointer: '/types/5', detail: 'names no type of event; did you mean message.failed?' },
    ];
    const id = idOf(await create('billing', { types: ['message.*', 'webhook_endpoint.disabled'] }));
    const change = (name: string, json: object) => service.ask('PATCH', at(id), as(name, { json }));
    for (const answer of [await create('billing', { types: wanted }), await change('billing', { types: wanted })]) {
      expect(answer).toMatchObject({ status: 400, json: { type: problem('validation-failed'), errors } });
    }
    expect(await create('billing', { types: ['message.sent,message.read', 'orders'] })).toMatchObject({
      status: 400,
      json: {
        errors: [
          { detail: 'names no type of event; give each as an item of its own' },
          { detail: expect.stringMatching(/; there is message\.\*, broadcast\.\*, .* and \*$/) },
        ],
      },
    });
    await service.ask('DELETE', at(id), as('billing'));
    expect(await create('unheard')).toMatchObject({
      status: 409,
      json: { type: problem('events-not-recorded'), detail: expect.stringContaining('`unheard`') },
    });
    const was = { id: 'whe_was', caller: 'unheard', url: 'https://hooks.example/was', types, position: 0 };
    await store.createEndpoint(was, 3);
    const changed = (json: object) => service.ask('PATCH', at(was.id), as('unheard', { json }));
    for (const json of [{ types }, { from: 'latest' }, { status: 'enabled' }, { url: 'https://hooks.example/' }])
      expect((await changed(json)).json, JSON.stringify(json)).toMatchObject({ type: problem('events-not-recorded') });
    expect((await changed({ status: 'disabled' })).status).toBe(200);
    expect((await service.ask('DELETE', at(was.id), as('unheard'))).status).toBe(204);
  });

  it('is the only enabled one of its caller at its address', async () => {
    const id = idOf(await create('billing'));
    const other = idOf(await create('billing', { url: 'https://hooks.example/other' }));
    const change = (of: string, json: object) => service.ask('PATCH', at(of), as('billing', { json }));
    const url = 'https://HOOKS.example:443/wati';
    const refusal = {
      status: 409,
      json: { type: problem('webhook-endpoint-exists'), detail: expect.stringContaining(id) },
    };
    expect(await create('billing', { url })).toMatchObject(refusal);
    expect(await change(other, { url })).toMatchObject(refusal);
    expect((await change(id, { url, status: 'enabled' })).status).toBe(200);
    expect((await create('crm')).status).toBe(201);
    const { data } = record((await service.ask('GET', '/v1/webhook-endpoints', as('crm'))).json);
    for (const each of Array.isArray(data) ? data : []) await service.ask('DELETE', at(String(each.id)), as('crm'));
    expect((await change(other, { url, status: 'disabled' })).status).toBe(200);
    expect(await change(other, { status: 'enabled' })).toMatchObject(refusal);
    expect((await change(id, { status: 'disabled' })).status).toBe(200);
    expect((await change(other, { status: 'enabled' })).status).toBe(200);
    for (const each of [id, other]) await service.ask('DELETE', at(each), as('billing'));
  });

  it('is one of so many', async () => {
    const ids = [];
    for (let at = 0; at < 3; at += 1) ids.push(idOf(await create('full', { url: `https://hooks.example/${at}` })));
    expect(await create('full')).toMatchObject({
      status: 409,
      json: { type: problem('webhook-endpoints-exhausted'), detail: 'you have 3 already' },
    });
    await service.ask('DELETE', at(String(ids[0])), as('full'));
    expect((await create('full')).status).toBe(201);
  });

  it.each([
    [{ url: 'hooks.example' }, 'url'],
    [{ url: 'https://' }, 'url'],
    [{ url: 'https://hooks.example/ a' }, 'url'],
    [{ url: 'https://hooks.example/\n' }, 'url'],
    [{ types: [] }, 'types'],
    [{ types: ['message.deliverd'] }, 'types'],
    [{ types: ['webhook.test'] }, 'types'],
    [{ from: 'now' }, 'from'],
    [{ secret: 'whsec_mine' }, 'secret'],
  ])('is a 400 with %o', async (json, field) => {
    const answer = await create('billing', json);
    expect(answer).toMatchObject({ status: 400, json: { type: problem('validation-failed') } });
    expect(answer.text).toContain(field);
  });
});

describe('an address', () => {
  const names: Record<string, string[]> = {
    'loop.apps.example': ['127.0.0.1'],
    'loop6.apps.example': ['::1'],
    'mapped.apps.example': ['::ffff:127.0.0.1'],
    'meta.apps.example': ['169.254.169.254'],
    'half.apps.example': ['10.0.0.1', 'fd00:ec2::254'],
    'nat.apps.example': ['64:ff9b::a9fe:a9fe'],
    'six.apps.example': ['2002:7f00:1::'],
    'any.apps.example': ['0.0.0.0'],
  };
  const refused: [url: string, rule: string][] = [
    ['http://hooks.example/', 'scheme'],
    ['ftp://hooks.example/', 'scheme'],
    ['https://user:word@hooks.example/', 'userinfo'],
    ['https://@hooks.example/', 'userinfo'],
    ['https://hooks.example/#a', 'fragment'],
    ['https://hooks.example.evil.example/', 'host'],
    ['https://hooks.example./', 'host'],
    ['https://169.254.169.254/latest/meta-data', 'host'],
    ['https://2852039166/', 'host'],
    ['https://0251.0376.0251.0376/', 'host'],
    ['https://[::ffff:a9fe:a9fe]/', 'host'],
    ['https://[fd00:ec2::254]/', 'host'],
    ['https://hooks.example:8443/', 'port'],
    ['https://127.0.0.1/', 'port'],
    ['https://2130706433/', 'port'],
    ['https://0x7f.1/', 'port'],
    ['https://0177.1/', 'port'],
    ['https://127\u30020\u30020\u30021/', 'port'],
    ['https://wati.apps.example/v1/messages', 'own-listener'],
    ['https://nowhere.apps.example/', 'name'],
    ['https://LOOP.apps.example/', 'loopback'],
    ['https://loop6.apps.example/', 'loopback'],
    ['https://mapped.apps.example/', 'loopback'],
    ['https://meta.apps.example/', 'metadata'],
    ['https://half.apps.example/', 'metadata'],
    ['https://nat.apps.example/', 'metadata'],
    ['https://six.apps.example/', 'loopback'],
    ['https://any.apps.example/', 'unspecified'],
  ];

  it.each(refused)('is refused: %s by the rule %s', async (url, rule) => {
    for (const [name, found] of Object.entries(names)) addresses.set(name, found);
    const answer = await create('crm', { url });
    expect(answer).toMatchObject({
      status: 422,
      json: {
        type: problem('webhook-url-refused'),
        detail: expect.stringContaining(`(rule: ${rule})`),
        errors: [{ pointer: '/url' }],
      },
    });
    if (!/example/.test(url)) return;
    for (const found of Object.values(names).flat()) expect(record(answer.json).detail).not.toContain(found);
  });

  it.each([
    [
      'https://example.com/',
      422,
      /^`example.com` is not among .*; ask your operator to add it to WEBHOOK_ALLOWED_HOSTS /,
    ],
    ['https://hooks.example:8443/', 422, /^`hooks.example` may be called at port 443 alone; ask your operator/],
    ['https://169.254.169.254/', 422, /^`169.254.169.254` is an address that is never called /],
    ['http://hooks.example/', 422, /^`hooks.example` may be called over https:\/\/ alone; ask .* with http:\/\/ in/],
    ['ftp://hooks.example/', 422, /^it must begin with https:\/\/ \(or http:\/\/\) /],
    ['localhost:4001/x', 422, /^write it with https:\/\/ \(or http:\/\/\) /],
    ['127.0.0.1:4001', 400, /^is no URL: write it with https:\/\/ \(or http:\/\/\)/],
    ['hooks.example/x', 400, /^is no URL: write it with https:\/\//],
    ['https://hooks.example:99999/', 400, /^is no URL: look at its host and port/],
  ])('is refused with what helps: %s', async (url, status, detail) => {
    const answer = await create('crm', { url });
    expect(answer.status).toBe(status);
    expect(record(answer.json).errors).toMatchObject([{ pointer: '/url', detail: expect.stringMatching(detail) }]);
  });

  it('is refused to a change as well, which changes nothing', async () => {
    const id = idOf(await create('crm'));
    for (const [url] of refused) {
      expect(await service.ask('PATCH', at(id), as('crm', { json: { url, types: ['*'] } }))).toMatchObject({
        status: 422,
      });
    }
    expect((await service.ask('GET', at(id), as('crm'))).json).toMatchObject({
      url: 'https://hooks.example/wati',
      types,
    });
    await service.ask('DELETE', at(id), as('crm'));
  });

  it('is refused when the name leads elsewhere by the time of the connection', async () => {
    const id = idOf(await create('crm', { url: `http://named.example:${receiver.port}/` }));
    expect((await service.ask('POST', at(id, '/test'), as('crm'))).json).toMatchObject({
      delivered: true,
      status: 204,
    });
    const [before] = receiver.received.splice(0);
    expect(before?.headers.host).toBe(`named.example:${receiver.port}`);
    receiver.answer((_, response) => void response.writeHead(204, { connection: 'close' }).end());
    await service.ask('POST', at(id, '/test'), as('crm'));
    receiver.received.length = 0;
    for (const address of ['169.254.169.254', '::ffff:169.254.169.254', '64:ff9b::7f00:1', '127.0.0.2', '::1']) {
      addresses.set('named.example', [address]);
      const tested = await service.ask('POST', at(id, '/test'), as('crm'));
      expect(tested.json).toMatchObject({
        delivered: false,
        detail: expect.stringMatching(/\(rule: (metadata|loopback)\)$/),
      });
    }
    expect(receiver.received).toEqual([]);
    addresses.set('named.example', ['127.0.0.1']);
    receiver.answer((_, response) => void response.writeHead(204).end());
    await service.ask('DELETE', at(id), as('crm'));
  });
});

describe('a secret', () => {
  it('is rotated with an overlap, in which both sign, and stands in no record and no log', async () => {
    receiver.received.length = 0;
    const name = 'tester-of-secrets';
    const created = record((await create(name, { url: `http://127.0.0.1:${receiver.port}/` })).json);
    const test = async () => {
      await service.ask('POST', at(String(created.id), '/test'), as(name));
      const [got] = receiver.received.splice(0);
      if (!got) throw new Error('nothing came');
      const headers = Object.fromEntries(Object.entries(got.headers).map(([key, value]) => [key, String(value)]));
      return (secret: unknown) => {
        try {
          new Webhook(String(secret)).verify(got.body, headers);
          return true;
        } catch {
          return false;
        }
      };
    };
    const rotate = async (overlapHours?: number) => {
      const answer = await service.ask(
        'POST',
        at(String(created.id), '/rotate-secret'),
        as(name, { json: overlapHours === undefined ? {} : { overlapHours } }),
      );
      expect(answer.status).toBe(200);
      return record(answer.json);
    };
    let verifies = await test();
    expect(verifies(created.secret)).toBe(true);
    const second = await rotate();
    expect(Date.parse(String(second.previousSecretUntil)) - Date.now()).toBeGreaterThan(23 * 3_600_000);
    verifies = await test();
    expect([created.secret, second.secret].map(verifies)).toEqual([true, true]);
    const third = await rotate(168);
    verifies = await test();
    expect([created.secret, second.secret, third.secret].map(verifies)).toEqual([false, true, true]);
    const fourth = await rotate(0);
    expect(fourth).not.toHaveProperty('previousSecretUntil');
    verifies = await test();
    expect([second.secret, third.secret, fourth.secret].map(verifies)).toEqual([false, false, true]);
    // The key changes: the new one signs first, the old one beside it.
    keys = [otherSigningKey, signingKey];
    const fifth = await rotate(0);
    verifies = await test();
    expect([fourth.secret, fifth.secret].map(verifies)).toEqual([false, true]);
    keys = [otherSigningKey];
    verifies = await test();
    expect(verifies(fifth.secret)).toBe(true);
    keys = [signingKey];

    const files = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'latin1'));
    expect(files.join('')).toContain(String(created.id));
    const kept = files.join('') + JSON.stringify([await store.listEndpoints(name), service.logs()]);
    for (const secret of [created, second, third, fourth, fifth].map((each) => String(each.secret))) {
      expect(kept).not.toContain(secret.slice('whsec_'.length));
    }
    expect(kept).not.toContain('whsec_');
    for (const key of [signingKey, otherSigningKey]) expect(kept).not.toContain(key.slice(0, 20));
    expect(audits().filter(({ act, caller }) => act === 'webhook-endpoint-rotate' && caller === name)).toHaveLength(4);
  });

  it.each([-1, 169, 1.5, '24', null])('is not rotated with an overlap of %o hours', async (overlapHours) => {
    const answer = await service.ask('POST', at('whe_x', '/rotate-secret'), as('crm', { json: { overlapHours } }));
    expect(answer.status).toBe(400);
  });
});

describe('a test', () => {
  it('is one event of its own, one at a time', async () => {
    receiver.received.length = 0;
    const id = idOf(await create('crm', { url: `http://127.0.0.1:${receiver.port}/` }));
    let release = () => {};
    receiver.answer((_, response) => {
      release = () => void response.writeHead(500).end();
    });
    const first = service.ask('POST', at(id, '/test'), as('crm'));
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), 10_000);
    expect(await service.ask('POST', at(id, '/test'), as('crm'))).toMatchObject({
      status: 429,
      headers: { 'retry-after': '1' },
    });
    release();
    expect(await first).toMatchObject({ status: 200, json: { delivered: false, status: 500, detail: 'answered 500' } });
    for (const status of [401, 403]) {
      receiver.answer((_, response) => void response.writeHead(status).end());
      const detail = `answered ${status}: does the receiver have this endpoint's secret, and does its clock go right?`;
      expect((await service.ask('POST', at(id, '/test'), as('crm'))).json).toMatchObject({ status, detail });
    }
    const [got] = receiver.received;
    expect(JSON.parse(String(got?.body))).toEqual({
      id: expect.stringMatching(/^evt_[A-Za-z0-9_-]{22}$/),
      type: 'webhook.test',
      timestamp: expect.stringMatching(/Z$/),
      data: {},
    });
    expect(got?.headers['user-agent']).toMatch(/^wati-bff\/\d/);
    receiver.answer((_, response) => void response.writeHead(204).end());
    await service.ask('DELETE', at(id), as('crm'));
  });
});

describe('what was sent', () => {
  it('is listed by page, with a cursor that is good for this list alone', async () => {
    const id = idOf(await create('crm'));
    const other = idOf(await create('crm', { url: 'https://hooks.example/other' }));
    const list = vi.spyOn(store, 'listDeliveries').mockResolvedValueOnce({
      deliveries: [
        {
          place: 9,
          eventId: 'evt_a',
          type: 'message.failed',
          status: 'pending',
          tries: 2,
          at: 1_000,
          nextAttemptInMs: 5_000,
          httpStatus: 500,
          durationMs: 3,
          error: 'answered 500',
        },
        {
          place: 8,
          eventId: 'evt_b',
          type: 'message.delivered',
          status: 'delivered',
          at: 0,
          httpStatus: 204,
          durationMs: 4,
        },
      ],
      next: 8,
    });
    const first = await service.ask('GET', at(id, '/deliveries?limit=2&status=pending'), as('crm'));
    expect(first).toMatchObject({
      status: 200,
      json: {
        data: [
          {
            eventId: 'evt_a',
            status: 'pending',
            tries: 2,
            at: '1970-01-01T00:00:01.000Z',
            nextAttemptAt: expect.stringMatching(/^20/),
            httpStatus: 500,
            error: 'answered 500',
          },
          { eventId: 'evt_b', status: 'delivered', httpStatus: 204, durationMs: 4 },
        ],
      },
    });
    expect(first.text).not.toContain('place');
    expect(list).toHaveBeenLastCalledWith(id, { limit: 2, status: 'pending' });
    const cursor = String(record(first.json).nextCursor);
    const second = await service.ask('GET', at(id, `/deliveries?cursor=${cursor}`), as('crm'));
    expect(second.json).toEqual({ data: [] });
    expect(list).toHaveBeenLastCalledWith(id, { limit: 50, before: 8 });
    list.mockRestore();
    for (const wrong of [cursor.slice(1), 'x', 'ZDo4']) {
      expect((await service.ask('GET', at(id, `/deliveries?cursor=${wrong}`), as('crm'))).status).toBe(400);
    }
    expect((await service.ask('GET', at(other, `/deliveries?cursor=${cursor}`), as('crm'))).status).toBe(400);
    for (const each of [id, other]) await service.ask('DELETE', at(each), as('crm'));
  });

  it('is sent again since a time, by ids, or where it was given up', async () => {
    const id = idOf(await create('crm'));
    const replay = vi.spyOn(store, 'replayEndpoint').mockResolvedValue({ queued: 7, skipped: 2 });
    vi.spyOn(store, 'eventPositions').mockResolvedValue({ epoch: 'e', last: 40, purged: 3 });
    const before = vi.spyOn(store, 'eventBefore').mockResolvedValue(12);
    const ask = (json: unknown) => service.ask('POST', at(id, '/replay'), as('crm', { json }));
    expect(await ask({ since: '2026-01-01T00:00:00Z' })).toMatchObject({
      status: 202,
      json: { queued: 7, skipped: 2 },
    });
    expect(replay).toHaveBeenLastCalledWith('crm', id, { after: 12, until: 40 });
    expect(before).toHaveBeenLastCalledWith('crm', Date.parse('2026-01-01T00:00:00Z') - 1);
    before.mockResolvedValueOnce(2);
    expect((await ask({ since: '2026-01-01T00:00:00Z' })).json).toMatchObject({
      notSent: [{ reason: 'deleted', detail: expect.stringMatching(/^events of before 20.*Z are deleted by age/) }],
    });
    // Nothing of that time was deleted, whatever was before.
    before.mockResolvedValueOnce(0);
    expect((await ask({ since: new Date(Date.now() - 3_600_000).toISOString() })).json).toEqual({
      queued: 7,
      skipped: 2,
    });
    expect((await ask({ eventIds: ['evt_a', 'evt_b'] })).json).toEqual({ queued: 7, skipped: 2 });
    expect(replay).toHaveBeenLastCalledWith('crm', id, { eventIds: ['evt_a', 'evt_b'] });
    replay.mockResolvedValueOnce({ queued: 1, skipped: 2 });
    const found = { seq: 1, caller: 'crm', connectionId: 'c', fact: 'm:1', at: 1, data: '{}' };
    vi.spyOn(store, 'findEvent').mockImplementation(async (_, eventId) =>
      eventId === 'evt_c'
        ? undefined
        : { ...found, id: eventId, type: eventId === 'evt_a' ? (types[0] ?? '') : 'message.read' },
    );
    expect(await ask({ eventIds: ['evt_a', 'evt_b', 'evt_c', 'evt_a'] })).toMatchObject({
      status: 202,
      json: {
        queued: 1,
        skipped: 2,
        notSent: [
          { eventId: 'evt_b', reason: 'type', detail: 'the endpoint does not have its type, `message.read`' },
          { eventId: 'evt_c', reason: 'unknown', detail: expect.stringContaining('no such event') },
        ],
      },
    });
    expect(await ask({ failed: true })).toMatchObject({ status: 202 });
    expect(replay).toHaveBeenLastCalledWith('crm', id, { failed: true });
    const ids = Array.from({ length: 101 }, (_, at) => `evt_${at}`);
    for (const wrong of [
      {},
      { failed: false },
      { failed: true, since: '2026-01-01T00:00:00Z' },
      { eventIds: [] },
      { eventIds: ids },
      { since: 'yesterday' },
    ]) {
      expect((await ask(wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
    for (const since of ['2999-01-01T00:00:00Z', '2026-02-30T25:00:00Z'])
      expect(await ask({ since })).toMatchObject({ status: 400, json: { errors: [{ pointer: '/since' }] } });
    for (const wrong of [{}, { failed: true, since: '2026-01-01T00:00:00Z' }])
      expect((await ask(wrong)).text).toContain('must have exactly one of');
    expect(replay).toHaveBeenCalledTimes(6);
    vi.restoreAllMocks();
    await service.ask('PATCH', at(id), as('crm', { json: { status: 'disabled' } }));
    expect(await ask({ failed: true })).toMatchObject({
      status: 409,
      json: { type: problem('webhook-endpoint-disabled') },
    });
    expect(
      audits()
        .filter(({ act }) => act === 'webhook-endpoint-replay')
        .map(({ outcome }) => outcome),
    ).toContain('refused');
    await service.ask('DELETE', at(id), as('crm'));
  });

  it('is behind by the age of the oldest event that is not settled', async () => {
    const id = idOf(await create('crm', { types: ['message.failed'], from: 'earliest' }));
    const event = (seq: number, ageMs: number) => ({
      seq,
      id: `evt_${seq}`,
      caller: 'crm',
      connectionId: 'c',
      type: 'message.failed',
      fact: `m:${seq}`,
      at: Date.now() - ageMs,
      data: '{}',
    });
    const read = vi
      .spyOn(store, 'readEvents')
      .mockResolvedValueOnce({ events: [], scannedTo: 900, hasMore: true })
      .mockResolvedValueOnce({ events: [event(901, 65_000), event(902, 1_000)], scannedTo: 902, hasMore: false });
    const shown = await service.ask('GET', at(id), as('crm'));
    expect(record(shown.json).lagSeconds).toBeGreaterThanOrEqual(65);
    expect(record(shown.json).lagSeconds).toBeLessThan(3_600);
    expect(read).toHaveBeenLastCalledWith('crm', { after: 900, limit: 100, types: ['message.failed'] });
    vi.restoreAllMocks();
    await service.ask('DELETE', at(id), as('crm'));
  });
});

describe('without a key or a host', () => {
  it.each([
    [{ EVENTS_SIGNING_KEY: signingKey }, 'WEBHOOK_ALLOWED_HOSTS'],
    [{ WEBHOOK_ALLOWED_HOSTS: 'hooks.example' }, 'EVENTS_SIGNING_KEY'],
  ])('with %o there are no webhooks', async (set, lacking) => {
    const bare = await startService({ settings: set, callers });
    const answer = await bare.ask(
      'POST',
      '/v1/webhook-endpoints',
      as('crm', { json: { url: 'https://hooks.example/', types } }),
    );
    expect(answer).toMatchObject({
      status: 409,
      json: { type: problem('webhooks-unavailable'), detail: expect.stringContaining(lacking) },
    });
    expect((await bare.ask('GET', '/v1/webhook-endpoints', as('crm'))).json).toEqual({ data: [] });
    await bare.close();
  });

  it('a listener of our own is not called, be it for callers, operators or WATI', async () => {
    const ports = { PORT: '7001', ADMIN_PORT: '7002', INTAKE_PORT: '7003' };
    const { PORT, ADMIN_PORT, INTAKE_PORT } = { PORT: 7001, ADMIN_PORT: 7002, INTAKE_PORT: 7003 };
    const allowed = Object.values(ports).map((port) => `http://127.0.0.1:${port}`);
    const hosts = { HOST: '0.0.0.0', ADMIN_HOST: '127.0.0.1', INTAKE_HOST: '::' };
    const { hosts: list } = readAllowedHosts([...allowed, 'http://127.0.0.1:7004'].join(','));
    const config = { ...hosts, PORT, ADMIN_PORT, INTAKE_PORT, WEBHOOK_ALLOWED_HOSTS: list, WEBHOOK_TIMEOUT_MS: 1_000 };
    const webhooks = openWebhooks(config, { signingKeys: () => [signingKey], version: '1' });
    const send = async (port: number) =>
      (
        await webhooks.sender.send(
          endpointAt(`http://127.0.0.1:${port}/`),
          { id: 'evt_a', text: '{}' },
          1,
          new AbortController().signal,
        )
      ).refused;
    expect(await Promise.all([PORT, ADMIN_PORT, INTAKE_PORT, 7004].map(send))).toEqual([
      'own-listener',
      'own-listener',
      'own-listener',
      undefined,
    ]);
    webhooks.addListener({ host: '127.0.0.1', port: 7004 });
    expect(await send(7004)).toBe('own-listener');
    await webhooks.sender.close();
  });
});

it('is tested no more often at once than its caller may, also where tested endpoints are deleted', async () => {
  receiver.answer(() => {});
  const gone = new AbortController();
  const answers: (number | undefined)[] = [];
  const url = `http://127.0.0.1:${receiver.port}/slow`;
  const before = receiver.received.length;
  const held: Promise<unknown>[] = [];
  for (let time = 0; time < 10; time += 1) {
    const id = idOf(await create('tester-of-secrets', { url }));
    const headers = { authorization: `Bearer ${keyOf('tester-of-secrets')}` };
    const test = fetch(`${service.url}${at(id, '/test')}`, { method: 'POST', headers, signal: gone.signal });
    held.push(test.then(({ status }) => answers.push(status)).catch(() => {}));
    await expect.poll(() => receiver.received.length - before + answers.length).toBe(time + 1);
    await service.ask('DELETE', at(id), as('tester-of-secrets'));
  }
  expect(answers.length).toBeGreaterThanOrEqual(2);
  expect(new Set(answers)).toEqual(new Set([429]));
  gone.abort();
  await Promise.all(held);
  receiver.answer((_, response) => void response.writeHead(204).end());
});
