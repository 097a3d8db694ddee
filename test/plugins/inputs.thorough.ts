import { gzipSync } from 'node:zlib';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutantsOf } from '../support/arbitraries.ts';
import { accepterOf, loosePlaces } from '../support/bounds.ts';
import { goodRequest, type Operation, operationsOf, problemChecker } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

const seeded = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const seed = 20_261_122;
const json = { 'content-type': 'application/json' };
const refusals = [400, 403, 404, 405, 413, 415, 422];

/** Segments that climb, hide, split or overflow. None is a value that any of our patterns takes. */
const hostileSegments = [
  '..',
  '.',
  '%2e%2e',
  '%2E%2e',
  '..%2f..',
  '%2e%2e%2fmetrics',
  'a%2fb',
  '%2f',
  '%5c',
  '..%5c',
  '%00',
  '14155551000%00',
  '%0d%0a',
  '14155551000%0d%0aX-Injected:1',
  '14155551000%0a',
  '%20',
  '14155551000%20',
  '%20',
  '%c0%ae%c0%ae',
  '%c0%af',
  '%e0%80%ae',
  '%ff',
  '%zz',
  '%',
  '%u002e',
  ';a=b',
  '14155551000;x',
  '%252e%252e',
  '%D9%A1%D9%A4%D9%A1%D9%A5%D9%A5%D9%A5%D9%A1',
  '%EF%BC%91%EF%BC%94%EF%BC%91%EF%BC%95%EF%BC%95%EF%BC%95%EF%BC%91',
  '+',
  '0014155551000',
  '-14155551000',
  '1e10',
  '__proto__',
  'constructor',
  `${'9'.repeat(3000)}`,
  `${'a'.repeat(3000)}`,
  `${'%41'.repeat(3000)}`,
  '%F0%9F%98%80',
]; // prettier-ignore

const wrongTexts = [
  '',
  'nonsense',
  '-1',
  '0',
  '1.5',
  '1e400',
  'Infinity',
  '0x10',
  '1e1',
  ' 1',
  'NaN',
  'null',
  '[object Object]',
  '\u0000',
  '../../etc/passwd',
  '%2e%2e/x',
  'a/../b',
  '/etc/passwd',
  'a//b',
  'a\\b',
  'x'.repeat(3000),
  '\u0661\u0662',
  'true',
];

