import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fixedTokens } from '../../src/intake/tokens.ts';
import { createProcessMetrics } from '../../src/observability/metrics.ts';
import { entryOf, token } from '../intake/door.ts';
import { fileTo, multipartType } from '../routes/files-helper.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { isRecord } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { form } from '../upload/multipart-helper.ts';
import { readPromql, readScrape, type Scraped } from './promql.ts';

/** A key of the caller that has events. */
const told = 'key-of-the-caller-that-is-told';
let service: Service;
let scraped: Scraped[];

beforeAll(async () => {
  service = await startService({
    settings: {
      MATON_CONNECTION_ID: seededConnection,
      MATON_RATE_PER_SECOND: '1000',
      WATI_PLAN: 'growth',
      INTAKE_PORT: '0',
      INTAKE_TOKENS_FILE: 'not read in tests',
      EVENTS_SIGNING_KEY: hash('sha256', 'a key of the tests', 'base64'),
      // No server listens there.
      WEBHOOK_ALLOWED_HOSTS: 'http://127.0.0.1:9',
    },
    callers: [{ name: 'teller', key: told, scopes: ['*'], events: ['*'] }],
    seams: {
      processMetrics: createProcessMetrics(),
      intake: { tokens: fixedTokens([{ ...entryOf('acme', token), connectionId: seededConnection }]) },
    },
  });
  const { ask } = service;
  await ask('POST', '/v1/webhook-endpoints', { key: told, json: { url: 'http://127.0.0.1:9/', types: ['*'] } });
  await ask('POST', '/v1/messages/text', { key: told, json: { to: '14155551000', text: 'A secret text' } });
  const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
  const template = { template: 'order_update', broadcastName: 'sale' };
  await ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'A secret text' } });
  await ask('POST', '/v1/messages/text', { key: null, json: { to: '14155551000', text: 'A secret text' } });
  await ask('POST', '/v1/messages/template', { json: { to: '14155551000', parameters, ...template } });
  // Processed, and never answered: the outcome is unknown.
  service.simulator.script('sendSessionMessage', { fault: 'close-after' });
  await ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Another text' } });
  const headers = { 'content-type': multipartType };
  await ask('POST', fileTo('14155551000'), { body: form(), headers });
  const { json } = await ask('POST', '/v1/broadcasts', {
    json: { ...template, recipients: [{ to: '14155551001', parameters }] },
    headers: { 'idempotency-key': 'key-1' },
  });
  const path = `/v1/broadcasts/${isRecord(json) ? json.id : ''}`;
  await vi.waitFor(async () => expect((await ask('GET', path)).json).toMatchObject({ status: 'done' }), 10_000);
  // The collector may not have run yet in a young worker, and its metrics have no sample before it did.
  for (let n = 0; n < 50; n++) void Array.from({ length: 100_000 }, () => ({}));
  const scrape = async () => {
    scraped = readScrape((await ask('GET', '/metrics')).text);
  };
  const seen = () => [
    samples().some(({ name }) => name === 'nodejs_gc_duration_seconds_count'),
    (valueIn('wati_bff_webhook_attempts_total', { result: 'failed' }) ?? 0) > 0,
  ];
  await vi.waitFor(() => scrape().then(() => expect(seen()).toEqual([true, true])), 10_000);
});
afterAll(() => service.close());

