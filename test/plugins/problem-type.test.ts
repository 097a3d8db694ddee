import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededConnection } from '../routes/outcomes.ts';
import { type Operation, operationsOf, record } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

let service: Service;
let operations: Operation[];
beforeAll(async () => {
  service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection } });
  operations = operationsOf();
});
afterAll(() => service.close());

const typeOf = ({ json }: { json: unknown }) => record(json).type;
const missingFrom = async (host: string, of = service) =>
  typeOf(await wire(of.url, { method: 'GET', path: '/v1/nothing', headers: { host } }));

/** The whole answer to bytes that no client would send. */
const textOf = (bytes: string, { url } = service) =>
  new Promise<string>((resolve, reject) => {
    let text = '';
    connect(Number(new URL(url).port), '127.0.0.1')
      .on('data', (chunk) => {
        text += chunk;
      })
      .on('close', () => resolve(text))
      .on('error', reject)
      .write(bytes);
  });

const bodyOf = async (bytes: string, of = service): Promise<Record<string, unknown>> =>
  JSON.parse((await textOf(bytes, of)).split('\r\n\r\n')[1] ?? '');

describe('the type of a problem', () => {
  it('is a link of the address that was called, on every operation and before any', async () => {
    const guarded = operations.filter(({ path }) => path.startsWith('/v1/'));
    expect(guarded.length).toBeGreaterThan(40);
    for (const { method, path, id } of guarded) {
      const answer = await service.ask(method, path.replaceAll(/[{}]/g, ''), { key: null });
      expect(typeOf(answer), id).toEqual(problem('unauthorized'));
    }
    for (const [path, slug] of [
      ['/v1/nothing', 'not-found'],
      ['/v1/contacts?x=1', 'validation-failed'],
      ['/v1/%ff', 'malformed-request'],
      ['/nothing', 'not-found'],
    ] as const) {
      expect(typeOf(await service.ask('GET', path)), path).toEqual(problem(slug));
    }
    const { type } = record((await service.ask('GET', '/nothing')).json);
    const page = await service.ask('GET', new URL(String(type)).pathname, { key: null });
    expect(page.status).toBe(200);
  });

  it.each([
    ['wati.example.com', 'http://wati.example.com'],
    ['WATI.Example.com:8080', 'http://wati.example.com:8080'],
    ['wati.example.com.', 'http://wati.example.com.'],
    ['wati_bff.default.svc:3000', 'http://wati_bff.default.svc:3000'],
    ['10.1.2.3:80', 'http://10.1.2.3'],
    ['[::1]:3000', 'http://[::1]:3000'],
    ['[2001:DB8:0:0:0:0:0:1]', 'http://[2001:db8::1]'],
  ])('stands behind the Host %s', async (host, origin) => {
    expect(await missingFrom(host)).toBe(`${origin}/problems/not-found`);
  });

  it.each([
    ':80',
    '..',
    'a..b',
    'a:',
    'a:65536',
    'a:b',
    'a:1:2',
    '[::1',
    '[::g]',
    '::1',
    '999.1.1.1',
    `${'a'.repeat(64)}.example.com`,
    `${'a.'.repeat(200)}a`,
    'user@example.com',
    'example.com/path',
    'example.com?x',
    'example.com#x',
    'example.com\\x',
    'a b',
    '"><script>',
    'javascript:alert(1)',
    'a%2eb',
    '*',
  ])('is the path alone where the Host is no host: %j', async (host) => {
    const answer = await wire(service.url, { method: 'GET', path: '/v1/nothing', headers: { host } });
    expect(typeOf(answer)).toMatch(/^\/problems\/(not-found|malformed-request|validation-failed)$/);
    if (host.length > 4) expect(answer.text).not.toContain(host);
  });

  it('never repeats a Host that is no valid address', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: fc.constantFrom(...'a1.:-_[]%@/\\"<>?# ') }), async (host) => {
        const type = String(await missingFrom(host.trim()));
        expect(type).toMatch(/^(http:\/\/(\[[\da-f:.]+\]|[a-z0-9._-]+)(:\d+)?)?\/problems\/[a-z-]+$/);
      }),
      { numRuns: 200 },
    );
  });

  it('is the path alone where the request names no Host, two of them, or cannot be read', async () => {
    const refused = [
      'GET /v1/nothing HTTP/1.0\r\n\r\n',
      'GET /v1/nothing HTTP/1.1\r\nConnection: close\r\n\r\n',
      'GET /v1/nothing HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n',
      'GET /v1/nothing HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n',
      'nonsense\r\n\r\n',
    ];
    for (const bytes of refused) expect((await bodyOf(bytes)).type, bytes).toMatch(/^\/problems\//);
    // Here the head was read, and the body could not be.
    const cut = 'POST /v1/messages/text HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n';
    expect((await bodyOf(cut)).type).toMatch(/^http:\/\/a\.example\/problems\//);
  });

  it('is not sent to HEAD, which has no body, where that of the request cannot be read', async () => {
    const head = 'HEAD /v1/contacts HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n';
    const [status, rest] = (await textOf(head)).split(/\r\n[\s\S]*\r\n\r\n/);
    expect([status, rest]).toEqual(['HTTP/1.1 400 Bad Request', '']);
  });

  it('names the host of each reader, where two share a call upstream', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    service.simulator.script('getContacts', { status: 400, body: { info: 'Invalid filter' }, until: promise });
    const asked = ['one.example', 'two.example'].map((host) =>
      wire(service.url, { method: 'GET', path: '/v1/contacts?page=7', headers: { host } }),
    );
    await expect.poll(() => service.simulator.ledger.of('getContacts').length).toBe(1);
    // Behind both of them.
    await service.ask('GET', '/health/live', { key: null });
    resolve();
    expect((await Promise.all(asked)).map(typeOf)).toEqual([
      'http://one.example/problems/upstream-rejected',
      'http://two.example/problems/upstream-rejected',
    ]);
    expect(service.simulator.ledger.of('getContacts')).toHaveLength(1);
  });

  it('names the host of each client, if a refusal is replayed, and is not stored in the record', async () => {
    const send = (host: string) =>
      service.ask('POST', '/v1/messages/text', {
        headers: { host, 'idempotency-key': 'replayed' },
        json: { to: '14155550409', text: 'Hello.' },
      });
    const [first, again] = [await send('one.example:1'), await send('two.example:2')];
    expect([typeOf(first), typeOf(again)]).toEqual([
      'http://one.example:1/problems/session-window-closed',
      'http://two.example:2/problems/session-window-closed',
    ]);
    expect(again.headers['idempotency-replayed']).toBe('true');
    const kept = await service.ask('GET', String(first.headers.location));
    expect(kept.text).not.toContain('example');
  });

  it('stands behind PUBLIC_URL where that is set, whatever the Host says, and the link is answered', async () => {
    const base = 'https://wati.example.com/bff';
    const placed = await startService({ settings: { PUBLIC_URL: `${base}/` } });
    for (const [path, slug] of [
      ['/v1/nothing', 'not-found'],
      ['/v1/contacts?x=1', 'validation-failed'],
      ['/v1/%ff', 'malformed-request'],
    ]) {
      const type = String(typeOf(await placed.ask('GET', String(path))));
      expect(type).toBe(`${base}/problems/${slug}`);
      expect((await placed.ask('GET', type.slice(base.length), { key: null })).status).toBe(200);
    }
    expect(await missingFrom('evil.example', placed)).toBe(`${base}/problems/not-found`);
    expect(await bodyOf('nonsense\r\n\r\n', placed)).toMatchObject({ type: `${base}/problems/malformed-request` });
    await placed.close();
  });
});
