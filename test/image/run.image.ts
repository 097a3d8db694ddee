import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { afterAll, expect, it } from 'vitest';
import { callerEntry } from '../../src/callers.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { compose, freePorts, memory, podman, start, stop, untilReady } from './podman.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-secrets-'));
// The container's user is unknown on this machine, so the files it reads are readable by all.
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

const order = {
  template: 'order_update',
  parameters: { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' },
};
const headers = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });

/** What a deployment hands in by file. */
function secrets(key: string, clientKey: string): void {
  writeFileSync(join(folder, 'maton_api_key'), key);
  writeFileSync(join(folder, 'clients.json'), JSON.stringify([callerEntry('tester', clientKey, { scopes: ['*'] })]));
}

it('runs the sandbox read-only and without rights, at the addresses that it prints, and ends with 0', async () => {
  const port = await freePorts();
  const ports = `127.0.0.1:${port}-${port + 1}:${port}-${port + 1}`;
  await start('sandbox', ['--publish', ports, '--env', `PORT=${port}`], ['sandbox']);
  await untilReady(`http://127.0.0.1:${port}/health/ready`);

  const printed = await podman('logs', 'sandbox');
  const key = /^ {2}Key +(\S+)/m.exec(printed)?.[1] ?? '';
  const docs = /^ {2}Docs +(\S+)/m.exec(printed)?.[1] ?? '';
  const ledger = /^ {2}Ledger +(\S+)/m.exec(printed)?.[1] ?? '';
  expect((await fetch(docs)).status).toBe(200);
  const sent = await fetch(docs.replace('/docs', '/v1/messages/template'), {
    method: 'POST',
    headers: headers(key),
    body: JSON.stringify({ to: '14155550000', ...order }),
  });
  expect([sent.status, await sent.json()]).toEqual([201, expect.objectContaining({ status: 'accepted' })]);
  expect(await (await fetch(ledger)).text()).toContain('14155550000');

  await podman('healthcheck', 'run', 'sandbox');
  const command = await podman('exec', 'sandbox', 'cat', '/proc/1/cmdline');
  expect(command.split('\0').slice(0, -1)).toEqual([
    'node',
    '--disable-sigusr1',
    '--max-semi-space-size=8',
    '--heap-growing-percent=50',
    '--initial-old-space-size=48',
    '--expose-gc',
    'dist/src/bin/wati-bff.js',
    'sandbox',
  ]);
  const status = await podman('exec', 'sandbox', 'cat', '/proc/1/status');
  expect(status).toMatch(/^Uid:\s+1000\s+1000\s/m);
  expect(status).toMatch(/^CapBnd:\s+0+$/m);
  await expect(podman('exec', 'sandbox', 'sh', '-c', 'echo x > /tmp/x')).rejects.toThrow('Read-only');
  expect((await stop('sandbox')).exitCode).toBe(0);
});

it('serves with secrets by file in 256 MB, under load, and finds its records again when it comes back', async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  secrets(simulator.key, 'client-key-of-the-image-test');
  const port = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    HOST: '127.0.0.1',
    PORT: String(port),
    MATON_API_KEY_FILE: '/run/secrets/maton_api_key',
    CLIENTS_FILE: '/run/secrets/clients.json',
    MATON_GATEWAY_URL: simulator.gatewayUrl,
    MATON_CONTROL_URL: simulator.controlUrl,
    MATON_RATE_PER_SECOND: '100000',
    WATI_PLAN: 'none',
    LOG_LEVEL: 'warn',
  };
  // Plain http to Maton is taken on loopback only, so the container shares this machine's.
  await start('serve', [
    '--network=host',
    ...Object.entries(settings).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    `--volume=${folder}:/run/secrets:ro`,
    '--volume=records:/data',
  ]);
  await untilReady(`${url}/health/ready`);
  await sleep(3_000);
  const idle = await memory('serve');

  const request = {
    method: 'POST',
    headers: headers('client-key-of-the-image-test'),
    body: JSON.stringify({ to: '14155550000', ...order }),
  } as const;
  const first = await fetch(`${url}/v1/messages/template`, request);
  expect(first.status).toBe(201);
  const load = await autocannon({ ...request, url: `${url}/v1/messages/template`, connections: 50, duration: 10 });
  expect({ errors: load.errors, refused: load.non2xx }).toEqual({ errors: 0, refused: 0 });
  const loaded = await memory('serve');
  expect(loaded.most).toBeLessThan(256);

  const ended = await stop('serve');
  expect(ended.exitCode).toBe(0);
  await podman('start', 'serve');
  const readyMs = await untilReady(`${url}/health/ready`);
  const again = await fetch(`${url}${first.headers.get('location')}`, { headers: request.headers });
  expect([again.status, await again.json()]).toEqual([200, expect.objectContaining({ status: 'accepted' })]);
  await podman('healthcheck', 'run', 'serve');
  expect((await stop('serve')).exitCode).toBe(0);
  await simulator.close();

  console.log(
    `start to ready ${readyMs} ms; resident ${idle.now} MB idle, ${loaded.most} MB at most at ` +
      `${Math.round(load.requests.average)} sends a second; stop ${ended.ms} ms`,
  );
});

it('comes up by compose.yaml: secrets, volume, limits, health', async () => {
  secrets('maton-key-of-nobody', 'client-key-of-the-image-test');
  const port = await freePorts();
  const text = readFileSync('compose.yaml', 'utf8')
    .replace('127.0.0.1:3000:3000', `127.0.0.1:${port}:3000`)
    .replaceAll('file: secrets/', `file: ${folder}/`)
    // Beside a limit of its own, podman asks for more processes than a machine may give.
    .replace('nofile: 8192 }', 'nofile: 8192, nproc: 4096 }');
  expect(text).toContain('core: 0, nofile: 8192, nproc');
  writeFileSync(join(folder, 'compose.yaml'), text);
  await compose(folder, 'up', '--detach', '--no-build');
  await untilReady(`http://127.0.0.1:${port}/health/live`);

  const name = await podman('ps', '--filter', 'label=com.docker.compose.service=wati-bff', '--format', '{{.Names}}');
  await podman('healthcheck', 'run', name);
  const [container] = JSON.parse(await podman('inspect', name));
  expect(container.HostConfig).toMatchObject({ ReadonlyRootfs: true, Memory: 256 * 1024 * 1024 });
  expect(container.EffectiveCaps ?? []).toEqual([]);
  const mine = await fetch(`http://127.0.0.1:${port}/v1/messages`, {
    headers: { authorization: 'Bearer client-key-of-the-image-test' },
  });
  expect([mine.status, await mine.json()]).toEqual([200, expect.objectContaining({ data: [] })]);
  await compose(folder, 'down', '--volumes');
});

it.each([
  ['--help', 0],
  ['client-key billing --scopes * --connections * --rate none', 0],
  ['nothing-of-the-kind', 2],
])('answers to %s with exit code %i', async (words, code) => {
  const run = podman('run', '--rm', 'wati-bff', ...words.split(' '));
  if (code === 0) expect(await run).toMatch(/client-key|wbff_/);
  else await expect(run).rejects.toMatchObject({ code, stderr: expect.stringContaining('no such command') });
});
