import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { eventsConformance } from './conformance-events.ts';
import { factsConformance } from './conformance-facts.ts';
import { eventReplicas } from './event-replicas.ts';
import type { StoreFixture } from './fixture.ts';
import { aDatabase, emptied } from './postgres-fixture.ts';
import { OPTIONS } from './samples.ts';

const server = process.env.TEST_POSTGRES_URL;

const sqliteHome = async (): Promise<StoreFixture> => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  let steady = 1_000;
  return {
    open: () => openStore(`file:${folder}/store.db`, { ...OPTIONS, monotonicClock: () => steady }),
    advance: async (ms) => {
      steady += ms;
    },
    tearDown: async () => rmSync(folder, { recursive: true }),
  };
};
factsConformance('SQLite', sqliteHome);
eventsConformance('SQLite', sqliteHome);

if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    test('facts and events', () => undefined);
  });
} else {
  const database = aDatabase(server);
  afterAll(async () => (await database).tearDown());
  factsConformance('PostgreSQL', emptied(database));
  eventsConformance('PostgreSQL', emptied(database));
  eventReplicas(emptied(database));
}
