import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { query } from '../store/postgres-fixture.ts';
import { OPTIONS } from '../store/samples.ts';
import { manyFacts } from '../tracking/many-facts.ts';
import { aDatabase, type Database } from './database.ts';

/** `FACTS=100000 .ci/postgres many-facts` is the full number, of a fifth as many messages. */
const facts = Number(process.env.FACTS ?? 4_000);

let database: Database;
let stores: readonly [Store, ...Store[]];
beforeEach(async () => {
  database = await aDatabase();
  const open = () => openStore(database.url, OPTIONS);
  stores = [await open(), await open()];
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await database.drop();
});

test.each([
  ['one process', 1, 1],
  ['two replicas', 1, 2],
  ['two replicas', 2, 2],
  ['two replicas', 3, 2],
])(
  'webhooks in random order, doubled, with twins and losses, leave each message where they say (PostgreSQL, %s, seed %i)',
  async (_name, seed, replicas) => {
    const [one, ...others] = stores;
    // Both keep their leases, as a service does.
    const beating = setInterval(() => stores.forEach((store) => void store.heartbeat().catch(() => {})), 3_000);
    const { given, wrong, movedBack, perSecond } = await manyFacts(
      [one, ...others.slice(0, replicas - 1)],
      { messages: facts / 5, facts, seed },
      (ms) =>
        query(
          database.url,
          "UPDATE intake SET recorded_at = recorded_at - $1::bigint, next_at = next_at - $1::bigint WHERE state IN ('new', 'waiting')",
          [ms],
        ),
    ).finally(() => clearInterval(beating));
    console.log(
      `PostgreSQL, ${replicas} replicas, seed ${seed}: ${given} webhooks of ${facts} facts applied, ${Math.round(perSecond)}/s`,
    );
    expect(wrong).toEqual([]);
    expect(movedBack).toEqual([]);
  },
);
