import { type ChildProcess, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { parseCallers } from '../../src/callers/parse.ts';
import { fixedCallers } from '../../src/callers.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { compileCache } from '../support/compile-cache.ts';
import { startCollector } from '../tracing/collector.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-bin-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function start(command: string, args: string[], settings: Record<string, string> = {}) {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...compileCache, ...settings },
  });
  children.push(child);
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    output.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.err += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }));
  return { child, output, ended };
}

const all = ['--scopes', '*', '--connections', '*', '--rate', 'none'];
const run = (script: string, args: string[] = [], settings: Record<string, string> = {}) =>
  start(process.execPath, [`src/bin/${script}.ts`, ...args], settings).ended;

async function makeKey(...args: string[]) {
  const { code, out } = await run('client-key', args);
  expect(code).toBe(0);
  const key = /^ {2}(\S+)$/m.exec(out)?.[1] ?? '';
  return { key, entry: out.slice(out.indexOf('{')), out };
}

describe.concurrent('npm run client-key', () => {
  it('prints a key once, and an entry that grants access', async () => {
    const args = ['billing', '--scopes', 'messages:send, templates:read', '--connections', 'one,two', '--rate', '50'];
    args.push('--events', 'message.*,broadcast.finished', '--inbound', 'unrouted');
    const { key, entry, out } = await makeKey(...args);
    const caller = fixedCallers(parseCallers(`[${entry}]`)).find(key);
    expect(key).toMatch(/^[!-~]{40,255}$/);
    expect(caller).toEqual({
      id: 'billing',
      name: 'billing',
      keyId: hash('sha256', key).slice(0, 8),
      scopes: ['messages:send', 'templates:read'],
      connections: ['one', 'two'],
      events: ['message.*', 'broadcast.finished'],
      inbound: 'unrouted',
      ratePerSecond: 50,
    });
    expect(out.split(key)).toHaveLength(2);
    expect((await makeKey('billing', ...all)).key).not.toBe(key);
  });

  it.each([
    ['no name', all],
    ['no scopes', ['billing', '--connections', '*', '--rate', 'none']],
    ['no connections', ['billing', '--scopes', '*', '--rate', 'none']],
    ['an empty list of connections', ['billing', '--scopes', '*', '--connections', ' , ', '--rate', 'none']],
    ['all connections and one', ['billing', '--scopes', '*', '--connections', '*,one', '--rate', 'none']],
    ['no rate', ['billing', '--scopes', '*', '--connections', '*']],
    ['an unknown scope', ['billing', '--scopes', 'messages:write', '--connections', '*', '--rate', 'none']],
    ['an unknown option', ['billing', '--scope', '*']],
    ['a name with a space', ['bil ling', ...all]],
    ['a reserved name', ['operator', ...all]],
    ['a rate that is no number', ['billing', '--scopes', '*', '--connections', '*', '--rate', 'fast']],
    ['a rate of nothing', ['billing', '--scopes', '*', '--connections', '*', '--rate', '0']],
    ['an unknown event', ['billing', ...all, '--events', 'message.recieved']],
    ['an unknown share of the answers', ['billing', ...all, '--events', '*', '--inbound', 'mine']],
    ['answers of others without events', ['billing', ...all, '--inbound', 'all']],
    ['a key id and nothing to revoke', ['billing', ...all, '--key', '0123abcd']],
    ['a key in the place of its id', ['billing', '--revoke', 'clients.json', '--key', 'wbff_something']],
    ['two things to do', ['billing', '--add', 'clients.json', '--revoke', 'clients.json']],
    ['scopes for one who goes', ['billing', '--scopes', '*', '--revoke', 'clients.json']],
    ['a name for the list', ['billing', '--list', 'clients.json']],
  ])('explains itself and makes no key with %s', async (_what, args) => {
    const { code, out, err } = await run('client-key', args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('npm run client-key -- NAME --scopes');
    expect(err).not.toMatch(/\n\s+at /);
  });
});

describe.concurrent('npm run client-key with a FILE', () => {
  const file = (name: string) => join(folder, name);
  const entriesOf = (path: string) => parseCallers(readFileSync(path, 'utf8'));

  it('makes the file, adds callers and keys, lists and revokes them', async () => {
    const path = file('made.json');
    const first = await makeKey(
      'billing',
      '--scopes',
      'messages:send',
      '--connections',
      'one',
      '--rate',
      '5',
      '--add',
      path,
    );
    const other = await makeKey('ops', ...all, '--add', path);
    const second = await makeKey('billing', '--add', path);
    const callers = () => fixedCallers(entriesOf(path));
    for (const { key } of [first, second])
      expect(callers().find(key)).toMatchObject({ name: 'billing', ratePerSecond: 5 });
    expect(first.out).not.toContain('sha256');
    const [firstId, secondId, otherId] = [first, second, other].map(({ key }) => hash('sha256', key).slice(0, 8));

    const list = await run('client-key', ['--list', path]);
    expect(list.code).toBe(0);
    expect(list.out).toMatch(new RegExp(`^billing +${firstId} ${secondId} +messages:send +one$`, 'm'));
    expect(list.out).toMatch(new RegExp(`^ops +${otherId} +\\* +\\*$`, 'm'));

    expect((await run('client-key', ['--revoke', path, 'billing', '--key', String(firstId)])).code).toBe(0);
    expect([first, second].map(({ key }) => callers().find(key)?.name)).toEqual([undefined, 'billing']);
    expect((await run('client-key', ['--revoke', path, 'billing'])).code).toBe(0);
    expect(entriesOf(path).map(({ name }) => name)).toEqual(['ops']);
  });

  it.each([
    ['that is not there', undefined, ['--list']],
    ['that is not there', undefined, ['billing', '--revoke']],
    ['that has faults', '[{]', ['billing', ...all, '--add']],
    ['without the caller', '[]', ['billing', '--revoke']],
    ['without the caller', '[]', ['billing', '--add']],
  ])('ends with 1 and leaves a file %s as it was', async (_what, content, args) => {
    const path = file(`refused-${[content, ...args].join('').replace(/\W/g, '')}.json`);
    if (content !== undefined) writeFileSync(path, content);
    const { code, out, err } = await run('client-key', [...args, path]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(`${path} stands as it was: `);
    expect(err).not.toMatch(/\n\s+at /);
    if (content !== undefined) expect(readFileSync(path, 'utf8')).toBe(content);
  });
});

describe.concurrent('npm run client-key with wrong arguments', () => {
  it('reports every fault at once, with the scopes that may have been meant', async () => {
    const { err } = await run('client-key', [
      'bil ling',
      'two',
      '--scopes',
      'messages:write,nothing',
      '--rate',
      'fast',
    ]);
    for (const words of [
      '"bil ling" is no name',
      'one NAME, not several: two',
      'there is no scope "messages:write"; there is messages:read, messages:send, messages:urgent',
      'there is no scope "nothing"',
      '--connections is missing',
      '--rate fast is no number',
    ])
      expect(err).toContain(words);
  });
});

describe.concurrent('npm start', () => {
  const secret = 'maton-key-of-this-test';

  it('refuses to run without a key, reports every fault and points to the sandbox', async () => {
    const { code, out, err } = await start('npm', ['start', '--silent'], { PORT: 'abc', DOCS: 'maybe' }).ended;
    expect(code).toBe(1);
    expect(out).toBe('');
    for (const part of ['4 faults', 'MATON_API_KEY', 'CLIENTS_FILE', 'PORT', 'DOCS', 'npm run sandbox'])
      expect(err).toContain(part);
    expect(err).not.toMatch(/\n\s+at /);
  });

  it.each([
    ['does not exist', 'nowhere.json', undefined],
    ['is broken', 'broken.json', '[{"name": "billing"'],
  ])('refuses to run where the callers file %s', async (_what, name, content) => {
    const file = join(folder, name);
    if (content !== undefined) writeFileSync(file, content);
    const { code, out, err } = await run('server', [], { MATON_API_KEY: secret, CLIENTS_FILE: file, PORT: '0' });
    expect(code).toBe(1);
    expect(err).toContain('CLIENTS_FILE');
    expect(out + err).not.toContain(secret);
  });

  it('works with a key of client-key, exits with 0 on SIGTERM, and never shows the Maton key', async () => {
    const simulator = await startSimulator();
    const { key, entry } = await makeKey(
      'billing',
      '--scopes',
      'connections:read',
      '--connections',
      '*',
      '--rate',
      'none',
    );
    const clients = join(folder, 'clients.json');
    writeFileSync(clients, `[${entry}]`);
    const begun = performance.now();
    const { child, output, ended } = start(process.execPath, ['src/bin/server.ts'], {
      MATON_API_KEY: simulator.key,
      MATON_GATEWAY_URL: simulator.gatewayUrl,
      MATON_CONTROL_URL: simulator.controlUrl,
      CLIENTS_FILE: clients,
      PORT: '0',
      DRAIN_DELAY_MS: '1',
      STORE_URL: 'memory:',
    });
    const address = () => /http:\/\/127\.0\.0\.1:\d+/.exec(output.out.replace(/"(gateway|control)[^,]*,/g, ''))?.[0];
    while (address() === undefined && child.exitCode === null && performance.now() - begun < 50_000) await sleep(10);
    const ready = await request(`${address()}/health/ready`);
    const readyMs = Math.round(performance.now() - begun);
    expect(ready.statusCode).toBe(200);
    await ready.body.dump();
    process.stdout.write(`start to ready: ${readyMs} ms\n`);

    const mine = await request(`${address()}/v1/connections`, { headers: { authorization: `Bearer ${key}` } });
    expect([mine.statusCode, (await mine.body.text()).includes('"active"')]).toEqual([200, true]);
    const other = await request(`${address()}/v1/templates`, { headers: { authorization: `Bearer ${key}` } });
    expect(other.statusCode).toBe(403);
    await other.body.dump();

    child.kill('SIGTERM');
    const { code, signal, out, err } = await ended;
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    for (const hidden of [simulator.key, key]) expect(out + err).not.toContain(hidden);
    expect(out).toContain('"route":"/v1/connections"');
    const started = out.split('\n').find((line) => line.includes('"msg":"started'));
    expect(JSON.parse(started ?? '{}')).toMatchObject({
      version: '0.1.0',
      store: 'memory, writable',
      callers: 1,
      gateway: 'reachable',
      key: 'accepted',
      connection: 'active',
      docs: `${address()}/docs`,
      msg: 'started, and ready',
    });
    for (const setting of ['MATON_GATEWAY_URL', 'MATON_CONTROL_URL']) expect(out).toContain(`"setting":"${setting}"`);
    await simulator.close();
  });

  it('ends with 1 at once, and says why, if the thread of the store ends', async () => {
    const clients = join(folder, 'thread.json');
    writeFileSync(clients, '[]');
    const loseThread = 'process.once("worker", (thread) => process.once("SIGWINCH", () => thread.terminate()))';
    const { child, output, ended } = start(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(loseThread)}`, 'src/bin/server.ts'],
      {
        MATON_API_KEY: secret,
        MATON_CONTROL_URL: 'http://127.0.0.1:1',
        CLIENTS_FILE: clients,
        STORE_URL: `file:${join(folder, 'thread.db')}`,
        PORT: '0',
        DRAIN_DELAY_MS: '1',
        SHUTDOWN_TIMEOUT_MS: '40000',
      },
    );
    await vi.waitFor(() => expect(output.out).toContain('listening'), 50_000);
    const lostAt = performance.now();
    child.kill('SIGWINCH');
    const { code, out } = await ended;
    expect(code).toBe(1);
    expect(performance.now() - lostAt).toBeLessThan(20_000);
    const fatal = out.split('\n').find((line) => line.includes('"level":"fatal"'));
    expect(JSON.parse(fatal ?? '{}')).toMatchObject({ reason: 'StoreError', msg: 'a fault ends the process' });
  });

  it.each(['PORT', 'ADMIN_PORT'])('ends with 1 where %s is taken', async (name) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const clients = join(folder, `${name}.json`);
    writeFileSync(clients, '[]');
    const settings = { MATON_API_KEY: secret, CLIENTS_FILE: clients, STORE_URL: 'memory:', PORT: '0' };
    const { code, err } = await run('server', [], { ...settings, [name]: String(port) });
    expect([code, err]).toEqual([1, expect.stringContaining('EADDRINUSE')]);
    taken.close();
  });

  it.each([
    ['an address of another machine', { HOST: '192.0.2.1' }, 'EADDRNOTAVAIL'],
    ['a store in what is no folder', { STORE_URL: 'file:/dev/null/a.db' }, 'cannot open the store'],
    ['a database that is not there', { STORE_URL: 'postgres://a:b@127.0.0.1:1/c' }, 'the store could not open'],
    ['a public address that is none', { PUBLIC_URL: 'wati.example.com' }, 'PUBLIC_URL must be an address such as'],
  ])('ends with 1 where it cannot start: %s', async (name, wrong, words) => {
    const clients = join(folder, `${name.replaceAll(' ', '-')}.json`);
    writeFileSync(clients, '[]');
    const settings = { MATON_API_KEY: secret, CLIENTS_FILE: clients, STORE_URL: 'memory:', PORT: '0' };
    const { code, err } = await run('server', [], { ...settings, ...wrong });
    expect([code, err]).toEqual([1, expect.stringContaining(words)]);
    expect(err).not.toBe('');
  });

  it('traces if OTEL_* is set, exports the last spans before it exits, and does not start if they are wrong', async () => {
    const simulator = await startSimulator();
    const collector = await startCollector();
    const clients = join(folder, 'none.json');
    writeFileSync(clients, '[]');
    const settings = {
      MATON_API_KEY: simulator.key,
      MATON_GATEWAY_URL: simulator.gatewayUrl,
      MATON_CONTROL_URL: simulator.controlUrl,
      CLIENTS_FILE: clients,
      PORT: '0',
      DRAIN_DELAY_MS: '1',
      STORE_URL: 'memory:',
    };
    const wrong = await run('server', [], { ...settings, OTEL_TRACES_EXPORTER: 'zipkin' });
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('OTEL_TRACES_EXPORTER must be otlp or none') });

    const traced = { ...settings, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const { child, output, ended } = start(process.execPath, ['src/bin/server.ts'], traced);
    const address = () => /http:\/\/127\.0\.0\.1:\d+/.exec(output.out.replace(/"(gateway|control)[^,]*,/g, ''))?.[0];
    await vi.waitFor(() => expect(address()).toBeDefined(), 50_000);
    await (await request(`${address()}/health/live`)).body.dump();
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(collector.spans).toContainEqual(expect.objectContaining({ name: 'GET /health/live', kind: 'server' }));
    expect(collector.text).not.toContain(simulator.key);
    collector.close();
    await simulator.close();
  });
});
