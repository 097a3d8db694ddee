import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { checkSubscription } from '../../src/intake/check-subscription.ts';
import { wantedEvents } from '../../src/intake/wanted-events.ts';
import { Problem } from '../../src/problem.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { openDispatchers } from '../../src/upstream/dispatchers.ts';
import { createUpstream } from '../../src/upstream/upstream.ts';
import { listWebhookEndpoints } from '../../src/upstream/webhook-endpoints.ts';
import { seededConnection } from '../routes/outcomes.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-subscription-'));
afterAll(() => rmSync(folder, { recursive: true }));
const token = 'T'.repeat(43);
const file = join(folder, 'tokens.json');
writeFileSync(
  file,
  JSON.stringify([
    { name: 'acme', tokenSha256: ['a'.repeat(64), hash('sha256', token)], connectionId: seededConnection },
    { name: 'other', tokenSha256: [hash('sha256', 'of another connection')], connectionId: 'other' },
  ]),
);
const address = `https://hooks.example.com/wati/${token}`;
const enabled = { url: address, state: 'enabled', eventTypes: wantedEvents, failures: 0 } as const;

const judged = async (list: Parameters<typeof checkSubscription>[2], connection = seededConnection) => {
  const finding = await checkSubscription({ INTAKE_TOKENS_FILE: file }, connection, list);
  const told = JSON.stringify(finding);
  for (const secret of [token, 'hooks.example.com']) expect(told).not.toContain(secret);
  return told;
};

describe('the webhooks of a connection at WATI', () => {
  it.each([
    ['is well with all that is needed', [enabled], /^\{"fine":"WATI posts all that is needed/],
    [
      'is well in other cases, and with failures of the second version',
      [{ ...enabled, eventTypes: wantedEvents.map((name) => name.replace('Failed', 'FAILED_V2')) }],
      /"fine"/,
    ],
    [
      'is well without the twins of hidden numbers, which not every workspace has',
      [{ ...enabled, eventTypes: wantedEvents.filter((name) => !name.endsWith('_bsuid')) }],
      /"fine"/,
    ],
    [
      'is well behind a longer path and as a query',
      [{ ...enabled, url: `https://hooks.example.com/in/wati?token=${token}` }],
      /"fine"/,
    ],
    [
      'is well where two webhooks have it together',
      [
        { ...enabled, eventTypes: wantedEvents.slice(0, 4) },
        { ...enabled, eventTypes: wantedEvents.slice(4) },
      ],
      /"fine"/,
    ],
    ['is not there', [], /WATI has no webhook with a token/],
    [
      'is of other systems',
      [
        { ...enabled, url: 'https://crm.example.com/wati/x' },
        { ...enabled, url: 'no address' },
      ],
      /2 webhooks, and none with a token/,
    ],
    [
      'is of another connection',
      [{ ...enabled, url: 'https://hooks.example.com/wati/of%20another%20connection' }],
      /none with a token/,
    ],
    ['is switched off', [{ ...enabled, state: 'disabled' }], /is disabled: WATI posts nothing/],
    ['is defective', [{ ...enabled, state: 'defective', failures: 101 }], /defective \(101 failures in a row\)/],
    [
      'lacks events',
      [{ ...enabled, eventTypes: ['message', 'templateMessageSent'] }],
      /lacks sessionMessageSent_v2, templateMessageSent_v2/,
    ],
    [
      'lacks those of an address that is switched off',
      [
        { ...enabled, eventTypes: ['message'] },
        { ...enabled, state: 'disabled' },
      ],
      /lacks/,
    ],
    [
      'is in a state that has another word',
      [{ ...enabled, state: undefined }],
      /"fine".*state whose word is not known/,
    ],
  ] as const)('%s', async (_title, listed, words) => {
    expect(await judged(async () => listed)).toMatch(words);
  });

  it('are no fault if WATI does not list them, or no token is for the connection', async () => {
    const refused = new Problem('not-found', 'nothing there');
    expect(await judged(() => Promise.reject(refused))).toMatch(/"fine".*does not list.*not-found/);
    expect(await judged(() => Promise.reject(refused), 'third')).toMatch(/"fine":"third has no token/);
    await expect(judged(() => Promise.reject(new TypeError('a fault of ours')))).rejects.toThrow(TypeError);
  });
});

describe('the list of webhooks', () => {
  let simulator: Simulator;
  beforeEach(async () => {
    simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY, webhooks: { url: address } });
  });
  afterEach(() => simulator.close());

  const ask = async () => {
    const dispatchers = openDispatchers(simulator.gatewayUrl, simulator.controlUrl);
    const options = { key: () => simulator.key, dispatchers, onAttempt: () => {}, replicas: false };
    const config = loadConfig({
      MATON_API_KEY: simulator.key,
      MATON_GATEWAY_URL: simulator.gatewayUrl,
      MATON_CONTROL_URL: simulator.controlUrl,
      CLIENTS_FILE: 'not-needed',
    });
    const { client } = createUpstream(config, options);
    return listWebhookEndpoints(client, { connection: seededConnection }).finally(() => dispatchers.close());
  };

  it('is read as WATI answers it', async () => {
    expect(await judged(ask)).toContain('"fine"');
    simulator.webhooks.change({ twins: 'plain' });
    expect(await judged(ask)).toContain('lacks sessionMessageSent_v2');
    simulator.webhooks.change({ enabled: false });
    expect(await judged(ask)).toContain('is disabled');
    simulator.webhooks.pointTo(undefined);
    expect(await judged(ask)).toContain('WATI has no webhook');
    expect(simulator.violations).toEqual([]);
  });

  it.each([
    [
      'in the words of the newer API',
      { items: [{ url: address, status: 'Enabled', event_types: wantedEvents }, null, { id: 'x' }] },
      '"fine":"WATI posts all',
    ],
    [
      'as a bare list',
      [{ url: address, status: 2, eventTypes: wantedEvents, failedIterationCount: 120 }],
      'defective (120',
    ],
    ['refused', { ok: false, error: 'not on your plan' }, 'does not list'],
    ['in no form that is known', { ok: true, result: 'yes' }, 'does not list'],
  ])('is read %s', async (_title, body, words) => {
    simulator.script('listWebhookEndpoints', { status: 200, body });
    expect(await judged(ask)).toContain(words);
  });

  it.each([401, 403, 404, 405, 500])('is no fault as a %i', async (status) => {
    for (let time = 0; time < 9; time += 1) simulator.script('listWebhookEndpoints', { status });
    expect(await judged(ask)).toMatch(/"fine".*does not list/);
  });
});
