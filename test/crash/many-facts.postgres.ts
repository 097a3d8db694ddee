import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { query } from '../store/postgres-fixture.ts';
import { OPTIONS } from '../store/samples.ts';
import { manyFacts } from '../tracking/many-facts.ts';
import type { Replica } from '../tracking/replica.ts';
import { aDatabase, type Database } from './database.ts';

/** `FACTS=100000 .ci/postgres many-facts` is the full number, of a fifth as many messages. */
const facts = Number(process.env.FACTS ?? 4_000);

let database: Database;
let store: Store;
beforeEach(async () => {
  database = await aDatabase();
  store = await openStore(database.url, OPTIONS);
});
afterEach(async () => {
  await store.close();
  await database.drop();
});

/** Starts a replica in a process of its own, which ends when it is stopped, or with this process. */
async function replicaInProcess(url: string): Promise<Replica> {
  const child = fork(join(import.meta.dirname, 'replica-child.ts'), [url], { env: { PATH: process.env.PATH } });
  const died = once(child, 'exit').then(() => Promise.reject(new Error('the other process ended')));
  died.catch(() => {}); // of one that was stopped
  const answer = async (): Promise<unknown> => (await Promise.race([once(child, 'message'), died]))[0];
  const ask = (asked: object | 'stop'): Promise<unknown> => {
    const answered = answer();
    child.send(asked);
    return answered;
  };
  await answer();
  return {
    record: async (rows) => void (await ask(rows)),
    // The replica polls by itself.
    wake: () => {},
    stop: async () => {
      const movedBack = await ask('stop');
      return Array.isArray(movedBack) ? movedBack.map(String) : [String(movedBack)];
    },
  };
}

test.each([
  ['one process', 1, false],
  ['two processes', 1, true],
  ['two processes', 2, true],
  ['two processes', 3, true],
])(
  'webhooks in random order, doubled, with twins and losses, leave each message where they say (PostgreSQL, %s, seed %i)',
  async (name, seed, hasOther) => {
    const others = hasOther ? [await replicaInProcess(database.url)] : [];
    // Renews the lease, as the service does.
    const beating = setInterval(() => void store.heartbeat().catch(() => {}), 3_000);
    const { given, wrong, movedBack, perSecond } = await manyFacts(
      store,
      { messages: facts / 5, facts, seed, others },
      (ms) =>
        query(
          database.url,
          "UPDATE intake SET recorded_at = recorded_at - $1::bigint, next_at = next_at - $1::bigint WHERE state IN ('new', 'waiting')",
          [ms],
        ),
    ).finally(() => clearInterval(beating));
    console.log(
      `PostgreSQL, ${name}, seed ${seed}: ${given} webhooks of ${facts} facts applied, ${Math.round(perSecond)}/s`,
    );
    expect(wrong).toEqual([]);
    expect(movedBack).toEqual([]);
  },
);
