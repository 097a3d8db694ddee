import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scopes } from '../../src/callers.ts';
import { problemTypes } from '../../src/problem-types.ts';
import { operations as simulated } from '../../src/simulator/operations.ts';
import { isRecord, type Json } from '../support/json.ts';
import { entries, type Operation, record, startDocumented } from '../support/operations.ts';
import type { Service } from '../support/service.ts';

describe('the OpenAPI document', () => {
  let service: Service;
  let document: Json;
  let operations: Operation[];
  beforeAll(async () => {
    ({ service, document, operations } = await startDocumented());
  });
  afterAll(() => service.close());

  const faultsIn = (fault: (operation: Operation) => unknown) =>
    operations.filter((operation) => fault(operation)).map(({ id, method, path }) => `${id} (${method} ${path})`);

  const failures = ({ raw }: Operation) => entries(raw.responses).filter(([status]) => !status.startsWith('2'));

  it('is what the service serves, as JSON and as YAML', async () => {
    const served = await service.ask('GET', '/openapi.json', { key: null });
    expect(served.json).toEqual(document);
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    const yaml = await service.ask('GET', '/openapi.yaml', { key: null });
    expect(yaml.text).toMatch(/^openapi: 3\.1\.\d$/m);
  });

  it('names every operation once, in words', () => {
    const ids = operations.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(faultsIn(({ id }) => !/^[a-z][A-Za-z]+$/.test(id))).toEqual([]);
    for (const part of ['summary', 'description'])
      expect(
        faultsIn(({ raw }) => !/\w{3}/.test(String(raw[part] ?? ''))),
        part,
      ).toEqual([]);
    const tags = (Array.isArray(document.tags) ? document.tags : []).map((tag) => record(tag).name);
    expect(
      faultsIn(({ raw }) => !Array.isArray(raw.tags) || raw.tags.length !== 1 || !tags.includes(raw.tags[0])),
    ).toEqual([]);
  });

  it('says of every operation whether it needs a key, and which scope', () => {
    const wanted = ({ path }: Operation) => path.startsWith('/v1/') || path === '/metrics';
    expect(
      faultsIn((each) => JSON.stringify(each.raw.security) !== (wanted(each) ? '[{"callerKey":[]}]' : '[]')),
    ).toEqual([]);
    expect(faultsIn((each) => wanted(each) && !scopes.some((scope) => scope === each.scope))).toEqual([]);
    expect(record(record(document.components).securitySchemes)).toMatchObject({
      callerKey: { type: 'http', scheme: 'bearer' },
    });
  });

  it('has `Prefer` where the service obeys it: with `respond-async` where an answer waits for a send or a list', () => {
    const preferring = operations.flatMap(({ id, raw }) => {
      const parameters = Array.isArray(raw.parameters) ? raw.parameters.map(record) : [];
      const prefer = parameters.find(({ name }) => name === 'Prefer');
      return prefer ? [[id, /respond-async/.test(String(record(prefer).description))] as const] : [];
    });
    const async = preferring.filter(([, isAsync]) => isAsync).map(([id]) => id);
    const kinds = ['Text', 'File', 'FileLink', 'Buttons', 'List', 'Template', 'TemplateCsv'].map(
      (kind) => `send${kind}`,
    );
    expect(async.toSorted()).toEqual([...kinds, 'resendMessage', 'resendAnyMessage', 'importBroadcast'].toSorted());
    const waiting = preferring.map(([id]) => id);
    expect(waiting).toEqual(expect.arrayContaining(['reconcileMessage', 'createBroadcast', 'getMedia', 'callNative']));
    expect(waiting).toEqual(expect.arrayContaining(['listConnections', 'deleteConnection']));
    for (const id of ['getMessage', 'listBroadcasts', 'pauseBroadcast', 'ready']) expect(waiting).not.toContain(id);
  });

  it('describes a success of every operation', () => {
    const described = ({ raw }: Operation) =>
      entries(raw.responses).some(
        ([status, answer]) =>
          status === '204' ||
          (status.startsWith('2') &&
            entries(answer.content).some(([, media]) => Object.keys(record(media.schema)).length > 0)),
      );
    expect(faultsIn((operation) => !described(operation))).toEqual([]);
    const binary = Object.fromEntries(
      operations.map(({ id, raw }) => [
        id,
        entries(record(record(raw.responses)['200']).content).map(([type]) => type),
      ]),
    );
    expect(binary).toMatchObject({
      getMedia: ['application/octet-stream'],
      callNative: ['*/*'],
      getMetrics: ['text/plain'],
    });
  });

  it('describes every failure as a problem, and those that each operation must have', () => {
    const isProblem = ([, answer]: [string, Json]) =>
      JSON.stringify(record(record(record(answer.content)['application/problem+json']).schema)) ===
        '{"$ref":"#/components/schemas/Problem"}' && Object.keys(record(answer.content)).length === 1;
    const own = (id: string, status: string) => id === 'getReadiness' && status === '503';
    expect(faultsIn((each) => failures(each).some((answer) => !own(each.id, answer[0]) && !isProblem(answer)))).toEqual(
      [],
    );
    const ready = operations.find(({ id }) => id === 'getReadiness');
    expect(record(record(ready?.raw.responses)['503']).content).toMatchObject({
      'application/json': { schema: { $ref: '#/components/schemas/Ready' } },
    });
    const lacks = (each: Operation, ...wanted: string[]) =>
      wanted.some((status) => !failures(each).some(([known]) => known === status));
    expect(faultsIn((each) => lacks(each, '400', '500'))).toEqual([]);
    expect(faultsIn((each) => each.scope && lacks(each, '401', '403', '429'))).toEqual([]);
    expect(faultsIn((each) => each.connection && lacks(each, '409', '502', '503', '504'))).toEqual([]);
    expect(faultsIn((each) => each.body && lacks(each, '413', '415'))).toEqual([]);
  });

  it('lists the problems of WATI, Maton and templates for operations whose record or id names the connection', () => {
    const told = (id: string) =>
      operations
        .filter((each) => each.id === id)
        .flatMap(failures)
        .flatMap(([, { content }]) =>
          Object.keys(record(record(record(content)['application/problem+json']).examples)),
        );
    const control = [
      'upstream-rejected',
      'upstream-invalid',
      'upstream-unauthorized',
      'upstream-unavailable',
      'upstream-timeout',
    ];
    const gateway = [...control, 'connection-unusable'];
    const template = ['template-unknown', 'template-parameters-invalid'];
    const wanted = {
      reconcileMessage: gateway,
      resendMessage: [...gateway, ...template],
      ...Object.fromEntries(
        ['listConnections', 'createConnection', 'getConnection', 'deleteConnection'].map((id) => [id, control]),
      ),
    };
    for (const [id, slugs] of Object.entries(wanted)) expect(told(id), id).toEqual(expect.arrayContaining(slugs));
  });

  it('requires no parameter that has a default', () => {
    expect(
      faultsIn(({ parameters }) => parameters.some(({ required, schema }) => required && 'default' in schema)),
    ).toEqual([]);
    const defaults = operations.flatMap(({ parameters }) => parameters.filter(({ schema }) => 'default' in schema));
    expect(defaults.length).toBeGreaterThan(5);
  });

  it('keeps its schemas in components, each once, and refers to none that is missing', () => {
    const components = record(record(document.components).schemas);
    const shapes = Object.entries(components).map(([, schema]) => withoutWords(schema));
    const titled: string[] = [];
    const references = new Set<string>();
    visit(document.paths, (schema, at) => {
      if (typeof schema.$ref === 'string') references.add(schema.$ref);
      // Generators for OpenAPI 3.0 refuse an empty list.
      expect(schema.examples, at).not.toEqual([]);
      if (typeof schema.title === 'string' && 'type' in schema) titled.push(at);
      // The whole body of a request or an answer has a name, so that generated clients have a type for it.
      if (/\/application\/json\/schema$/.test(at) && !('$ref' in schema)) titled.push(at);
      if (schema.type === 'object' && shapes.includes(withoutWords(schema))) titled.push(at);
    });
    visit(components, (schema) => {
      if (typeof schema.$ref === 'string') references.add(schema.$ref);
    });
    expect(titled).toEqual([]);
    const known = (reference: string) =>
      reference
        .slice(2)
        .split('/')
        .reduce<unknown>((at, name) => record(at)[name], document) !== undefined;
    expect([...references].filter((reference) => !known(reference))).toEqual([]);
    expect(Object.keys(components).filter((name) => !references.has(`#/components/schemas/${name}`))).toEqual([]);
  });

  it('lists the problem types as an enum that is open', () => {
    const problem = record(record(record(document.components).schemas).Problem);
    const type = record(record(problem.properties).type);
    expect(type['x-extensible-enum']).toEqual(Object.keys(problemTypes).map((slug) => `/problems/${slug}`));
    expect(type).toMatchObject({ type: 'string' });
    expect(type).not.toHaveProperty('enum');
  });

  it('has a page for every problem type', async () => {
    const linked = new Set<string>();
    for (const [slug, { status, title, retryable }] of Object.entries(problemTypes)) {
      const page = await service.ask('GET', `/problems/${slug}`, { key: null });
      expect(page.status, slug).toBe(200);
      expect(page.json).toEqual({
        type: `/problems/${slug}`,
        status,
        title,
        retryable,
        meaning: expect.stringMatching(/\w/),
        cause: expect.stringMatching(/\w/),
        remedy: expect.stringMatching(/\w/),
        repeat: expect.stringMatching(/\w/),
      }); // prettier-ignore
    }
    for (const operation of operations)
      for (const [slug] of JSON.stringify(failures(operation)).matchAll(/(?<=`)[a-z-]+(?=`: )/g)) linked.add(slug);
    expect([...linked].filter((slug) => !Object.hasOwn(problemTypes, slug))).toEqual([]);
    for (const slug of ['nothing', '__proto__', 'constructor', 'toString'])
      expect((await service.ask('GET', `/problems/${slug}`, { key: null })).status, slug).toBe(404);
  });
});

it('every upstream operation that the service calls has a twin in the simulator', () => {
  const names = readdirSync('src/upstream')
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...readFileSync(`src/upstream/${file}`, 'utf8').matchAll(/operation: '(\w+)'/g)].map((match) => match[1]),
    );
  expect(new Set(names).size).toBeGreaterThan(10);
  const twins: readonly string[] = simulated.map(({ operation }) => operation);
  // WATI has no name for v2 of its own: the simulator tells the two apart.
  const versions = (name = '') => [name, `${name}V1`, `${name}V2`];
  expect([...new Set(names)].filter((name) => !versions(name).some((version) => twins.includes(version)))).toEqual([]);
});

function visit(value: unknown, look: (schema: Json, at: string) => void, at = ''): void {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) visit(item, look, `${at}/${index}`);
  if (!isRecord(value)) return;
  look(value, at);
  // An example is a value, and no schema.
  for (const [name, inner] of Object.entries(value)) if (name !== 'example') visit(inner, look, `${at}/${name}`);
}

const withoutWords = (schema: unknown) => {
  const { title, description, examples, ...shape } = record(schema);
  return JSON.stringify(shape);
};
