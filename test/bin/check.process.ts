import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callerEntry } from '../../src/callers.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { openStore } from '../../src/store/open.ts';
import { freePort } from '../crash/service.ts';
import { OPTIONS } from '../store/samples.ts';
import { startReceiver } from '../webhooks/receiver.ts';
import { signingKey } from '../webhooks/samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-check-'));
afterAll(() => rmSync(folder, { recursive: true }));
const clients = join(folder, 'clients.json');
writeFileSync(clients, JSON.stringify([callerEntry('billing', 'key-of-billing-in-this-test', { scopes: ['*'] })]));
const storeUrl = `file:${join(folder, 'records.db')}`;
const seeded = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
});
/** Nothing was sent, whatever was found. */
afterEach(async () => {
  const made = simulator.ledger.entries.filter(({ method }) => method !== 'GET');
  await simulator.close();
  expect(made).toEqual([]);
});

async function check(settings: Record<string, string | undefined> = {}, args: string[] = []) {
  const env = {
    PATH: process.env.PATH,
    MATON_API_KEY: simulator.key,
    MATON_GATEWAY_URL: simulator.gatewayUrl,
    MATON_CONTROL_URL: simulator.controlUrl,
    CLIENTS_FILE: clients,
    STORE_URL: storeUrl,
    ...settings,
  };
  const child = spawn(process.execPath, ['src/bin/wati-bff.ts', 'check', ...args], { env });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      text += chunk;
    });
  const [code] = await once(child, 'close');
  expect(text).not.toContain(simulator.key);
  expect(text).not.toContain('session_token');
  return { code, text, words: text.match(/^(ok|FAIL|skip) +\w+/gm)?.map((line) => line.replace(/ +/, ' ')) };
}

