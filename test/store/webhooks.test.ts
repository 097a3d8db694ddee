import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { webhooksConformance } from './conformance-webhooks.ts';
import { aDatabase, emptied } from './postgres-fixture.ts';
import { OPTIONS } from './samples.ts';
import { inMemory } from './sqlite-fixture.ts';
import { webhookReplicas } from './webhook-replicas.ts';
import { newEndpoint, progressOf } from './webhook-samples.ts';

const server = process.env.TEST_POSTGRES_URL;

webhooksConformance('SQLite', inMemory);

test('SQLite: the next process takes over what the one before served, which writes nothing any more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'webhooks-'));
  const url = `file:${folder}/store.db`;
  const first = await openStore(url, OPTIONS);
  await first.createEndpoint(newEndpoint('e1'), 5);
  expect(await first.claimEndpoints()).toMatchObject([{ id: 'e1', epoch: 1 }]);
  const [before] = await first.claimEndpoints();
  if (!before) throw new Error('it is served');
  await first.close();
  const second = await openStore(url, OPTIONS);
  expect(await second.claimEndpoints()).toMatchObject([{ id: 'e1', epoch: 2 }]);
  expect(await second.saveEndpointProgress(progressOf(before))).toBe(false);
  await second.close();
  rmSync(folder, { recursive: true });
});

if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    test('webhook endpoints', () => undefined);
  });
} else {
  const database = aDatabase(server);
  afterAll(async () => (await database).tearDown());
  webhooksConformance('PostgreSQL', emptied(database));
  webhookReplicas(emptied(database));
}
