import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compileCache } from '../support/compile-cache.ts';
import { isRecord } from '../support/json.ts';

const key = 'sandbox-key-of-nobody';

function start(args: string[], settings: Record<string, string> = {}, node: string[] = []) {
  const child = spawn(process.execPath, [...node, 'src/bin/sandbox.ts', ...args], {
    env: { PATH: process.env.PATH, PORT: '0', ...compileCache, ...settings },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, out, err }));
  const printed = () => out;
  /** The address of the readiness line, which is the last one. */
  const ready = async () => {
    for (;;) {
      const url = /^Ready: (http:\/\/\S+)\n$/m.exec(out)?.[1];
      if (url !== undefined) return url;
      await once(child.stdout, 'data');
    }
  };
  return { child, ended, ready, printed };
}

async function sendText(url: string, to: string) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/messages/text`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ to, text: 'Hello' }),
  });
  const body: unknown = await answer.json();
  return isRecord(body) ? body : {};
}

describe('npm run sandbox', () => {
  it('reports when it is ready, and makes the ids of its seed', async () => {
    const firstId = async (args: string[], settings: Record<string, string> = {}) => {
      const { ready, child, ended } = start(args, settings);
      const url = await ready();
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      const { id } = await sendText(url, '14155551000');
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 0, signal: null, err: '' });
      return id;
    };
    const id = await firstId(['--seed', '7']);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await firstId([], { SANDBOX_SEED: '7' })).toBe(id);
    expect(await firstId(['--seed', '8'], { SANDBOX_SEED: '7' })).not.toBe(id);
  });

  it('prints the lines of a rehearsal, which run as they stand', async () => {
    const { ready, printed } = start([]);
    await ready();
    const lines = printed().split('\n');
    const line = (end: string) => lines.find((each) => each.endsWith(end))?.trim() ?? '';
    const folder = mkdtempSync(join(tmpdir(), 'wati-bff-rehearsal-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const here = (text: string) => text.replaceAll('rehearsal-clients.json', join(folder, 'clients.json'));
    const run = promisify(execFile);
    await run('sh', ['-c', here(line('rehearsal-clients.json'))]);
    const { stdout } = await run('sh', ['-c', here(line('npm run check'))]);
    expect(stdout).toContain('All is well.');
    const service = spawn('sh', [
      '-c',
      `exec env ${here(line('npm start')).replace('npm start', `${process.execPath} src/bin/server.ts`)}`,
    ]);
    onTestFinished(() => void service.kill('SIGKILL'));
    let log = '';
    for await (const chunk of service.stdout) {
      log += chunk;
      if (log.includes('"msg":"started')) break;
    }
    expect(log).toContain('started, and ready');
  });

  it('exits with 0 on Ctrl-C, at once, even if clients still wait for an answer', async () => {
    const { ready, child, ended } = start([]);
    const url = await ready();
    const hung = sendText(url, '14155550301');
    const isThere = async () => {
      const ledger = await fetch(`${url}/_sandbox/ledger?recipient=14155550301`);
      return (await ledger.text()).includes('sendSessionMessage');
    };
    while (!(await isThere()));
    child.kill('SIGINT');
    expect(await hung).toMatchObject({ status: 'unknown' });
    expect(await ended).toMatchObject({ code: 0, signal: null });
  });

  it('keeps nothing of sixty resets, because a suite may have thousands', { timeout: 180_000 }, async () => {
    // A service that stayed behind would hold some 1.5 MB of it.
    const { ready, child, ended } = start([], {}, ['--max-old-space-size=96']);
    const url = await ready();
    for (let round = 0; round < 60; round += 1) {
      expect((await fetch(`${url}/_sandbox/reset`, { method: 'POST' })).status).toBe(200);
    }
    expect((await sendText(url, '14155551000')).status).toBe('accepted');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('reports a port that is in use, and arguments that it does not know', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const address = other.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const taken = await start([], { PORT: port }).ended;
    expect(taken).toMatchObject({ code: 1, out: '', err: expect.stringContaining('EADDRINUSE') });
    expect(taken.err).toContain('PORT=4000');
    expect(await start(['--sead', '7']).ended).toMatchObject({
      code: 2,
      err: expect.stringContaining('[--seed SEED]'),
    });
    expect(await start(['--webhooks', 'nowhere']).ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('Webhooks go to an http or https address'),
    });
    const wrong = await start([], { MATON_RATE_PER_SECOND: 'many' }).ended;
    expect(wrong).toMatchObject({
      code: 1,
      err: expect.stringContaining('MATON_RATE_PER_SECOND must be a whole number from 1 to 1000000'),
    });
  });
});
