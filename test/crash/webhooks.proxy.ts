import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { delivered, startDoor, token } from '../intake/door.ts';
import { freePort } from './service.ts';

/*
 * The listener for webhooks behind haproxy with ops/haproxy.cfg, as WATI reaches it: by TLS, with a certificate of this test.
 */
const folder = mkdtempSync(join(tmpdir(), 'wati-bff-webhooks-'));
const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
let door: Awaited<ReturnType<typeof startDoor>>;
let haproxy: ReturnType<typeof spawn>;
let url: string;
let log = '';

beforeAll(async () => {
  door = await startDoor({ server: { wrongPerSecond: 1_000 } });
  const [key, certificate, both] = ['key.pem', 'certificate.pem', 'both.pem'].map((name) => join(folder, name));
  const subject = ['-days', '2', '-subj', '/CN=localhost', '-keyout', `${key}`, '-out', `${certificate}`];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
  writeFileSync(`${both}`, readFileSync(`${certificate}`, 'utf8') + readFileSync(`${key}`, 'utf8'));
  const port = await freePort();
  const config = readFileSync('ops/haproxy.cfg', 'utf8')
    .replace('bind :8080', `bind 127.0.0.1:${await freePort()}`)
    .replace('bind :8443', `bind 127.0.0.1:${port}`)
    .replace(/server-template hook .*/, `server hook ${new URL(door.url).host}`);
  writeFileSync(join(folder, 'haproxy.cfg'), config);
  haproxy = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], {
    env: { ...process.env, WEBHOOKS_CERT: `${both}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [haproxy.stdout, haproxy.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
  }
  url = `https://127.0.0.1:${port}`;
  const up = () =>
    ask('GET', `/wati/${token}`).then(
      ({ status }) => status,
      () => 0,
    );
  await vi.waitFor(async () => expect(await up()).toBe(200), 20_000);
});
afterAll(async () => {
  haproxy.kill('SIGTERM');
  await once(haproxy, 'exit');
  await door.intake.close();
  rmSync(folder, { recursive: true });
});

async function ask(method: string, path: string, body?: string) {
  const answer = await request(`${url}${path}`, { method, body: body ?? null, dispatcher });
  return { status: answer.statusCode, text: await answer.body.text() };
}

it('lets webhooks through, and nothing but their path', async () => {
  expect(await ask('POST', `/wati/${token}`, JSON.stringify(delivered('1')))).toEqual({
    status: 200,
    text: '{"received":1}',
  });
  expect(await ask('POST', `/wati?token=${token}`, JSON.stringify([delivered('2')]))).toEqual({
    status: 200,
    text: '{"received":1}',
  });
  const before = door.badTokens();
  for (const path of ['/', '/health/live', '/metrics', '/v1/messages', '/wati', '/watix', `/x/wati/${token}`]) {
    expect(await ask('GET', path)).toEqual({ status: 404, text: '' });
  }
  expect(await ask('DELETE', `/wati/${token}`)).toEqual({ status: 404, text: '' });
  // Only what has the path of webhooks came as far as the service.
  expect(door.badTokens() - before).toBe(1);
  expect(await ask('POST', '/wati/wrong', '{}')).toEqual({ status: 404, text: '' });
});

it('answers a webhook that is too long as the service would', async () => {
  const { status, text } = await ask('POST', `/wati/${token}`, JSON.stringify('x'.repeat(1_100_000)));
  expect([status, JSON.parse(text)]).toEqual([200, { received: 0, ignored: 1 }]);
});

it('writes no address of a webhook down', () => {
  expect(log).toMatch(/webhooks\/hook/);
  expect(log).not.toMatch(/\/wati|tQ0bWJ3n/);
});