const samples = () => scraped.flatMap((metric) => metric.samples);
const valueIn = (metric: string, labels: Record<string, string> = {}) =>
  samples().find(
    (sample) =>
      sample.name === metric && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;

describe('the metrics', () => {
  it('report the state of the service', () => {
    expect(valueIn('wati_bff_ready')).toBe(1);
    for (const dependency of ['store', 'gateway', 'key', 'connection']) {
      expect(valueIn('wati_bff_dependency_up', { dependency }), dependency).toBe(1);
    }
    expect(valueIn('wati_bff_build_info', { version: '0.1.0', node: process.versions.node })).toBe(1);
    expect(valueIn('wati_bff_recorded_sends', { status: 'accepted' })).toBe(5);
    expect(valueIn('wati_bff_recorded_sends', { status: 'unknown' })).toBe(1);
    expect(valueIn('wati_bff_recorded_sends', { status: 'queued' })).toBe(0);
    expect(valueIn('wati_bff_broadcasts', { status: 'running' })).toBe(0);
    expect(valueIn('wati_bff_uploads_open')).toBe(0);
    expect(valueIn('wati_bff_upload_bytes_total')).toBe(form().length);
    expect(valueIn('wati_bff_store_duration_seconds_count', { kind: 'write' })).toBeGreaterThan(10);
    expect(valueIn('wati_bff_store_duration_seconds_count', { kind: 'read' })).toBeGreaterThan(2);
    expect(valueIn('wati_bff_store_failures_total', { kind: 'write' })).toBe(0);
    expect(valueIn('wati_bff_rate_limit_calls_per_second')).toBe(1000);
    expect(valueIn('wati_bff_rate_limit_used_ratio')).toBeGreaterThan(0);
    expect(valueIn('wati_bff_rate_limit_granted_calls_total', { lane: 'broadcast' })).toBeGreaterThan(0);
    expect(valueIn('wati_bff_rate_limit_granted_calls_total', { lane: 'interactive' })).toBeGreaterThan(3);
    expect(valueIn('wati_bff_rate_limit_mode', { mode: 'local' })).toBe(1);
    expect(valueIn('wati_bff_rate_limit_mode', { mode: 'fallback' })).toBe(0);
    expect(valueIn('wati_bff_rate_limit_group_used_calls', { group: 'templates' })).toBeGreaterThan(1);
    expect(valueIn('wati_bff_group_size_sum', { lane: 'broadcast' })).toBe(1);
  });

  it('stand in docs/operations.md, each with type, labels and meaning, and no other', () => {
    const rows = scraped
      .filter(({ name }) => name.startsWith('wati_bff_'))
      .map(({ name, type, help, samples: own }) => {
        const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== 'le'));
        return `| \`${name}\` | ${type} | ${[...labels].map((label) => `\`${label}\``).join(' ')} | ${help} |`;
      });
    const documented = readFileSync('docs/operations.md', 'utf8').match(/^\| `wati_bff_\w+` \|.*$/gm);
    expect(documented).toEqual(rows.toSorted());
  });

  it('name no number, no text, no id and no address; a connection only where its label says so', () => {
    const text = JSON.stringify(samples().map(({ labels: { connection: _, ...labels } }) => labels));
    expect(text).not.toContain(token);
    expect(text).not.toMatch(/141555|secret|Another|Asha|order_update|sale|key-1|127\.0\.0\.1/);
    expect(text).not.toContain(seededConnection);
  });
});

const dashboard: unknown = JSON.parse(readFileSync('ops/grafana-dashboard.json', 'utf8'));
const panels = (isRecord(dashboard) && Array.isArray(dashboard.panels) ? dashboard.panels : []).filter(isRecord);
const targets = panels.flatMap(({ title, targets: all }) =>
  (Array.isArray(all) ? all.filter(isRecord) : []).map(({ expr, legendFormat }) => ({
    of: `the panel "${title}"`,
    expr: String(expr),
    legend: Array.from(String(legendFormat).matchAll(/\{\{(\w+)\}\}/g), ([, label = '']) => label),
  })),
);
/** Its YAML is read whole by promtool (.ci/alerts). */
const alerts = readFileSync('ops/alerts.yaml', 'utf8')
  .split(/^ {6}- alert: /m)
  .slice(1)
  .map((block) => ({
    of: `the alert ${block.split('\n')[0]}`,
    expr: /^ {8}expr: (.+)$/m.exec(block)?.[1] ?? '',
    legend: Array.from(block.matchAll(/\$labels\.(\w+)/g), ([, label = '']) => label),
    runbook: /^ {10}runbook_url: (.+)$/m.exec(block)?.[1],
  }));

/** What Prometheus itself says of every sample. */
const external = ['job', 'instance'];

describe('the dashboard and the alerts', () => {
  it('are read', () => {
    expect(targets.length).toBeGreaterThan(30);
    expect(alerts.length).toBeGreaterThan(10);
    const ids = panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('each lead to a section of its own that says what to do', () => {
    const sections = readFileSync('docs/alerts.md', 'utf8').matchAll(/^## (\w+)$/gm);
    const links = alerts.map(({ of, runbook }) => [of.split(' ').at(-1)?.toLowerCase(), runbook]);
    expect(links).toEqual(links.map(([name]) => [name, `docs/alerts.md#${name}`]));
    expect(Array.from(sections, ([, name]) => name?.toLowerCase()).toSorted()).toEqual(
      links.map(([name]) => name).toSorted(),
    );
  });

  it.each([...targets, ...alerts])('use only what /metrics answers: $of', ({ expr, legend }) => {
    const { selectors, grouping } = readPromql(expr);
    expect(selectors.length, expr).toBeGreaterThan(0);
    const known = new Set(external);
    for (const { metric, matchers } of selectors) {
      const own = samples().filter(({ name }) => name === metric);
      expect(own.length, `${metric} has no sample`).toBeGreaterThan(0);
      for (const { labels } of own) for (const label of Object.keys(labels)) known.add(label);
      for (const { label, operator, value } of matchers) {
        if (external.includes(label)) continue;
        const values = own.map(({ labels }) => labels[label]);
        expect(values, `${metric} has no label ${label}`).not.toContain(undefined);
        if (operator === '=' && label !== 'result') expect(values, `${metric}{${label}}`).toContain(value);
      }
    }
    for (const label of [...grouping, ...legend]) expect([...known], label).toContain(label);
  });
});
