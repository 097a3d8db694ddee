import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { retentionOf } from '../../src/records.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { openTracing } from '../../src/tracing/tracing.ts';
import type { Tracing } from '../../src/tracing/types.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { type Service, startService } from '../support/service.ts';
import { type Collector, startCollector } from '../tracing/collector.ts';
import { callEveryRoute, expectClean, quotedKey, quotes } from './echo-round.ts';
import { type EchoingUpstream, startEchoing } from './echoing-upstream.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-echoes-'));

describe('a Maton key that the upstream quotes', () => {
  let simulator: Simulator;
  let upstream: EchoingUpstream;
  let collector: Collector;
  let tracing: Tracing | undefined;
  let service: Service;
  /** Everything that anybody could read. */
  const seen: string[] = [];

  beforeAll(async () => {
    simulator = await startSimulator({
      key: quotedKey,
      perSecond: Number.POSITIVE_INFINITY,
      plan: 'none',
      lateMs: 1_500,
    });
    upstream = await startEchoing(simulator);
    collector = await startCollector();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
    tracing = await openTracing(process.env, { version: 'test', onFault: () => {} });
    const settings = {
      MATON_API_KEY: quotedKey,
      MATON_GATEWAY_URL: upstream.gatewayUrl,
      MATON_CONTROL_URL: upstream.controlUrl,
      MATON_CONNECTION_ID: seededConnection,
      NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
    };
    const store: Store = await openStore(
      `file:${join(folder, 'records.db')}`,
      retentionOf(loadConfig({ ...settings, CLIENTS_FILE: 'x' })),
    );
    service = await startService({ settings, store, seams: tracing ? { tracing } : {}, simulator: { key: quotedKey } });
  });
  afterAll(async () => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    upstream.close();
    await simulator.close();
    rmSync(folder, { recursive: true });
  });

  it.each(quotes)('$name, is in no answer of any route', async (quote) => {
    const round = await callEveryRoute(service, upstream, quote);
    seen.push(...round.seen);
    expect([...round.statuses]).toContain(502);
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
