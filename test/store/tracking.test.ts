import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { aDatabase, emptied } from './postgres-fixture.ts';
import { OPTIONS } from './samples.ts';
import { inFileHere } from './sqlite-fixture.ts';
import { trackingConformances } from './tracking-conformances.ts';
import { trackingReplicas } from './tracking-replicas.ts';
import { NO_BATCH } from './tracking-samples.ts';

const server = process.env.TEST_POSTGRES_URL;

trackingConformances('SQLite', inFileHere);

test('SQLite: the text of a webhook is in no file after it was applied and the log was truncated', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'words-'));
  const store = await openStore(`file:${folder}/store.db`, OPTIONS);
  const words = (n: number) => `what customer ${n} wrote`;
  const row = (n: number) => ({
    key: `k${n}`,
    connectionId: 'c1',
    receivedAtMs: n,
    body: `${words(n)}${'-'.repeat(n)}`,
  });
  await store.recordIntake(Array.from({ length: 400 }, (_, n) => row(n)));
  const entries = await store.dueIntake(300);
  await store.applyTracking({ ...NO_BATCH, done: entries.map(({ seq }) => seq) });
  await store.purge(10);
  // Reading a file that is open here would drop its locks.
  expect(spawnSync('cp', ['-r', folder, `${folder}-copy`]).status).toBe(0);
  const files = readdirSync(`${folder}-copy`).map((name) => readFileSync(join(`${folder}-copy`, name), 'latin1'));
  const found = (n: number) => files.some((bytes) => bytes.includes(`${words(n)}-`));
  const applied = new Set(entries.map(({ receivedAtMs }) => receivedAtMs));
  for (let n = 1; n < 400; n++) expect(found(n), String(n)).toBe(!applied.has(n));
  await store.close();
  for (const each of [folder, `${folder}-copy`]) rmSync(each, { recursive: true });
});

if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    test('webhooks and deliveries', () => undefined);
  });
} else {
  const database = aDatabase(server);
  afterAll(async () => (await database).tearDown());
  trackingConformances('PostgreSQL', emptied(database));
  trackingReplicas(emptied(database));
}
