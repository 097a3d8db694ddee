import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';

/** Every request of the collection, as it stands, against the sandbox: `node try.mjs ADDRESS`. */
const [address] = process.argv.slice(2);
const root = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), 'bruno-'));
const report = join(folder, 'report.json');
// Streams do not end by themselves.
const chosen = ['run', '-r', '--env', 'sandbox', '--env-var', `baseUrl=${address}`, '--exclude-tags', 'stream'];
execFileSync(
  process.execPath,
  [join(root, 'node_modules/@usebruno/cli/bin/bru.js'), ...chosen, '--reporter-json', report],
  { cwd: join(root, 'generated/wati-bff'), stdio: ['ignore', 'ignore', 'inherit'] },
);
const [{ results }] = JSON.parse(readFileSync(report, 'utf8'));
rmSync(folder, { recursive: true });

const { paths } = parse(readFileSync(join(root, '../../openapi.yaml'), 'utf8'));
const operations = Object.values(paths).flatMap((path) => Object.values(path));
const streams = operations.filter(({ responses }) => responses['200']?.content?.['text/event-stream']);
assert.equal(results.length, operations.length - streams.length, 'a request for each operation');

for (const { name, request, response } of results) {
  const { status, data } = response;
  // The sandbox names two native calls, one of which wants what only a person knows.
  const isExpected = request.url.includes('/v1/native/') ? [200, 400, 403].includes(status) : status < 300;
  assert(isExpected, `${name}: ${status} ${JSON.stringify(data)}`);
}
console.log(`bruno: ${results.length} requests, each answered as it stands`);