describe('invalid input', () => {
  let service: Service;
  let operations: Operation[];
  let expectProblem: ReturnType<typeof problemChecker>;
  const ajv = new Ajv({ strict: false });

  beforeAll(async () => {
    const native = ['GET', 'PUT', 'PATCH', 'DELETE'].map((method) => `${method} /api/v1/chatbots`).join(',');
    // The connection is settled, so that no request has a reason to ask the control API.
    service = await startService({
      settings: { NATIVE_PATHS: `${native},POST /api/v1/chatbots/start`, MATON_CONNECTION_ID: seeded },
    });
    operations = operationsOf().filter(({ path }) => path.startsWith('/v1/'));
    expectProblem = problemChecker();
  });
  afterAll(async () => {
    expect(service.simulator.ledger.entries).toEqual([]);
    expect(service.logs().filter(({ level }) => level === 'error')).toEqual([]);
    await service.close();
  });

  const withBody = () => operations.filter(({ body }) => body !== undefined);
  const takesForms = ({ raw }: Operation) => JSON.stringify(raw.requestBody ?? {}).includes('multipart/');
  const isNative = ({ path }: Operation) => path.startsWith('/v1/native/');

  interface Change {
    query?: readonly string[];
    headers?: Record<string, string | string[]>;
    body?: string | Buffer | readonly Buffer[];
    path?: string;
  }
  const call = (operation: Operation, change: Change) => {
    const good = goodRequest(operation);
    const query = change.query ?? good.query;
    const path = change.path ?? good.path;
    const body = change.body ?? (good.body === undefined ? undefined : JSON.stringify(good.body));
    return wire(service.url, {
      method: operation.method,
      path: query.length > 0 ? `${path}?${query.join('&')}` : path,
      headers: { ...(good.body !== undefined && json), ...good.headers, ...change.headers },
      ...(body !== undefined && { body }),
    });
  };

  it('has a schema without loopholes: each object is closed, each text, list and number bounded', () => {
    const places = operations.flatMap(({ id, body, parameters }) => [
      ...(body === undefined ? [] : loosePlaces(body, id)),
      ...parameters
        // The query of a native call goes upstream as it is.
        .filter((each) => each.in === 'query' && id !== 'callNativePost')
        .flatMap((each) => loosePlaces(each.schema, `${id}?${each.name}`)),
    ]);
    expect(places).toEqual([]);
  });

  it('in a path is refused', async () => {
    for (const operation of operationsOf()) {
      for (const parameter of operation.parameters.filter((each) => each.in === 'path')) {
        const accepted = accepterOf(parameter);
        const { path } = goodRequest({ ...operation, path: operation.path.replace(`{${parameter.name}}`, '\u0001') });
        for (const segment of hostileSegments.filter((each) => !accepted(each))) {
          const about = `${operation.id} ${parameter.name}=${segment.slice(0, 40)}`;
          expectProblem(await call(operation, { path: path.replace('\u0001', segment) }), refusals, about);
        }
      }
    }
  });

  it('in a query is refused: unknown, doubled, of the wrong type', async () => {
    for (const operation of operations.filter((each) => !isNative(each))) {
      const good = goodRequest(operation).query;
      const unknown = ['nonsense=1', '__proto__=1', 'constructor=1', 'page[]=1', 'page%5Bx%5D=1', 'toString=1', '=1'];
      for (const extra of unknown)
        expectProblem(await call(operation, { query: [...good, extra] }), [400], `${operation.id} ?${extra}`);
      for (const parameter of operation.parameters.filter((each) => each.in === 'query')) {
        const others = good.filter((pair) => !pair.startsWith(`${parameter.name}=`));
        const accepted = accepterOf(parameter);
        const wrong = wrongTexts.filter((text) => !accepted(encodeURIComponent(text)));
        for (const text of wrong) {
          const pair = `${parameter.name}=${encodeURIComponent(text)}`;
          const about = `${operation.id} ?${pair.slice(0, 60)}`;
          expectProblem(await call(operation, { query: [...others, pair] }), [400], about);
        }
        if (parameter.schema.type === 'array') continue;
        const value = encodeURIComponent(String(parameter.example ?? parameter.schema.default ?? 'a'));
        const twice = [`${parameter.name}=${value}`, `${parameter.name}=${value}`];
        expectProblem(
          await call(operation, { query: [...others, ...twice] }),
          [400],
          `${operation.id} twice ${parameter.name}`,
        );
      }
    }
  });

  it('in a body is refused, whatever the place: type, length, missing and unknown names', async () => {
    for (const operation of withBody()) {
      const validate = ajv.compile(operation.body ?? {});
      const example = goodRequest(operation).body;
      expect(validate(example), `${operation.id}: the example of the document is valid`).toBe(true);
      const mutants = mutantsOf(example).filter(({ body }) => !validate(body));
      expect(mutants.length, operation.id).toBeGreaterThan(8);
      for (const { what, body } of mutants)
        expectProblem(await call(operation, { body: JSON.stringify(body) }), [400, 413], `${operation.id}: ${what}`);
    }
  });

  it(`of any JSON is refused (seed ${seed})`, async () => {
    for (const operation of withBody()) {
      const validate = ajv.compile(operation.body ?? {});
      const invalid = fc.json({ maxDepth: 4 }).filter((text) => !validate(JSON.parse(text)));
      await fc.assert(
        fc.asyncProperty(invalid, async (body) => expectProblem(await call(operation, { body }), [400], operation.id)),
        { seed, numRuns: 25 },
      );
    }
  });

  it('cannot reach a prototype', async () => {
    for (const operation of withBody()) {
      const inner = JSON.stringify(goodRequest(operation).body).slice(1);
      const rest = inner === '}' ? inner : `,${inner}`;
      for (const head of [
        '{"__proto__":{"admin":true}',
        '{"constructor":{"prototype":{"admin":true}}',
        '{"\\u005f_proto__":{"a":1}',
      ])
        expectProblem(await call(operation, { body: `${head}${rest}` }), [400], `${operation.id} ${head}`);
    }
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false);
  });

  it('as a body that is no JSON object is refused', async () => {
    const deep = (open: string, close: string) => open.repeat(13_000) + close.repeat(13_000);
    const bodies = {
      empty: '',
      'a cut object': '{"to":"1415',
      'a cut list': '[1,',
      nothing: ' ',
      list: '[]',
      text: '"text"',
      null: 'null',
      number: '1',
      'two values': '{}{}',
      'single quotes': "{'to':'1'}",
      NaN: '{"to":NaN}',
      comment: '{/**/}',
      'deep lists': deep('[', ']'),
      'deep objects': deep('{"a":', ''),
      'a BOM before a fault': '\uFEFF{"nonsense":1}',
      'UTF-16': Buffer.from('{"to":"1"}', 'utf16le'),
      'invalid UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
      gzip: gzipSync('{}'),
    }; // prettier-ignore
    for (const operation of withBody()) {
      for (const [what, body] of Object.entries(bodies)) {
        // Where everything may be left out, no body is an empty one.
        if (what === 'empty' && ajv.compile(operation.body ?? {})({})) continue;
        const headers = what === 'gzip' ? { 'content-encoding': 'gzip' } : {};
        expectProblem(await call(operation, { body, headers }), [400, 415], `${operation.id}: ${what}`);
      }
    }
  });

  it('of another content type is a 415', async () => {
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      'nonsense',
      '',
    ];
    for (const operation of withBody()) {
      for (const type of types.filter((each) => !(takesForms(operation) && each.startsWith('multipart/'))))
        expectProblem(await call(operation, { headers: { 'content-type': type } }), [415], `${operation.id} ${type}`);
    }
  });

  /** Long lists alone take more. */
  const kilobytesOf: Record<string, number> = { createBroadcast: 8 * 1024, putSending: 1024 };

  it('over the size limit is a 413, announced or not', async () => {
    for (const operation of withBody()) {
      const bytes = (kilobytesOf[operation.id] ?? 64) * 1024 + 1;
      const body = Buffer.concat([Buffer.from('{"text":"'), Buffer.alloc(bytes - 11, 'x'), Buffer.from('"}')]);
      expect(body.length).toBe(bytes);
      expectProblem(await call(operation, { body }), [413], operation.id);
      const chunks = [body.subarray(0, 50_000), body.subarray(50_000)];
      expectProblem(await call(operation, { body: chunks }), [413], `${operation.id} chunked`);
    }
  });

  it('in a header is refused', async () => {
    const wrong = {
      'idempotency-key': ['', 'a b', 'x'.repeat(256), 'k\u00e9y', 'a,b', '../x'],
      'maton-connection': ['', 'a b', 'x'.repeat(513), '\u00e9'],
    };
    for (const [name, values] of Object.entries(wrong)) {
      const takers = operations.filter(({ parameters }) =>
        parameters.some((each) => each.in === 'header' && each.name.toLowerCase() === name),
      );
      expect(takers.length).toBeGreaterThan(4);
      for (const operation of takers)
        for (const value of [...values, ['one', 'two']]) {
          const about = `${operation.id} ${name}: ${String(value).slice(0, 20)}`;
          expectProblem(await call(operation, { headers: { [name]: value } }), [400], about);
        }
    }
  });
});
