import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openTracing } from '../../src/tracing/tracing.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { type Service, startService } from '../support/service.ts';
import { type Collector, startCollector } from './collector.ts';

const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';
const text = { to: '14155551000', text: 'A secret text' };

let collector: Collector;
beforeEach(async () => {
  collector = await startCollector();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
});
afterEach(() => {
  collector.close();
  vi.unstubAllEnvs();
});

const open = async (onFault: (error: unknown) => void = (error) => expect(error).toBeUndefined()) =>
  openTracing(process.env, { version: '1.2.3', onFault });

/** Runs the service with tracing, and answers the spans once all is exported. */
async function traced(work: (service: Service) => Promise<unknown>, settings: Record<string, string> = {}) {
  const tracing = await open();
  if (!tracing) throw new Error('tracing is off');
  const service = await startService({
    settings: { MATON_CONNECTION_ID: seededConnection, ...settings },
    seams: { tracing },
  });
  await work(service).finally(() => service.close());
  await tracing.close();
  const { spans } = collector;
  const servers = spans.filter(({ kind }) => kind === 'server');
  const clients = spans.filter(({ kind }) => kind === 'client');
  return { spans, servers, clients, service };
}

/** The spans of requests with these headers `traceparent`, without a service. */
async function spansOf(...traceparents: (string | undefined)[]) {
  const tracing = await open();
  for (const traceparent of traceparents) {
    tracing?.startRequestSpan({ method: 'GET', route: '/', traceparent }).end({ status: 200 });
  }
  await tracing?.close();
  return collector.spans;
}