describe('wati-bff check', () => {
  it('reports that each part works, and exits with 0', async () => {
    const { code, text, words } = await check();
    expect([code, words]).toEqual([
      0,
      ['ok settings', 'ok clients', 'ok store', 'ok key', 'ok connection', 'ok gateway'],
    ]);
    expect(text).toContain(`${seeded} is the only active one`);
    expect(text).toContain(`set MATON_CONNECTION_ID=${seeded}: billing may connect accounts`);
    expect(simulator.ledger.entries.map(({ operation }) => operation)).toEqual([
      'listConnections',
      'getMessageTemplates',
    ]);
  });

  it('checks the listener for webhooks if there is to be one', async () => {
    const tokens = join(folder, 'tokens.json');
    writeFileSync(tokens, JSON.stringify([{ name: 'acme', tokenSha256: [hash('sha256', 'T')], connectionId: seeded }]));
    const port = await freePort();
    simulator.webhooks.pointTo(`http://127.0.0.1:${port}/wati/T`);
    const { code, text, words } = await check({
      INTAKE_PORT: String(port),
      INTAKE_TOKENS_FILE: tokens,
      INTAKE_PUBLIC_URL: `http://127.0.0.1:${port}`,
    });
    expect([code, words?.slice(-2)]).toEqual([0, ['ok intake', 'ok subscription']]);
    expect(text).toContain('came in here');
    expect(text).not.toContain('/wati/');
  });

  it('tells of callers that are given events or webhooks in vain', async () => {
    const file = join(folder, 'told.json');
    const events = ['message.*'];
    const told = [
      callerEntry('crm', 'key-of-crm-in-this-test', { scopes: ['events:read'], events }),
      callerEntry('shop', 'key-of-shop-in-this-test', { scopes: ['webhooks:write'] }),
    ];
    writeFileSync(file, JSON.stringify(told));
    const { code, text } = await check({ CLIENTS_FILE: file });
    expect(code).toBe(0);
    expect(text).toContain('crm: `events` are listed, but nothing that WATI tells arrives without INTAKE_PORT');
    expect(text).toContain('shop: scopes of webhooks, but EVENTS_SIGNING_KEY and WEBHOOK_ALLOWED_HOSTS');
    expect(text).toContain('shop: scopes of webhooks, but no `events`');
    const settings = { EVENTS_SIGNING_KEY: signingKey, WEBHOOK_ALLOWED_HOSTS: 'hooks.example' };
    expect((await check({ CLIENTS_FILE: file, ...settings })).text).not.toContain('do not set them up');
  });

  it('tries the webhook endpoints of callers, and posts to them only when told so', async () => {
    const url = `file:${join(folder, 'endpoints.db')}`;
    const receiver = await startReceiver();
    const store = await openStore(url, OPTIONS);
    const address = `http://127.0.0.1:${receiver.port}/secret-path`;
    for (const [id, target] of [
      ['whe_good', address],
      ['whe_unlisted', 'https://169.254.169.254/'],
    ] as const)
      await store.createEndpoint({ id, caller: 'billing', url: target, types: ['*'], position: 0 }, 5);
    await store.close();
    const settings = {
      STORE_URL: url,
      EVENTS_SIGNING_KEY: signingKey,
      WEBHOOK_ALLOWED_HOSTS: `http://127.0.0.1:${receiver.port}`,
    };
    const dry = await check(settings);
    expect([dry.code, dry.words?.slice(6)]).toEqual([1, ['ok webhooks', 'ok webhooks', 'FAIL webhooks']]);
    expect(dry.text).toContain(`billing whe_good at 127.0.0.1:${receiver.port}: may be called; nothing was sent`);
    expect(dry.text).toContain('billing whe_unlisted at 169.254.169.254: ');
    expect(receiver.received).toEqual([]);
    const sent = await check(settings, ['--send']);
    expect(sent.text).toContain('took a signed test in');
    expect(receiver.received.map(({ path }) => path)).toEqual(['/secret-path']);
    receiver.answer((_, response) => void response.writeHead(503).end());
    const failed = await check(settings, ['--send']);
    expect(failed.text).toContain(`whe_good at 127.0.0.1:${receiver.port}: answered 503`);
    for (const { text } of [dry, sent, failed]) {
      expect(text).not.toContain('secret-path');
      expect(text).not.toContain(signingKey.slice(0, 20));
    }
    const halfway = await check({ STORE_URL: url, EVENTS_SIGNING_KEY: signingKey });
    expect(halfway.text).toMatch(/^FAIL {2}webhooks +WEBHOOK_ALLOWED_HOSTS names no host/m);
    expect((await check(settings, ['--sned'])).code).toBe(2);
    await receiver.close();
  });

  it('reports that the only active connection is not the one that was used before', async () => {
    const url = `file:${join(folder, 'pinned.db')}`;
    const store = await openStore(url, OPTIONS);
    await store.pin('only-connection', 'ours');
    await store.close();
    const { code, text, words } = await check({ STORE_URL: url });
    expect([code, words?.slice(3)]).toEqual([1, ['ok key', 'FAIL connection', 'ok gateway']]);
    expect(text).toContain('ours is the one that was used before');
    expect(text).toContain(`MATON_CONNECTION_ID=${seeded}`);
    expect((await check({ STORE_URL: url, MATON_CONNECTION_ID: seeded })).code).toBe(0);
  });

  it('reports every fault of the settings, checks the callers all the same, and makes no calls', async () => {
    const { code, text, words } = await check({ MATON_API_KEY: undefined, PORT: 'abc' });
    expect([code, words?.slice(0, 3)]).toEqual([1, ['FAIL settings', 'ok clients', 'skip store']]);
    for (const fault of ['MATON_API_KEY is required', 'PORT must be a whole number from 0 to 65535'])
      expect(text).toContain(fault);
    expect(simulator.ledger.entries).toEqual([]);
  });

  it('reports a key that Maton refuses', async () => {
    simulator.tenant.settings.matonKey = 'revoked';
    const { code, text, words } = await check();
    expect([code, words?.slice(3)]).toEqual([1, ['FAIL key', 'skip connection', 'skip gateway']]);
    expect(text).toContain('Maton refuses the key');
    expect(text).toContain('-> Copy the key again');
  });

  it('distinguishes that from a token that WATI refuses', async () => {
    simulator.tenant.settings.watiToken = 'revoked';
    const { code, text, words } = await check();
    expect([code, words?.slice(3)]).toEqual([1, ['ok key', 'ok connection', 'FAIL gateway']]);
    expect(text).toContain('WATI refuses the token');
    expect(text).toContain('-> POST /v1/connections');
  });

  it('reports that Maton cannot be reached', async () => {
    const { code, text } = await check({ MATON_CONTROL_URL: 'http://127.0.0.1:9' });
    expect(code).toBe(1);
    expect(text).toMatch(
      /^FAIL {2}key +Maton's API for connections could not be reached: it takes no connections \(ECONNREFUSED\)/m,
    );
    expect(text).toContain('-> Look at the network');
  });

  it.each([
    ['that is pending', 'none is active; 2 pending'],
    ['of none', 'there is none'],
  ])('says of a connection %s how to make one', async (what, words) => {
    if (what === 'of none') simulator.tenant.connections.length = 0;
    for (const connection of simulator.tenant.connections) connection.status = 'PENDING';
    const { code, text } = await check();
    expect(code).toBe(1);
    expect(text).toContain(words);
    expect(text).toContain('authorizationUrl');
  });

  it('reports that the configured connection is unknown', async () => {
    const { code, text } = await check({ MATON_CONNECTION_ID: 'another' });
    expect(code).toBe(1);
    expect(text).toContain('another (MATON_CONNECTION_ID) is not known to Maton');
    expect(text).toContain(`Or name another: ${seeded}`);
  });

  it('checks each of several connections, and says that callers must choose', async () => {
    const second = simulator.tenant.addConnection();
    const { code, text } = await check();
    expect(code).toBe(0);
    expect(text).toContain('2 are active: callers must name one');
    for (const id of [seeded, second.id]) expect(text).toContain(`WATI answers for ${id}`);
  });

  it('reports that the running service uses the store, which is no fault', async () => {
    const forever = Number.MAX_SAFE_INTEGER;
    const kept = { keyRetentionMs: forever, unknownRetentionMs: forever, recordRetentionMs: forever };
    const running = await openStore(storeUrl, { ...kept, leaseMs: 15_000 });
    const { code, text } = await check();
    await running.close();
    expect(code).toBe(0);
    expect(text).toMatch(/^ok {4}store +.* is in use, by a running service/m);
  });

  it('reports that a store cannot be opened', async () => {
    const { code, text, words } = await check({ STORE_URL: `file:${clients}/records.db` });
    expect([code, words?.[2]]).toEqual([1, 'FAIL store']);
    expect(text).toContain('-> STORE_URL must name a file');
  });

  it('never shows the password of a database', async () => {
    const { code, text } = await check({ STORE_URL: 'postgres://bff:pass-of-nobody@127.0.0.1:9/bff' });
    expect(code).toBe(1);
    expect(text).toContain('the database does not let us in (ECONNREFUSED)');
    expect(text).not.toContain('pass-of-nobody');
  });

  it.each([
    ['has faults', '{"name": "x"}', 'it must be a list'],
    ['is empty', '[]', 'nobody can call'],
  ])('says that the callers file %s', async (_what, content, words) => {
    const file = join(folder, 'wrong.json');
    writeFileSync(file, content);
    const { code, text } = await check({ CLIENTS_FILE: file });
    expect(code).toBe(1);
    expect(text).toMatch(/^FAIL {2}clients/m);
    expect(text).toContain(words);
  });

  it('reports expired keys, which are no fault', async () => {
    const file = join(folder, 'expired.json');
    const keys = [{ sha256: 'a'.repeat(64), notAfter: '2020-01-31' }, { sha256: 'b'.repeat(64) }];
    writeFileSync(file, JSON.stringify([{ name: 'billing', keys, scopes: ['*'], connections: ['*'] }]));
    const { code, text } = await check({ CLIENTS_FILE: file });
    expect(code).toBe(0);
    expect(text).toMatch(/^ok {4}clients +1 caller in .*\n +expired, and refused: billing aaaaaaaa$/m);
  });
});
