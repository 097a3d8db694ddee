import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseTokens } from '../../src/intake/token-entry.ts';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-intake-'));
afterAll(() => rmSync(folder, { recursive: true }));
const connection = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const file = join(folder, 'tokens.json');

function run(program: string, args: string[], settings: Record<string, string> = {}) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...settings } };
    const child = execFile(process.execPath, ['src/bin/wati-bff.ts', program, ...args], options, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
  });
}
const tokenIn = (out: string) => /\/wati\/([A-Za-z0-9_-]{43})$/m.exec(out)?.[1] ?? '';
const hashes = () => parseTokens(readFileSync(file, 'utf8')).flatMap(({ tokenSha256 }) => tokenSha256);

describe('wati-bff intake-token', () => {
  it('prints an address once, its entry, and the events to tick', async () => {
    const { code, out } = await run('intake-token', [connection], {
      INTAKE_PUBLIC_URL: 'https://hooks.example.com/in/',
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}https:\/\/hooks\.example\.com\/in\/wati\/[A-Za-z0-9_-]{43}$/m);
    for (const event of ['sentMessageREAD_v2', 'templateMessageFailed', 'message_bsuid'])
      expect(out).toContain(`\n  ${event}\n`);
    const entry: unknown = JSON.parse(out.slice(out.indexOf('\n{')));
    expect(entry).toEqual({ name: connection, tokenSha256: [hash('sha256', tokenIn(out))], connectionId: connection });
  });

  it('adds, replaces without a gap, lists and revokes in the file itself', async () => {
    const first = await run('intake-token', [connection, '--name', 'acme', '--add', file]);
    expect([first.code, statSync(file).mode & 0o777]).toEqual([0, 0o600]);
    const second = await run('intake-token', [connection, '--name', 'acme', '--add', file]);
    const [one = '', two = ''] = [first, second].map(({ out }) => hash('sha256', tokenIn(out)));
    expect(hashes()).toEqual([one, two]);
    expect((await run('intake-token', ['--list', file])).out).toContain(
      `acme  ${one.slice(0, 8)} ${two.slice(0, 8)}  ${connection}`,
    );
    expect((await run('intake-token', ['--revoke', file, 'ACME', '--token', one.slice(0, 8)])).code).toBe(0);
    expect(hashes()).toEqual([two]);
    const only = await run('intake-token', ['--revoke', file, 'acme', '--token', two.slice(0, 8)]);
    expect([only.code, only.err]).toEqual([1, expect.stringContaining('it is the only token of acme')]);
  });

  it('refuses wrong arguments with every fault', async () => {
    const { code, err } = await run('intake-token', ['--token', 'x', '--add', '', 'a', 'b']);
    expect(code).toBe(2);
    for (const fault of ['--add names no FILE', 'one word, not several: b', '--token goes with --revoke'])
      expect(err).toContain(fault);
  });
});

describe('wati-bff intake-retry', () => {
  it('makes entries due again that were set aside, and reports how many', async () => {
    const url = `file:${join(folder, 'records.db')}`;
    const store = await openStore(url, OPTIONS);
    await store.recordIntake([{ key: 'k', connectionId: connection, receivedAtMs: 1, body: '{}' }]);
    const [entry] = await store.dueIntake(1);
    await store.failIntake([entry?.seq ?? 0]);
    const running = await run('intake-retry', [], { STORE_URL: url });
    expect([running.code, running.err]).toEqual([1, expect.stringContaining('stop it, run this, and start it again')]);
    await store.close();
    expect(await run('intake-retry', [], { STORE_URL: url })).toEqual({
      code: 0,
      out: '1 event is tried again.\n',
      err: '',
    });
    const again = await openStore(url, OPTIONS);
    expect(await again.dueIntake(1)).toMatchObject([{ key: 'k', tries: 0 }]);
    await again.close();
  });
});

it('does not start with a faulty tokens file, and reports faults of the callers file as well', async () => {
  const faulty = join(folder, 'faulty.json');
  writeFileSync(faulty, '[{"name": "acme", "tokenSha256": [], "connectionId": "c"}]');
  const { code, err } = await run('serve', [], {
    MATON_API_KEY: 'a-key-that-is-long-enough',
    CLIENTS_FILE: join(folder, 'none.json'),
    INTAKE_PORT: '0',
    INTAKE_TOKENS_FILE: faulty,
    STORE_URL: 'memory:',
  });
  expect(code).toBe(1);
  expect(err).toMatch(
    /2 faults:\n {2}- CLIENTS_FILE: ENOENT.*\n {2}- INTAKE_TOKENS_FILE: acme: "tokenSha256" must not be an empty list/,
  );
});