describe('a trace', () => {
  it('continues the caller’s trace: one span per request, and a child for each upstream call', async () => {
    const { servers, clients, service } = await traced(async ({ ask }) => {
      const headers = { traceparent: `00-${traceId}-${parentSpanId}-01` };
      expect((await ask('POST', '/v1/messages/text', { json: text, headers })).status).toBe(201);
    });
    const [server] = servers;
    expect(servers).toMatchObject([
      {
        name: 'POST /v1/messages/text',
        traceId,
        parentSpanId,
        isError: false,
        attributes: {
          'http.request.method': 'POST',
          'http.route': '/v1/messages/text',
          'http.response.status_code': 201,
          'wati_bff.caller': 'tester',
          'wati_bff.outcome': 'accepted',
        },
      },
    ]);
    expect(clients).toMatchObject([
      {
        name: 'sendSessionMessage',
        traceId,
        parentSpanId: server?.spanId,
        isError: false,
        attributes: {
          'wati_bff.operation': 'sendSessionMessage',
          'wati_bff.host': 'gateway',
          'wati_bff.sent': true,
          'wati_bff.result': '200',
          'http.response.status_code': 200,
        },
      },
    ]);
    expect(clients[0]?.durationMs).toBeLessThanOrEqual(server?.durationMs ?? 0);
    // The simulator takes any header for a leak that is not on its list; this one by name.
    expect(service.simulator.ledger.of('sendSessionMessage')[0]?.headers).not.toHaveProperty('traceparent');
    expect(service.logs().find(({ route }) => route === '/v1/messages/text')).toMatchObject({ traceId });
    expect(collector.resource).toMatchObject({ 'service.name': 'wati-bff', 'service.version': '1.2.3' });
  });

  it('has the result of every attempt, and the failure of the request', async () => {
    const { servers, clients } = await traced(
      async ({ ask, simulator }) => {
        simulator.script('getContacts', { status: 502 }, { fault: 'reset-before' }, { status: 502 });
        expect((await ask('GET', '/v1/contacts')).status).toBe(503);
      },
      { UPSTREAM_TIMEOUT_MS: '10000' },
    );
    const results = clients.map(({ isError, attributes }) => [isError, attributes['wati_bff.result']]);
    expect(results).toEqual([
      [true, '502'],
      [true, 'ECONNRESET'],
      [true, '502'],
    ]);
    expect(servers).toMatchObject([{ isError: true, attributes: { 'error.type': '503' } }]);
    expect(new Set(clients.map((span) => span.parentSpanId))).toEqual(new Set([servers[0]?.spanId]));
  });

  it('has one span for a call that carries many sends, linked to each of their requests', async () => {
    const { servers, clients, service } = await traced(
      async ({ ask }) => {
        await ask('GET', '/v1/templates');
        const numbers = Array.from({ length: 6 }, (_, n) => String(14155551000 + n));
        const template = { template: 'order_update', parameters };
        const answers = numbers.map((to) => ask('POST', '/v1/messages/template', { json: { to, ...template } }));
        for (const { status } of await Promise.all(answers)) expect(status).toBe(201);
      },
      { MATON_RATE_PER_SECOND: '5', WATI_PLAN: 'none' },
    );
    const calls = service.simulator.ledger.of('sendTemplateMessagesV2');
    const sends = clients.filter(({ name }) => name === 'sendTemplateMessages');
    expect(calls.length).toBeLessThan(6);
    expect(sends).toHaveLength(calls.length);
    const known = new Set(sends.map(({ spanId }) => spanId));
    for (const { name, spanId, links } of servers) {
      if (name !== 'POST /v1/messages/template') continue;
      const own = sends.filter((span) => span.parentSpanId === spanId);
      expect(own.length + links.filter((link) => known.has(link)).length).toBe(1);
    }
  });

  it('of a call for a broadcast stands alone, because no request waits for it', async () => {
    const { clients } = await traced(async ({ ask }) => {
      const json = { template: 'order_update', broadcastName: 'sale', recipients: [{ to: '14155551001', parameters }] };
      const { headers } = await ask('POST', '/v1/broadcasts', { json, headers: { 'idempotency-key': 'key-1' } });
      const path = String(headers.location);
      await vi.waitFor(async () => expect((await ask('GET', path)).json).toMatchObject({ status: 'done' }), 10_000);
    });
    const sends = clients.filter(({ name }) => name === 'sendTemplateMessages');
    expect(sends.map((span) => span.parentSpanId)).toEqual(['']);
  });

  it('starts anew if traceparent is malformed, and is not recorded if the caller does not record it', async () => {
    const spans = await spansOf(
      undefined,
      'nonsense',
      `00-${'0'.repeat(32)}-${parentSpanId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `00-${traceId.toUpperCase()}-${parentSpanId}-01`,
      `00-${traceId}-${parentSpanId}-01-more`,
      `00-${traceId}-${parentSpanId}-01-`,
      `ff-${traceId}-${parentSpanId}-01`,
      `00-${traceId}-${parentSpanId}-01`.repeat(200),
      `00-${traceId}-${parentSpanId}-00`,
    );
    expect(spans.map((span) => span.parentSpanId)).toEqual(Array.from({ length: 9 }, () => ''));
    expect(spans.map((span) => span.traceId)).not.toContain(traceId);
  });

  it('continues a traceparent of a later version by the parts that are known', async () => {
    const spans = await spansOf(`01-${traceId}-${parentSpanId}-01-more`);
    expect(spans).toMatchObject([{ traceId, parentSpanId }]);
  });

  it('holds no number, no text, no address, no key and no path that is not a pattern', async () => {
    const { servers } = await traced(async ({ ask }) => {
      await ask('POST', '/v1/messages/text', { json: text });
      const headers = {
        traceparent: `00-${traceId}-${parentSpanId}-01`,
        tracestate: 'vendor=14155551000',
        baggage: 'to=14155551000',
      };
      await ask('GET', '/v1/contacts/14155551000', { headers });
      await ask('GET', '/v1/nowhere/14155551000');
      await ask('GET', '/v1/contacts', { key: 'a-wrong-key-of-twenty-characters' });
    });
    expect(servers.map(({ name }) => name).toSorted()).toEqual([
      'GET',
      'GET /v1/contacts',
      'GET /v1/contacts/:recipient',
      'POST /v1/messages/text',
    ]);
    expect(collector.text).not.toMatch(/141555|secret|nowhere|wrong-key|127\.0\.0\.1|test-key/);
    expect(collector.text).not.toContain(seededConnection);
  });
});

describe('the standard variables', () => {
  const endpoint = 'http://127.0.0.1:1';
  it.each<[string, Record<string, string>]>([
    ['nothing is set', {}],
    ['the SDK is disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' }],
    ['the exporter is none', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none' }],
    ['the endpoint is empty', { OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  ])('leave tracing off where %s', async (_, environment) => {
    expect(await openTracing(environment, { version: '1', onFault: () => {} })).toBeUndefined();
  });

  it('are refused at the start, all errors at once', async () => {
    const environment = {
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317',
      OTEL_TRACES_SAMPLER: 'often',
      OTEL_TRACES_SAMPLER_ARG: '2',
    };
    const fault = await openTracing(environment, { version: '1', onFault: () => {} }).catch((error: unknown) => error);
    expect(fault).toMatchObject({ name: 'ConfigError' });
    for (const name of Object.keys(environment)) expect(String(fault)).toContain(name);
  });

  it('name the service and the headers of the export', async () => {
    vi.stubEnv('OTEL_SERVICE_NAME', 'messages');
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=test');
    vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'x-api-key=abc');
    await spansOf(undefined);
    expect(collector.resource).toMatchObject({ 'service.name': 'messages', 'deployment.environment.name': 'test' });
    expect(collector.headers).toMatchObject({ 'x-api-key': 'abc', 'content-type': 'application/json' });
  });

  it.each([
    ['always_off', undefined, 0],
    ['traceidratio', '0', 0],
    ['parentbased_traceidratio', '1', 1],
    ['always_on', undefined, 1],
  ])('choose what is recorded: %s, %s', async (sampler, ratio, count) => {
    vi.stubEnv('OTEL_TRACES_SAMPLER', sampler);
    vi.stubEnv('OTEL_TRACES_SAMPLER_ARG', ratio);
    expect(await spansOf(undefined)).toHaveLength(count);
  });
});

it('does not delay the shutdown if the collector is gone', async () => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', 'http://127.0.0.1:9');
  const tracing = await open(() => {});
  tracing?.startRequestSpan({ method: 'GET', route: '/', traceparent: undefined }).end({ status: 200 });
  const start = performance.now();
  await tracing?.close();
  expect(performance.now() - start).toBeLessThan(6_000);
});

it('logs what the collector refuses, while the service runs', async () => {
  const refusing = await startCollector(400);
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', refusing.url);
  const faults: unknown[] = [];
  const tracing = await open((fault) => faults.push(fault));
  const request = { method: 'GET', route: '/', traceparent: undefined };
  // As many as go out in one batch, so that they go out now.
  for (let spans = 0; spans < 512; spans++) tracing?.startRequestSpan(request).end({ status: 200 });
  await vi.waitFor(() => expect(faults).toHaveLength(1), 5_000);
  await tracing?.close();
  refusing.close();
});
