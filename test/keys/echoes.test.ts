import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { retentionOf } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { openTracing } from '../../src/tracing/tracing.ts';
import type { Tracing } from '../../src/tracing/types.ts';
import { type Answer, type Service, startService } from '../helper.ts';
import { goodRequest, type Operation, operationsOf } from '../operations.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { csvSubject, fileSubject } from '../routes/sending.ts';
import { type Collector, startCollector } from '../tracing/collector.ts';
import { type EchoingUpstream, type Manner, startEchoing } from './echoing-upstream.ts';
import { encodings } from './encodings.ts';

const key = 'mtn_live-7Qz.4fK1~Xp9sT2vB8wR6yU3';
const folder = mkdtempSync(join(tmpdir(), 'wati-bff-echoes-'));

const unescaped = (form: string): string => {
  const text: unknown = JSON.parse(`"${form}"`);
  return String(text);
};

/** Each form of the key in small letters, with the name of its encoding. */
const forbidden = new Map(
  Object.entries(encodings).flatMap(([name, encode]) => {
    const form = encode(key);
    return [form, JSON.stringify(form).slice(1, -1), unescaped(form)].map(
      (each) => [each.toLowerCase(), name] as const,
    );
  }),
);

describe('a Maton key that the upstream quotes', () => {
  let simulator: Simulator;
  let upstream: EchoingUpstream;
  let collector: Collector;
  let tracing: Tracing | undefined;
  let service: Service;
  let operations: Operation[];
  /** Everything that anybody could read. */
  const seen: string[] = [];

  beforeAll(async () => {
    simulator = await startSimulator({ key, perSecond: Number.POSITIVE_INFINITY, plan: 'none', deadlineMs: 1_500 });
    upstream = await startEchoing(simulator);
    collector = await startCollector();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
    tracing = await openTracing(process.env, { version: 'test', onFault: () => {} });
    const settings = {
      MATON_API_KEY: key,
      MATON_GATEWAY_URL: upstream.gatewayUrl,
      MATON_CONTROL_URL: upstream.controlUrl,
      MATON_CONNECTION_ID: seededConnection,
      NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
    };
    const store: Store = await openStore(
      `file:${join(folder, 'records.db')}`,
      retentionOf(loadConfig({ ...settings, CLIENTS_FILE: 'x' })),
    );
    service = await startService({ settings, store, seams: tracing ? { tracing } : {}, simulator: { key } });
    operations = operationsOf(service);
  });
  afterAll(async () => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    upstream.close();
    await simulator.close();
    rmSync(folder, { recursive: true });
  });

  const call = async (operation: Operation): Promise<Answer> => {
    const subject = /messages\/file$/.test(operation.path)
      ? fileSubject('14155551000')
      : /broadcasts\/(csv|import)$/.test(operation.path)
        ? csvSubject('14155551000')
        : undefined;
    if (operation.form && subject) {
      const path = subject.path.replace('/csv?', `${operation.path.replace('/v1/broadcasts', '')}?`);
      return service.ask(operation.method, path, subject.ask);
    }
    const { path, query, headers, body } = goodRequest(operation);
    return service.ask(operation.method, query.length > 0 ? `${path}?${query.join('&')}` : path, {
      headers: { ...headers, ...(headers['Idempotency-Key'] && { 'Idempotency-Key': crypto.randomUUID() }) },
      ...(body !== undefined && { json: body }),
    });
  };

  const manners: [Manner, RegExp][] = [
    ['refuses', /^$/],
    ['refuses', /getMessageTemplates/],
    ['says', /^$/],
    ['says', /getMessageTemplates|connections/],
    ['heads', /getMessageTemplates|connections/],
  ];

  const quotes = Object.entries(encodings).map(([name, encode], turn) => [name, encode(key), turn] as const);
  it.each(quotes)('%s, is in no answer of any route', async (_name, quote, turn) => {
    upstream.quote = quote;
    const statuses = new Set<number>();
    for (const [at, [manner, spared]] of manners.entries()) {
      // The key as it is in every manner; its other forms in two of them, each in turn.
      if (turn > 0 && at !== turn % manners.length && at !== (turn + 2) % manners.length) continue;
      Object.assign(upstream, { manner, spared, status: [400, 404, 409, 422, 413][at] ?? 400 });
      upstream.asked = 0;
      for (const operation of operations) {
        if (/\/events$/.test(operation.path)) continue;
        const answer = await call(operation).catch(() => undefined);
        // A body that flowed already may break off, and nothing else.
        if (!answer) continue;
        statuses.add(answer.status);
        expect(answer.status, `${operation.id}: ${answer.text.slice(0, 300)}`).not.toBe(500);
        seen.push(JSON.stringify(answer.headers), answer.text);
        expectClean([JSON.stringify(answer.headers), answer.text], operation.id);
      }
      expect(upstream.asked).toBeGreaterThan(15);
    }
    expect([...statuses]).toContain(502);
  });

  it('is in no record, list, log, metric, trace and file', async () => {
    for (const path of ['/v1/messages?limit=100', '/v1/broadcasts', '/metrics']) {
      const { status, text } = await service.ask('GET', path);
      expect(status).toBe(200);
      expect(text.length, path).toBeGreaterThan(1_000);
      seen.push(text);
    }
    expect(seen.at(-1)).toMatch(/wati_bff_key_echoes_total\{operation="getContacts"\} [1-9]/);
    const lines = service.logs();
    expect(
      lines.filter(({ level, operation }) => level === 'error' && operation === 'getContacts').length,
    ).toBeGreaterThan(0);
    await tracing?.close();
    expect(collector.spans.length).toBeGreaterThan(100);
    const log = JSON.stringify(lines);
    await service.close();
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    expect(files.reduce((sum, bytes) => sum + bytes.length, 0)).toBeGreaterThan(10_000);
    collector.close();
    expectClean([log, collector.text, ...seen, ...files.map((bytes) => bytes.toString('latin1'))], 'what is kept');
  });
});

/** Neither the key, nor any of its forms, nor one that JSON would turn into it. */
function expectClean(texts: readonly string[], about: string) {
  for (const text of texts) {
    const lower = text.toLowerCase();
    for (const [form, name] of forbidden) {
      if (lower.includes(form)) expect.unreachable(`${about}: ${name}: ${text.slice(0, 500)}`);
    }
  }
}
