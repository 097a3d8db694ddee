import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { hasty, type Service, startService } from '../support/service.ts';
import {
  always,
  callersOwnHeaders,
  fields,
  htmlPage,
  once,
  type Subject,
  seededConnection,
  seen,
  upstreamHeaders,
} from './outcomes.ts';

const paths = 'GET /api/v1/chatbots,POST /api/v1/chatbots/start,POST /api/v1/addContact/{number}';
const get: Subject = { name: 'GET', method: 'GET', path: '/v1/native/api/v1/chatbots', operation: 'chatbots' };
const post: Subject = {
  name: 'POST',
  method: 'POST',
  path: '/v1/native/api/v1/chatbots/start?whatsappNumber=14155551000&chatbotId=6622a1f0c3b4d5e6f7a8b901',
  operation: 'startChatbot',
};

describe('a native call', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { MATON_CONNECTION_ID: seededConnection, NATIVE_PATHS: paths },
    });
  });
  beforeEach(async () => {
    await service.simulator.startGateway();
    service.simulator.reset();
  });
  afterAll(() => service.close());

  it('is passed on unchanged, without the headers of the caller', async () => {
    const json = { name: 'Zoë', customParams: [] };
    const answers = [
      await service.ask('GET', get.path, { headers: callersOwnHeaders }),
      await service.ask('POST', post.path, { headers: callersOwnHeaders }),
      await service.ask('POST', '/v1/native/api/v1/addContact/4915112345678', { json, headers: callersOwnHeaders }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[0]?.json).toHaveLength(2);
    expect(answers[1]?.text).toBe('"Chatbot started"');
    const { entries } = service.simulator.ledger;
    expect(entries.map(({ method, path, query, body, headers }) => ({ method, path, query, body, headers }))).toEqual([
      {
        method: 'GET',
        path: '/api/v1/chatbots',
        query: {},
        body: undefined,
        headers: upstreamHeaders(service, 'keep-alive'),
      },
      {
        method: 'POST',
        path: '/api/v1/chatbots/start',
        query: { whatsappNumber: '14155551000', chatbotId: '6622a1f0c3b4d5e6f7a8b901' },
        body: undefined,
        headers: upstreamHeaders(service, 'close', { 'content-length': '0' }),
      },
      {
        method: 'POST',
        path: '/api/v1/addContact/4915112345678',
        query: {},
        body: json,
        headers: upstreamHeaders(service, 'close', {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(JSON.stringify(json))),
        }),
      },
    ]);
  });

  it.each([
    ['GET', 'api/v1/getContacts'],
    ['POST', 'api/v1/chatbots'],
    ['DELETE', 'api/v1/chatbots'],
    ['GET', 'api/v1/Chatbots'],
    ['GET', 'api/v1/chatbots/'],
    ['GET', 'api/v1//chatbots'],
    ['GET', 'api/v1/x/..%2fchatbots'],
    ['POST', 'api/v1/addContact/a%2fb'],
    ['POST', 'api/v1/addContact/%2e%2e%2frotateToken'],
    ['POST', 'api/v1/addContact/rotateToken'],
    ['POST', 'api/v1/addContact/ROTATETOKEN'],
    ['POST', 'api/v1/addContact/a%0ab'],
    ['POST', 'api/v1/rotateToken'],
  ])('is a 403 for %s %s, which nobody named', async (method, path) => {
    const answer = await service.ask(method, `/v1/native/${path}`);
    expect(answer.json).toMatchObject({ type: problem('forbidden'), status: 403 });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it.each([400, 404, 418, 429, 500, 503])('passes a %i on unchanged, once', async (status) => {
    for (const subject of [get, post]) {
      service.simulator.reset();
      await always({ status, body: htmlPage, headers: { 'retry-after': '7', 'set-cookie': 'a=b' } })(
        service.simulator,
        subject.operation,
      );
      const answer = await service.ask(subject.method, subject.path);
      expect([answer.status, answer.text, answer.headers['retry-after']]).toEqual([status, htmlPage, '7']);
      expect(answer.headers).toMatchObject({
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
        'x-content-type-options': 'nosniff',
      });
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(service.simulator.ledger.of(subject.operation)).toHaveLength(1);
    }
  });

  it.each([300, 301, 302, 303, 307, 308])('never follows a %i', async (status) => {
    await once({ status, headers: { location: 'https://evil.example/' } })(service.simulator, 'chatbots');
    const answer = await service.ask('GET', get.path);
    expect(answer.json).toMatchObject({ type: problem('upstream-invalid'), status: 502, upstream: { status } });
    expect(answer.headers.location).toBeUndefined();
  });

  const losses = [
    ['refused', 'stop', 'upstream-unavailable', 'not_sent', true],
    ['reset', 'reset-after', 'upstream-unavailable', 'unknown', false],
    ['no answer', 'hang', 'upstream-timeout', 'unknown', false],
  ] as const;
  it.each(losses)(
    '%s: a read may be repeated, a change reports what is known of it',
    async (_name, fault, slug, outcome, retryable) => {
      const settings = { MATON_CONNECTION_ID: seededConnection, NATIVE_PATHS: paths };
      const own = await startService(
        fault === 'hang' ? { settings: { ...settings, ...hasty.settings } } : { settings },
      );
      for (const subject of [get, post]) {
        own.simulator.reset();
        if (fault === 'stop') await own.simulator.stopGateway();
        else await once({ fault })(own.simulator, subject.operation);
        const answer = await own.ask(subject.method, subject.path);
        const reads = subject === get;
        expect(fields(answer.json)).toMatchObject({ type: problem(slug), retryable: reads || retryable });
        expect(fields(answer.json).outcome).toBe(reads ? undefined : outcome);
        expect(seen(answer, own.simulator, subject.operation).requests).toBe(fault === 'stop' ? 0 : 1);
      }
      await own.close();
    },
  );

  it.each([
    ['matonKey', /^Maton refuses the key/],
    ['watiToken', /^WATI refuses the token/],
  ] as const)('tells whose credentials are refused: %s', async (setting, detail) => {
    const own = await startService({ settings: { MATON_CONNECTION_ID: seededConnection, NATIVE_PATHS: paths } });
    own.simulator.tenant.settings[setting] = 'revoked';
    const answer = await own.ask('GET', get.path);
    expect(answer.json).toMatchObject({
      type: problem('upstream-unauthorized'),
      status: 502,
      detail: expect.stringMatching(detail),
      upstream: { status: 401 },
    });
    await own.close();
  });
});

it('is a 403 for every path if none is configured', async () => {
  const service = await startService();
  expect((await service.ask('GET', get.path)).status).toBe(403);
  expect(service.simulator.ledger.entries).toEqual([]);
  await service.close();
});
