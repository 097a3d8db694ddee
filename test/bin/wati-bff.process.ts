import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileCache } from '../support/compile-cache.ts';

function run(args: string[], settings: Record<string, string> = {}) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...compileCache, ...settings } };
    const child = execFile(process.execPath, ['src/bin/wati-bff.ts', ...args], options, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
  });
}

describe.concurrent('docker run IMAGE', () => {
  it.each([[[]], [['serve']]])('starts the service with the words %j', async (words) => {
    const { code, out, err } = await run(words);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('MATON_API_KEY is required');
  });

  it('passes client-key its own arguments', async () => {
    const { code, out } = await run('client-key billing --scopes messages:send --connections * --rate none'.split(' '));
    expect(code).toBe(0);
    expect(out).toContain('"name": "billing"');
  });

  it.each(['--help', '-h'])('explains itself on %s', async (word) => {
    const { code, out, err } = await run([word]);
    expect([code, err]).toEqual([0, '']);
    for (const name of ['serve', 'sandbox', 'check', 'client-key', 'erase', 'intake-token', 'intake-retry'])
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  it.each(['serve', 'sandbox', 'check', 'client-key', 'erase', 'intake-token', 'intake-retry'])(
    'explains %s on --help, with its exit codes',
    async (name) => {
      for (const word of ['--help', '-h']) {
        const { code, out, err } = await run([name, word]);
        expect([code, err]).toEqual([0, '']);
        expect(out).toContain(name);
        expect(out).toMatch(/Exit codes: 0 /);
      }
    },
  );

  it.each([
    ['an unknown word', ['sandboxx'], 'no such command: sandboxx'],
    ['a name that every object has', ['constructor'], 'no such command: constructor'],
    ['an argument that would be ignored', ['serve', '--port', '80'], 'serve takes no arguments'],
  ])('refuses %s with exit code 2', async (_what, words, message) => {
    const { code, out, err } = await run(words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toContain('wati-bff [COMMAND]');
  });

  it('runs the sandbox on every interface, prints addresses that can be called, and keeps nothing', async ({
    onTestFinished,
  }) => {
    const settings = { HOST: '0.0.0.0', PORT: '0', STORE_URL: 'file:/nowhere/to/be/written.db' };
    const child = spawn(process.execPath, ['src/bin/wati-bff.ts', 'sandbox'], {
      env: { PATH: process.env.PATH, ...settings },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'close');
    let printed = '';
    for await (const chunk of child.stdout) {
      printed += chunk;
      if (printed.includes('Ctrl-C')) break;
    }
    for (const line of ['Docs', 'Ledger']) {
      const address = new RegExp(`^ {2}${line} +(http://127\\.0\\.0\\.1:\\d+/\\S+)`, 'm').exec(printed)?.[1] ?? line;
      expect((await fetch(address)).status).toBe(200);
    }
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  it('is built on the Node that the tests run on, in the version of the package', () => {
    const manifest: { version: string; devDependencies: { node: string } } = JSON.parse(
      readFileSync('package.json', 'utf8'),
    );
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    expect(dockerfile).toContain(`ARG NODE=node:${manifest.devDependencies.node}-bookworm-slim`);
    expect(dockerfile).toContain(`org.opencontainers.image.version="${manifest.version}"`);
  });
});
