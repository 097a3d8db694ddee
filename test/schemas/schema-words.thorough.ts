import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldErrors } from '../../src/schemas/schema-errors.ts';
import { isRecord, type Json } from '../support/json.ts';
import { goodRequest, type Operation, operationsOf, type Parameter, record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

/** A part of a request that breaks one keyword of its schema, and where the fault is then. */
interface Violation {
  keyword: string;
  pointer: string;
  value: unknown;
}

const longest = 60_000;
const nobodysName = 'zqwx';
/** In everything that a violation writes: no sentence may repeat it. */
const secret = 'confidential';

function sampleOf(schema: Json): unknown {
  if (Array.isArray(schema.examples)) return schema.examples[0];
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const { type } = schema;
  if (type === 'object') return requiredOf(schema);
  if (type === 'array') return [sampleOf(record(schema.items))];
  return type === 'string' ? 'text' : type === 'boolean' ? true : 1;
}

const requiredOf = (schema: Json) =>
  Object.fromEntries(
    (Array.isArray(schema.required) ? schema.required : []).map((name) => [
      name,
      sampleOf(record(record(schema.properties)[String(name)])),
    ]),
  );

/** Every keyword of a schema broken in turn, all the way down. */
function* violationsOf(schema: Json, good: unknown, at = ''): Generator<Violation> {
  const { type } = schema;
  yield { keyword: 'type', pointer: at, value: type === 'array' ? { [secret]: 1 } : [secret] };
  if (type !== 'object' && type !== 'array') yield { keyword: 'type', pointer: at, value: null };
  for (const [keyword, value] of brokenValues(schema)) yield { keyword, pointer: at, value };
  if (type === 'array') {
    const items = record(schema.items);
    const entry = Array.isArray(good) && good.length > 0 ? good[0] : sampleOf(items);
    if (schema.minItems === 1) yield { keyword: 'minItems', pointer: at, value: [] };
    if (typeof schema.maxItems === 'number' && schema.maxItems <= 100)
      yield { keyword: 'maxItems', pointer: at, value: Array.from({ length: schema.maxItems + 1 }, () => entry) };
    for (const inner of violationsOf(items, entry, `${at}/0`)) yield { ...inner, value: [inner.value] };
  }
  if (type === 'object') yield* ofObject(schema, isRecord(good) ? good : requiredOf(schema), at);
}

function* ofObject(schema: Json, good: Json, at: string): Generator<Violation> {
  const properties = record(schema.properties);
  for (const name of Array.isArray(schema.required) ? schema.required.map(String) : []) {
    const { [name]: _, ...rest } = good;
    yield { keyword: 'required', pointer: `${at}/${name}`, value: rest };
  }
  const single = schema.maxProperties === 1;
  if (schema.additionalProperties === false && !single) {
    for (const name of [nobodysName, ...Object.keys(properties).map((known) => `${known}x`)])
      yield { keyword: 'additionalProperties', pointer: `${at}/${name}`, value: { ...good, [name]: secret } };
    const long = 'n'.repeat(5_000);
    yield { keyword: 'additionalProperties', pointer: `${at}/${long.slice(0, 64)}…`, value: { ...good, [long]: 1 } };
  }
  if (isRecord(schema.additionalProperties)) {
    yield { keyword: 'propertyNames', pointer: `${at}/`, value: { '': secret } };
    yield { keyword: 'propertyNames', pointer: `${at}/${'n'.repeat(64)}…`, value: { ['n'.repeat(300)]: secret } };
    for (const inner of violationsOf(schema.additionalProperties, 'text', `${at}/a`))
      yield { ...inner, value: { a: inner.value } };
  }
  if (schema.minProperties === 1) yield { keyword: 'minProperties', pointer: at, value: {} };
  if (typeof schema.maxProperties === 'number') {
    const names = single ? Object.entries(properties) : Array.from({ length: 201 }, (_, n) => [`n${n}`, {}] as const);
    const values = names.map(([name, each]) => [name, single ? sampleOf(record(each)) : 'text']);
    yield { keyword: 'maxProperties', pointer: at, value: Object.fromEntries(values) };
  }
  for (const [name, each] of Object.entries(properties)) {
    const rest = single ? {} : good;
    for (const inner of violationsOf(record(each), good[name], `${at}/${name}`))
      yield { ...inner, value: { ...rest, [name]: inner.value } };
  }
}

function brokenValues(schema: Json): [keyword: string, value: unknown][] {
  const { pattern, maxLength, minimum, maximum } = schema;
  const strange = [`${secret} (](\u0001`, ' ', '', '\u00e9'.repeat(300)];
  return [
    ...(schema.minLength === 1 ? [['minLength', ''] as const] : []),
    ...(typeof maxLength === 'number' && maxLength < longest
      ? [['maxLength', 'a'.repeat(maxLength + 1)] as const]
      : []),
    ...(typeof pattern === 'string'
      ? strange.filter((text) => !new RegExp(pattern, 'u').test(text)).map((text) => ['pattern', text] as const)
      : []),
    ...(Array.isArray(schema.enum) && schema.type !== 'boolean'
      ? [secret, `${schema.enum[0]}x`].map((text) => ['enum', text] as const)
      : []),
    ...('not' in schema ? [['not', false] as const] : []),
    ...('x-recipient' in schema ? ['12', `+1${secret}`, ''].map((text) => ['x-recipient', text] as const) : []),
    ...('x-text' in schema ? ['\u200b', ' ', `${secret}\u0000`].map((text) => ['x-text', text] as const) : []),
    ...(typeof minimum === 'number' ? [['minimum', minimum - 1] as const] : []),
    ...(typeof maximum === 'number' ? [['maximum', maximum + 1] as const] : []),
  ].map(([keyword, value]) => [keyword, value]);
}

/** Signs of a regular expression, and what Ajv says in its own English. */
const foreign =
  /[\\^$]|\(\?|\[[A-Za-z]-|must NOT|must match|fewer than|more than|to one of the allowed|property name|must be (string|object|array|integer|boolean|equal)/;

describe('what is said of a fault', () => {
  let service: Service;
  let operations: Operation[];
  beforeAll(async () => {
    service = await startService({ settings: { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' } });
    operations = operationsOf().filter(({ path }) => path.startsWith('/v1/') && !path.startsWith('/v1/native/'));
  });
  afterAll(async () => {
    expect(service.simulator.ledger.entries).toEqual([]);
    await service.close();
  });

  const expectWords = (answer: { status: number; text: string; json: unknown }, pointer: string, about: string) => {
    expect(answer.status, `${about}: ${answer.text.slice(0, 300)}`).toBe(400);
    const { errors, detail } = record(answer.json);
    expect(errors, about).toHaveLength(1);
    const [fault] = Array.isArray(errors) ? errors.map(record) : [];
    expect(fault?.pointer, about).toBe(pointer);
    const words = String(fault?.detail);
    expect(words, about).not.toMatch(foreign);
    expect(words, about).not.toContain(secret);
    expect(words, about).toMatch(/^[\x20-\x7e]{8,300}$/);
    return { words, detail: String(detail) };
  };

  it('is one plain sentence for each keyword of each body, with its place and without the value', async () => {
    const seen = new Set<string>();
    for (const operation of operations.filter(({ body }) => body !== undefined)) {
      const good = goodRequest(operation);
      const path = good.query.length > 0 ? `${good.path}?${good.query.join('&')}` : good.path;
      const asked = [...violationsOf(operation.body ?? {}, good.body)].map(async ({ keyword, pointer, value }) => {
        seen.add(keyword);
        const answer = await wire(service.url, {
          method: operation.method,
          path,
          headers: { 'content-type': 'application/json', ...good.headers },
          body: JSON.stringify(value),
        });
        expectWords(answer, pointer, `${operation.id} ${pointer} ${keyword}`);
      });
      await Promise.all(asked);
    }
    expect([...seen].sort()).toEqual(expect.arrayContaining(['additionalProperties', 'enum', 'maxItems', 'maxLength']));
    expect([...seen].sort()).toEqual(expect.arrayContaining(['minItems', 'minProperties', 'not', 'pattern', 'type']));
    expect([...seen].sort()).toEqual(expect.arrayContaining(['propertyNames', 'required', 'x-recipient', 'x-text']));
  });

  it('is the same of queries, paths and headers', async () => {
    for (const operation of operations) {
      const good = goodRequest(operation);
      const headers = { ...good.headers, ...(good.body !== undefined && { 'content-type': 'application/json' }) };
      const base = {
        method: operation.method,
        ...(good.body !== undefined && { body: JSON.stringify(good.body) }),
      };
      const place = { query: '/query', path: '/path', header: '/headers' } as const;
      const checked = ({ in: where, name }: Parameter) =>
        where === 'query' || where === 'path' || (where === 'header' && name === name.toLowerCase());
      for (const parameter of operation.parameters.filter(checked)) {
        const schema = parameter.schema.type === 'array' ? record(parameter.schema.items) : parameter.schema;
        const whole = schema.type === 'integer' ? ([['type', secret]] as const) : [];
        for (const [keyword, value] of [...whole, ...brokenValues(schema)]) {
          const text = String(value);
          const { name, in: where } = parameter;
          if ((where === 'path' && /^$|^.{400}/.test(text)) || (where === 'header' && !/^[!-~]+$/.test(text))) continue;
          const encoded = encodeURIComponent(text);
          const query = good.query.filter((pair) => !(where === 'query' && pair.startsWith(`${name}=`)));
          if (where === 'query') query.push(`${name}=${encoded}`);
          const raw = where === 'path' ? pathWith(operation, name, encoded) : good.path;
          const answer = await wire(service.url, {
            ...base,
            path: query.length > 0 ? `${raw}?${query.join('&')}` : raw,
            headers: where === 'header' ? { ...headers, [name]: text } : headers,
          });
          const index = parameter.schema.type === 'array' ? '/0' : '';
          const pointer = `${place[where as 'query']}/${name}${index}`;
          expectWords(answer, pointer, `${operation.id} ${name} ${keyword} ${text.slice(0, 30)}`);
        }
      }
    }
  });

  const pathWith = (operation: Operation, name: string, text: string) =>
    goodRequest({ ...operation, path: operation.path.replace(`{${name}}`, '\u0001') }).path.replace('\u0001', text);

  it('assures that nothing was sent where something was to be sent, and nowhere else', async () => {
    for (const operation of operations) {
      const { path, query, headers, body } = goodRequest(operation);
      const answer = await wire(service.url, {
        method: operation.method,
        path: `${path}?${[...query, 'nonsense=1'].join('&')}`,
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const sends = operation.parameters.some(({ name }) => name === 'idempotency-key');
      const { words, detail } = expectWords(answer, '/query/nonsense', operation.id);
      expect(words).toMatch(/^is not known here/);
      expect(detail, operation.id).toBe(`1 fault in the request${sends ? '; nothing was sent' : ''}`);
    }
  });
});

describe('the words for each keyword', () => {
  const ajv = new Ajv({ verbose: true, allErrors: true, strict: false, validateFormats: false });
  const said = (schema: Json, value: unknown) => {
    const validate = ajv.compile(schema);
    validate(value);
    return fieldErrors(validate.errors ?? []).map(({ pointer, detail }) => `${pointer} ${detail}`);
  };
  const of = (a: Json) => ({ type: 'object', properties: { a } });

  it.each<[string, Json, unknown, string]>([
    ['const', of({ const: 'x' }), { a: 'y' }, '/a must be x'],
    [
      'exclusive bounds',
      of({ type: 'number', exclusiveMinimum: 0, maximum: 9 }),
      { a: 0 },
      '/a must be a number at most 9 above 0',
    ],
    [
      'multipleOf',
      of({ type: 'integer', multipleOf: 5 }),
      { a: 7 },
      '/a must be a whole number that is a multiple of 5',
    ],
    [
      'uniqueItems',
      of({ type: 'array', uniqueItems: true }),
      { a: [1, 2, 1] },
      '/a must not have the same entry twice, as 1 and 3 are',
    ],
    ['minItems', of({ type: 'array', minItems: 2 }), { a: [1] }, '/a must have at least 2 entries, and has 1'],
    [
      'minLength',
      of({ type: 'string', minLength: 3 }),
      { a: '\u{1F600}' },
      '/a must have at least 3 characters, and has 1',
    ],
    [
      'a union of kinds',
      of({ anyOf: [{ type: 'string' }, { type: 'boolean' }] }),
      { a: 1 },
      '/a must be text, or true or false',
    ],
    [
      'oneOf',
      of({ oneOf: [{ type: 'string', maxLength: 2 }, { type: 'null' }] }),
      { a: 'abc' },
      '/a must be text of at most 2 characters, or null',
    ],
    ['a pattern without words', of({ type: 'string', pattern: '^[a-z]+$' }), { a: '1' }, '/a must be text'],
    [
      'a blank text that breaks two rules',
      of({ type: 'string', minLength: 1, pattern: 'x' }),
      { a: '' },
      '/a must not be blank',
    ],
    [
      'a misspelt value',
      of({ enum: ['open', 'solved'] }),
      { a: 'solvd' },
      '/a must be one of open, solved; did you mean solved?',
    ],
    [
      'a misspelt name',
      { ...of({}), additionalProperties: false },
      { A1: 1 },
      '/A1 is not known here; did you mean a?',
    ],
    [
      "a name in nobody's list",
      { ...of({}), additionalProperties: false },
      { xyz: 1 },
      '/xyz is not known here; there is "a"',
    ],
    [
      'a body that is none',
      { type: 'object', required: ['to'], properties: { to: {} } },
      [],
      ' a JSON body is wanted: an object with "to", not a list',
    ],
    ['a false schema', { properties: { a: false } }, { a: 1 }, '/a is not taken here'],
    ['not', of({ not: { const: 1 } }), { a: 1 }, '/a must be another value than this'],
  ])('%s', (_name, schema, value, expected) => expect(said(schema, value)).toEqual([expected]));

  it('knows formats', () => {
    const words = fieldErrors([
      {
        keyword: 'format',
        instancePath: '/a',
        schemaPath: '',
        params: {},
        parentSchema: { type: 'string', format: 'date' },
      },
    ]);
    expect(words).toEqual([{ pointer: '/a', detail: 'must be a date such as 2026-05-14' }]);
  });
});
