import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scopes } from '../../src/callers.ts';
import { goodRequest, type Operation, operationsOf, problemChecker, record } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { allKey, type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

const seeded = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const keyWithout = (scope: string) => `key-of-a-caller-without-${scope}`;
const foreignKey = 'key-of-a-caller-of-another-connection';

const native = ['GET', 'PUT', 'PATCH', 'DELETE'].map((method) => `${method} /api/v1/chatbots`).join(',');

/** What stands in `Authorization`; `undefined`: nothing. */
const badCredentials: Record<string, string | string[] | undefined> = {
  'no key': undefined,
  'a wrong key': 'Bearer key-that-nobody-ever-made',
  'an empty value': '',
  'the scheme alone': 'Bearer',
  Basic: `Basic ${Buffer.from(`tester:${allKey}`).toString('base64')}`,
  'the key without a scheme': allKey,
  'two keys': `Bearer ${allKey} ${allKey}`,
  'two keys with a comma': `Bearer ${allKey}, Bearer ${allKey}`,
  'a key that is too short': 'Bearer short',
  'a key of 300 characters': `Bearer ${'k'.repeat(300)}`,
  'a key outside ASCII': `Bearer ${allKey}\u00e9`,
};

describe('every operation that needs a key', () => {
  let service: Service;
  let guarded: Operation[];
  let open: Operation[];
  let expectProblem: ReturnType<typeof problemChecker>;

  beforeAll(async () => {
    service = await startService({
      settings: { DOCS: 'on', NATIVE_PATHS: `${native},POST /api/v1/chatbots/start` },
      callers: [
        ...scopes.map((scope) => ({
          name: `without-${scope.replace(':', '-')}`,
          key: keyWithout(scope),
          scopes: scopes.filter((other) => other !== scope),
        })),
        { name: 'foreign', key: foreignKey, scopes: ['*'], connections: ['another-connection'] },
      ],
    });
    const all = operationsOf();
    guarded = all.filter(({ path }) => path.startsWith('/v1/') || path === '/metrics');
    open = all.filter((operation) => !guarded.includes(operation));
    expectProblem = problemChecker();
  });
  // Nothing here has any business upstream: not on the gateway, not on the control API.
  afterAll(async () => {
    expect(service.simulator.ledger.entries).toEqual([]);
    await service.close();
  });

  const call = (operation: Operation, key: string | null, headers: Record<string, string | string[]> = {}) => {
    const { path, query, headers: required, body } = goodRequest(operation);
    const json = body !== undefined && { 'content-type': 'application/json' };
    return wire(service.url, {
      method: operation.method,
      path: query.length > 0 ? `${path}?${query.join('&')}` : path,
      key,
      headers: { ...json, ...required, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  };

  it('has a scope', () => {
    expect(guarded.filter(({ scope }) => scope === undefined)).toEqual([]);
    expect(open.filter(({ scope }) => scope !== undefined)).toEqual([]);
    expect(guarded.length).toBeGreaterThan(20);
  });

  it.each(Object.entries(badCredentials))('refuses %s with one and the same 401', async (_name, authorization) => {
    const bodies = new Set<string>();
    for (const operation of guarded) {
      const answer = await call(operation, null, authorization === undefined ? {} : { authorization });
      expectProblem(answer, [401], operation.id);
      expect(answer.headers['www-authenticate'], operation.id).toBe('Bearer');
      const { requestId, instance, ...same } = record(answer.json);
      expect(instance).toBe(goodRequest(operation).path);
      bodies.add(JSON.stringify(same));
    }
    // In all but the sentence on what is wrong with it, which test/plugins/manners.test.ts has.
    expect([...bodies].map((body) => JSON.parse(body))).toEqual([
      {
        type: problem('unauthorized'),
        title: 'A valid key is needed',
        status: 401,
        detail: expect.not.stringContaining(allKey),
        retryable: false,
      },
    ]);
  });

  it('refuses a header that occurs twice and must not, whichever of the two is valid', async () => {
    const right = `Bearer ${allKey}`;
    const pairs: Record<string, string[][]> = {
      authorization: [
        [right, right],
        [right, 'Bearer key-that-nobody-ever-made'],
        ['Bearer key-that-nobody-ever-made', right],
      ],
      'content-type': [
        ['application/json', 'application/json'],
        ['application/json', 'text/plain'],
      ],
    };
    for (const operation of guarded)
      for (const [name, values] of Object.entries(pairs))
        for (const value of values) {
          const answer = await call(operation, name === 'authorization' ? null : allKey, { [name]: value });
          expectProblem(answer, [400], `${operation.id} ${name}`);
          expect(String(record(answer.json).detail).toLowerCase()).toBe(`more than one ${name}`);
        }
  });

  it('refuses a key with every scope but the needed one', async () => {
    for (const operation of guarded) {
      const answer = await call(operation, keyWithout(operation.scope ?? ''));
      expectProblem(answer, [403], operation.id);
      expect(answer.json, operation.id).toMatchObject({
        type: problem('forbidden'),
        detail: `your key lacks the scope ${operation.scope}`,
      });
    }
  });

  it('refuses a connection that the caller may not use', async () => {
    const named = guarded.filter(({ connection }) => connection);
    const inPath = guarded.filter(({ path }) => path.startsWith('/v1/connections/{'));
    expect(named.length).toBeGreaterThan(10);
    expect(inPath.length).toBeGreaterThan(1);
    for (const operation of named) {
      const answer = await call(operation, foreignKey, { 'maton-connection': seeded });
      expectProblem(answer, [403], operation.id);
      expect(answer.json, operation.id).toMatchObject({ detail: 'your key may not use the connection that you named' });
    }
    for (const operation of inPath) expectProblem(await call(operation, foreignKey), [403], operation.id);
  });

  it('hides which paths exist: 401 without a key, 404 with one', async () => {
    for (const path of ['/v1', '/v1/', '/v1/nothing', '/V1/contacts', '/v1/messages/text/x']) {
      expectProblem(await wire(service.url, { method: 'GET', path, key: null }), [401], path);
      expectProblem(await wire(service.url, { method: 'GET', path }), [404], path);
    }
    expectProblem(await wire(service.url, { method: 'GET', path: '/nothing', key: null }), [404], '/nothing');
    // `%76` is a `v`: the router reads the path decoded, so the lock must, too.
    for (const path of ['/%761/contacts', '/%761/nothing', '/v%31/nothing'])
      expectProblem(await wire(service.url, { method: 'GET', path, key: null }), [401], path);
    expectProblem(await wire(service.url, { method: 'GET', path: '/v1/%zz', key: null }), [401], '/v1/%zz');
    expectProblem(await wire(service.url, { method: 'GET', path: '/v1/%zz' }), [400], '/v1/%zz');
  });

  it('answers 405 with Allow to a method that the path lacks, and 401 to one without a key', async () => {
    const byPath = Map.groupBy([...guarded, ...open], ({ path }) => path);
    for (const [path, operations] of byPath) {
      const [first] = operations;
      if (!first) continue;
      const taken = operations.map(({ method }) => method).sort();
      // HEAD is taken wherever GET is.
      const lacking = methods.filter(
        (name) => !taken.includes(name === 'HEAD' ? 'GET' : name) && !taken.includes(name),
      );
      for (const method of lacking) {
        const target = goodRequest(first).path;
        const answer = await wire(service.url, { method, path: target });
        const allow = String(answer.headers.allow).split(', ');
        const about = `${method} ${path}`;
        expect(answer.status, about).toBe(405);
        expect(
          allow.filter((name) => name !== 'HEAD'),
          about,
        ).toEqual(taken);
        expect(allow, about).not.toContain(method);
        if (method !== 'HEAD') expectProblem(answer, [405], about);
        const anonymous = await wire(service.url, { method, path: target, key: null });
        expect(anonymous.status, about).toBe(path.startsWith('/v1/') ? 401 : 405);
      }
    }
  });

  it('is in the document, so that none escapes these tests', () => {
    const documented = new Set([...guarded, ...open].map(({ path }) => path));
    const undocumented = routePaths(service).filter(
      (path) => !documented.has(path) && !/^\/(docs|openapi\.|console|assets\/|$)/.test(path),
    );
    expect(undocumented).toEqual([]);
    expect(routePaths(service)).toContain('/v1/contacts/{recipient}');
  });

  it('asks no key for documents, health and problem pages', async () => {
    const paths = open.filter(({ method }) => method === 'GET').map((operation) => goodRequest(operation).path);
    for (const path of [...paths, '/docs', '/docs/', '/docs/static/index.html', '/openapi.json', '/openapi.yaml']) {
      const anonymous = await wire(service.url, { method: 'GET', path, key: null });
      expect([200, 302], path).toContain(anonymous.status);
      const wrong = await wire(service.url, { method: 'GET', path, key: 'key-that-nobody-ever-made' });
      expect(wrong.status, path).toBe(anonymous.status);
    }
    // The one control call of readiness.
    expect(service.simulator.ledger.entries.map(({ operation }) => operation)).toEqual(['listConnections']);
    service.simulator.ledger.clear();
  });
});

describe('DOCS=off', () => {
  it('removes the documents and nothing else', async () => {
    const service = await startService({ settings: { DOCS: 'off' } });
    for (const path of ['/docs', '/docs/', '/docs/json', '/docs/static/index.html', '/openapi.json', '/openapi.yaml'])
      expect((await service.ask('GET', path)).status, path).toBe(404);
    for (const path of ['/health/live', '/health/ready', '/problems/internal', '/v1/contacts', '/metrics'])
      expect((await service.ask('GET', path)).status, path).toBe(200);
    await service.close();
  });
});

/** Every address that the router knows, from its printed tree, in the notation of the document. */
function routePaths(service: Service): string[] {
  const stack: string[] = [];
  return service.app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', segment = ''] = /^((?:[│ ] {3})*)[├└]── (\S*)/.exec(line) ?? [];
      stack.length = indent.length / 4;
      stack.push(segment);
      const path = stack
        .join('')
        .replace(/:(\w+)/g, '{$1}')
        .replace('*', '{path}');
      // Wildcards are printed without what stands before them; there is one, callNative.
      return line.includes('(') && !/^\/?\{path\}$/.test(path) ? [path] : [];
    });
}
