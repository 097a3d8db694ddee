import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { conversationsConformance } from './conformance-conversations.ts';
import { intakeConformance } from './conformance-intake.ts';
import { pollsConformance } from './conformance-polls.ts';
import { proofsConformance } from './conformance-proofs.ts';
import { trackingConformance } from './conformance-tracking.ts';
import type { StoreFixture } from './fixture.ts';
import { aDatabase, emptied } from './postgres-fixture.ts';
import { OPTIONS } from './samples.ts';
import { trackingReplicas } from './tracking-replicas.ts';

const server = process.env.TEST_POSTGRES_URL;

function trackingStores(name: string, makeHome: () => Promise<StoreFixture>, survives: boolean): void {
  intakeConformance(name, makeHome, survives);
  trackingConformance(name, makeHome);
  proofsConformance(name, makeHome, survives);
  conversationsConformance(name, makeHome);
  pollsConformance(name, makeHome);
}

const sqliteHome = async (): Promise<StoreFixture> => {
  const folder = mkdtempSync(join(tmpdir(), 'tracking-'));
  let steady = 1_000;
  return {
    open: () => openStore(`file:${folder}/store.db`, { ...OPTIONS, monotonicClock: () => steady }),
    advance: async (ms) => {
      steady += ms;
    },
    tearDown: async () => rmSync(folder, { recursive: true }),
  };
};
trackingStores('SQLite', sqliteHome, true);

if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    test('webhooks and deliveries', () => undefined);
  });
} else {
  const database = aDatabase(server);
  afterAll(async () => (await database).tearDown());
  trackingStores('PostgreSQL', emptied(database), true);
  trackingReplicas(emptied(database));
}
