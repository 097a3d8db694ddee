import { afterAll, describe, test } from 'vitest';
import { eventsConformance } from './conformance-events.ts';
import { factsConformance } from './conformance-facts.ts';
import { eventReplicas } from './event-replicas.ts';
import { aDatabase, emptied } from './postgres-fixture.ts';
import { inFileHere } from './sqlite-fixture.ts';

const server = process.env.TEST_POSTGRES_URL;

factsConformance('SQLite', inFileHere);
eventsConformance('SQLite', inFileHere);

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
