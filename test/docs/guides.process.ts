import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileCache } from '../support/compile-cache.ts';
import { differences, type Step, stepsOf } from './guide.ts';

/** docs/operations.md and alerts.md are for those who run the image: test/image has that. docs/licences.md is a list (.ci/supply); the others explain. */
const others = [
  ...['operations.md', 'alerts.md', 'licences.md', 'settings.md', 'callers-file.md', 'protocol.md'],
  ...['rate-limiting.md', 'sandbox.md', 'glossary.md', 'measurements.md'],
];
const guides = readdirSync('docs').filter((name) => name.endsWith('.md') && !others.includes(name));
/** docs/clients.md needs packages of its own: `.ci/clients` installs them, and runs it. */
const packages = process.env.CLIENT_PACKAGES;
const documents = ['README.md', ...guides.map((name) => `docs/${name}`)].filter(
  (name) => (name === 'docs/clients.md') === (packages !== undefined),
);

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-guides-'));
const ended: (() => Promise<unknown>)[] = [];
let service = '';
let gateway = '';
/** Where the receiver of a guide listens. */
let receiver = '';

/** One sandbox for all: no guide leaves anything behind that disturbs another. */
beforeAll(async () => {
  if (packages !== undefined) symlinkSync(resolve(packages), join(folder, 'node_modules'));
  const child = spawn(process.execPath, ['src/bin/sandbox.ts'], {
    env: { PATH: process.env.PATH, PORT: '0', ...compileCache },
  });
  ended.push(() => {
    const end = once(child, 'close');
    child.kill('SIGTERM');
    return end;
  });
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += chunk;
    if (printed.includes('Ctrl-C')) break;
  }
  const address = (line: string) => new RegExp(`^ {2}${line} +(http://[\\d.:]+)/`, 'm').exec(printed)?.[1] ?? '';
  service = address('Docs');
  gateway = address('Ledger');
  expect([service, gateway]).not.toContain('');
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const bound = probe.address();
  receiver = typeof bound === 'object' && bound !== null ? String(bound.port) : '';
  await new Promise((resolve) => probe.close(resolve));
});
afterAll(async () => {
  for (const end of ended) await end();
  rmSync(folder, { recursive: true });
});

/** Where the guides have the service. */
const example = 'http://127.0.0.1:3000';
const mark = '@@ step';

/** The blocks of one document in one shell, as a reader pastes them; per block what it printed, and its statuses. */
async function run(steps: Step[]) {
  const script = [
    'set -eu',
    // A guide may start a receiver; it ends with the guide.
    "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
    `curl() { command curl -w '%{stderr}\\nHTTP %{http_code}\\n' "$@"; }`,
    ...steps.map(({ code }) => {
      const here = code
        .replaceAll(example, service)
        .replaceAll('http://127.0.0.1:3001', gateway)
        .replaceAll(/\b4001\b/g, receiver);
      return `printf '\\n${mark}\\n'; printf '\\n${mark}\\n' >&2\n${here}`;
    }),
  ].join('\n');
  const child = spawn('bash', ['-c', script], { cwd: folder, env: { PATH: process.env.PATH } });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = await once(child, 'close');
  const errors = err.split(mark).slice(1);
  const results = out
    .split(mark)
    .slice(1)
    .map((text, index) => ({
      text: text.trim(),
      statuses: [...(errors[index] ?? '').matchAll(/^HTTP (\d{3})$/gm)].map((match) => Number(match[1])),
    }));
  return { code, err, results };
}

// A compiler, on a busy machine, takes its time.
describe('every code block of the README and the guides', { timeout: 180_000 }, () => {
  it.each(documents)('runs as it stands, and answers as it is shown: %s', async (file) => {
    const steps = stepsOf(file);
    const { code, err, results } = await run(steps);
    expect(code, err).toBe(0);
    expect(results).toHaveLength(steps.length);
    for (const [index, { line, code: shell, status, shown, printed }] of steps.entries()) {
      const { text = '', statuses = [] } = results[index] ?? {};
      const about = `${file}:${line}: ${text.slice(0, 500)}`;
      expect(statuses.length > 0, about).toBe(shell.includes('curl '));
      if (status !== undefined) expect(statuses.at(-1), about).toBe(status);
      else
        expect(
          statuses.filter((each) => each < 200 || each > 299),
          about,
        ).toEqual([]);
      if (printed !== undefined) expect(text.replaceAll(service, example), about).toBe(printed.trim());
      if (shown !== undefined) expect(differences(shown, JSON.parse(text)), about).toEqual([]);
    }
  });

  it('names the versions that are tried', () => {
    const text = readFileSync('docs/clients.md', 'utf8');
    const tried = ['typescript', 'java', 'bruno']
      .map((name) => readFileSync(`clients/${name}/package.json`, 'utf8'))
      .join();
    const named = [...text.matchAll(/(@?[\w/-]+)@(\d[\w.-]+)/g)];
    expect(named.length).toBeGreaterThan(4);
    for (const [, name, version] of named) expect(tried).toContain(`"${name}": "${version}"`);
  });

  it('is there: a guide has calls with answers, is short, and the README leads to it', () => {
    const readme = readFileSync('README.md', 'utf8');
    for (const name of guides) {
      expect(stepsOf(`docs/${name}`).filter(({ shown }) => shown !== undefined).length, name).toBeGreaterThan(0);
      // The length of a class to copy does not count.
      const read = readFileSync(`docs/${name}`, 'utf8').replace(/^cat > \w+\.java <<'END'\n.*?^END$/gms, '');
      expect(read.split('\n').length, name).toBeLessThanOrEqual(165);
      expect(readme).toContain(`](docs/${name})`);
    }
    expect(guides.length).toBeGreaterThan(5);
  });
});
