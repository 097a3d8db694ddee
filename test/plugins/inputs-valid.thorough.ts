import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validNamed, validOf } from '../support/arbitraries.ts';
import { goodRequest, type Operation, operationsOf } from '../support/operations.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

const seed = 20_261_123;
const seeded = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';

/** Rules that no schema can say, each with a test of its own elsewhere. */
const beyondSchemas =
  /is in the future|repeats the label|rows in all|more than one section|(is|not) (required )?for a (text )?header|for headers of type|is too long for WATI|is not a cursor|is not a time|is no caller of the callers file/;

describe('valid input', () => {
  let service: Service;
  let operations: Operation[];
  beforeAll(async () => {
    service = await startService({
      settings: { MATON_CONNECTION_ID: seeded, NATIVE_PATHS: 'GET /api/v1/chatbots', TEXT_URL_MAX_BYTES: '65536' },
    });
    // A generated number may end like one of the sandbox's troublemakers.
    service.simulator.tenant.settings.magic = false;
    operations = operationsOf().filter(({ path, form }) => path.startsWith('/v1/') && !form);
  });
  // Closing fails if anything that reached the simulator broke what Maton and WATI document.
  afterAll(() => service.close());

  it(`is no 400, no internal error, and breaks no rule of WATI (seed ${seed})`, async () => {
    for (const operation of operations) {
      let taken = 0;
      const inputs = fc.record({ body: validOf(operation.body ?? { type: 'object' }), ...parametersOf(operation) });
      await fc.assert(
        fc.asyncProperty(inputs, async ({ body, path, query }) => {
          const answer = await call(operation, path, query, body);
          const beyond = answer.status === 400 && beyondSchemas.test(answer.text);
          if (!beyond) taken += 1;
          expect(beyond || ![400, 500].includes(answer.status), answer.text.slice(0, 500)).toBe(true);
        }),
        { seed, numRuns: 25 },
      );
      expect(taken, `${operation.id} was taken at least twice`).toBeGreaterThan(1);
    }
    expect(service.simulator.violations).toEqual([]);
  });

  const parametersOf = (operation: Operation) => {
    const of = (place: string) =>
      Object.fromEntries(
        operation.parameters
          // A cursor comes from an answer; no schema can tell a good one.
          .filter((each) => each.in === place && each.name !== 'cursor')
          .map((each) => [each.name, validNamed(each.name, each.schema)]),
      );
    const required = operation.parameters
      .filter((each) => each.in === 'query' && each.required)
      .map(({ name }) => name);
    return { path: fc.record(of('path')), query: fc.record(of('query'), { requiredKeys: required }) };
  };

  function call(operation: Operation, params: object, query: object, body: unknown): Promise<Answer> {
    const path = Object.entries(params)
      // An empty segment is another path.
      .reduce(
        (text, [name, value]) => text.replace(`{${name}}`, () => encodeURIComponent(String(value)) || '-'),
        operation.path,
      );
    const pairs = Object.entries(query).flatMap(([name, value]) =>
      [value].flat().map((one) => `${name}=${encodeURIComponent(String(one))}`),
    );
    const hasBody = operation.body !== undefined;
    return wire(service.url, {
      method: operation.method,
      path: pairs.length > 0 ? `${path}?${pairs.join('&')}` : path,
      headers: { ...(hasBody && { 'content-type': 'application/json' }), ...goodRequest(operation).headers },
      ...(hasBody && { body: JSON.stringify(body) }),
    });
  }
});

describe('equivalent forms of a request', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const text = (body: string, headers: Record<string, string> = {}) =>
    wire(service.url, {
      method: 'POST',
      path: '/v1/messages/text',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
  const good = '{"to":"14155551001","text":"Hello"}';

  it('take the last of two equal keys, also in what WATI gets', async () => {
    const answer = await text('{"to":"not a number","text":"first","to":"14155551000","text":"second"}');
    expect(answer.status).toBe(201);
    const sent = service.simulator.ledger.of('sendSessionMessage');
    expect(sent.map(({ path, query }) => [path, query.messageText])).toEqual([
      ['/api/v1/sendSessionMessage/14155551000', 'second'],
    ]);
    expect((await text('{"to":"14155551000","text":"second","to":"not a number"}')).status).toBe(400);
    expect(service.simulator.ledger.of('sendSessionMessage')).toHaveLength(1);
  });

  it.each(['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset="utf-8"'])(
    'takes JSON as %s',
    async (type) => expect((await text(good, { 'content-type': type })).status).toBe(201),
  );

  it.each(['nonsense', 'wait=', 'wait=-1', 'wait=abc', 'wait=1e9', ';;;', 'x'.repeat(500), 'wait=99999999'])(
    'ignores Prefer: %.20s',
    async (prefer) => expect((await text(good, { prefer })).status).toBe(201),
  );

  it.each(['a', 'Trace_1.2-3', 'x'.repeat(64)])('takes the request id %.20s and echoes it', async (id) => {
    const answer = await wire(service.url, { method: 'GET', path: '/v1/nothing', headers: { 'x-request-id': id } });
    expect(answer.headers['x-request-id']).toBe(id);
    expect(answer.json).toMatchObject({ requestId: id });
  });

  it.each(['', 'a b', 'x'.repeat(65), '{"a":1}', 'é', ['a', 'b'], '../x', 'a\tb'])(
    'replaces the request id %j',
    async (id) => {
      const answer = await wire(service.url, { method: 'GET', path: '/v1/nothing', headers: { 'x-request-id': id } });
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.json).toMatchObject({ requestId: answer.headers['x-request-id'] });
    },
  );
});
