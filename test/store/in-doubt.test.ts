import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { createBroadcastStore } from '../../src/store/sql/broadcasts.ts';
import type { Engine } from '../../src/store/sql/engine.ts';
import { createMessageStore } from '../../src/store/sql/messages.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openSqlite } from '../../src/store/sqlite/engine.ts';
import { newBroadcast } from './broadcast-samples.ts';
import { listOwnQueued, mustFind, newMessage, OPTIONS, ROUTE, recoverAndAdopt, withKey } from './samples.ts';

/*
 * Records whose write failed and may have been committed all the same, independent of the database. For tests with a real one,
 * see postgres-lost.test.ts.
 */

test('an insert that failed although it was committed is undone, and others are kept', async () => {
  const engine = troubled(await openSqlite(':memory:', OPTIONS), ['lost', 'down', undefined, 'down']);
  const store = createMessageStore(engine, sqliteDialect, OPTIONS);
  await expect(store.insert(newMessage('a', withKey('k')))).rejects.toBeInstanceOf(StoreError);
  await store.insert(newMessage('b'));
  await store.heartbeat();
  expect(await store.counts()).toMatchObject({ queued: 2 });
  expect((await listOwnQueued(store)).map(({ id }) => id)).toEqual(['b']);
  await expect(store.resolveInDoubt()).rejects.toBeInstanceOf(StoreError);
  await store.resolveInDoubt();
  expect(await store.findByKey('crm', ROUTE, 'k')).toBeUndefined();
  expect(await store.counts()).toMatchObject({ queued: 1 });
  expect(await store.claim('b', 1)).toBe(true);
  await store.close();
});

test('thousands of inserts in doubt are undone in a few writes, and none that is proved not written counts as one', async () => {
  const inner = await openSqlite(':memory:', OPTIONS);
  let writes = 0;
  let trouble: 'lost' | 'down' | undefined = 'lost';
  const engine: Engine = {
    ...troubled(inner, []),
    write: async (steps) => {
      writes++;
      const refused = new StoreError('no connection', { notCommitted: true });
      if (trouble === 'down') throw refused;
      // The record is committed, and its deletion finds no connection.
      if (trouble === 'lost' && steps.some(({ statement }) => statement.named.includes('DELETE'))) throw refused;
      const answers = await inner.write(steps);
      if (trouble === 'lost') throw new StoreError('the connection broke at the commit');
      return answers;
    },
  };
  const store = createMessageStore(engine, sqliteDialect, OPTIONS);
  const failing = async (from: number, to: number) => {
    const sends = Array.from({ length: to - from }, (_, n) => store.insert(newMessage(`s${from + n}`)));
    for (const { status } of await Promise.allSettled(sends)) expect(status).toBe('rejected');
  };
  await failing(0, 1_200);
  trouble = 'down';
  await failing(1_200, 4_000);
  trouble = undefined;
  expect(await store.counts()).toMatchObject({ queued: 1_200 });
  writes = 0;
  await store.heartbeat();
  expect(writes).toBe(0);
  await store.resolveInDoubt();
  expect([writes, (await store.counts()).queued]).toEqual([3, 0]);
  await store.resolveInDoubt();
  expect(writes).toBe(3);
  await store.close();
});

test('a failed insert proves nothing, unless it was undone', async () => {
  const engine = troubled(await openSqlite(':memory:', OPTIONS), [
    'lost',
    'down',
    'lost',
    undefined,
    'down',
    undefined,
  ]);
  const store = createMessageStore(engine, sqliteDialect, OPTIONS);
  await expect(store.insert(newMessage('a'))).rejects.toMatchObject({ name: 'StoreError', notCommitted: false });
  expect(await mustFind(store, 'a')).toMatchObject({ status: 'queued' });
  await expect(store.insert(newMessage('b'))).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
  await expect(store.insert(newMessage('c'))).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
  for (const id of ['b', 'c']) expect(await store.find('crm', id)).toBeUndefined();
  await store.close();
});

test('an insert that another process may have adopted is not reported as refused', async () => {
  const inner = await openSqlite(':memory:', OPTIONS);
  const other = createMessageStore(inner, sqliteDialect, OPTIONS);
  const engine = troubled(inner, ['lost'], () => other.claim('a', 1));
  engine.read = async () => {
    throw new StoreError('the server is down', { notCommitted: true });
  };
  const store = createMessageStore(engine, sqliteDialect, OPTIONS);
  await expect(store.insert(newMessage('a'))).rejects.toMatchObject({ name: 'StoreError', notCommitted: false });
  await inner.close();
});

test('an insert that failed although it was committed, and was adopted by another process, counts as recorded', async () => {
  const inner = await openSqlite(':memory:', OPTIONS);
  const other = createMessageStore(inner, sqliteDialect, OPTIONS);
  const store = createMessageStore(
    troubled(inner, ['lost'], () => other.claim('a', 1)),
    sqliteDialect,
    OPTIONS,
  );
  expect(await store.insert(newMessage('a'))).toMatchObject({ inserted: { id: 'a', status: 'sending', attempts: 1 } });
  await store.resolveInDoubt();
  expect(await mustFind(store, 'a')).toMatchObject({ status: 'sending' });
  await store.close();
});

test('an insert that failed although it was committed is not left to the next process', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'doubt-'));
  const store = createMessageStore(
    troubled(await openSqlite(`${folder}/doubt.db`, OPTIONS), ['lost', 'down']),
    sqliteDialect,
    OPTIONS,
  );
  await expect(store.insert(newMessage('a'))).rejects.toBeInstanceOf(StoreError);
  await store.insert(newMessage('b'));
  await store.close();
  const next = await openStore(`file:${folder}/doubt.db`, OPTIONS);
  expect((await recoverAndAdopt(next, 10)).adopted.map(({ id }) => id)).toEqual(['b']);
  await next.close();
  rmSync(folder, { recursive: true });
});

test('a broadcast whose creation failed although it was committed releases its key', async () => {
  const engine = troubled(await openSqlite(':memory:', OPTIONS), ['lost', 'down', 'down']);
  const { openBroadcast, findBroadcastByKey, sweepBroadcasts } = createBroadcastStore(engine, sqliteDialect);
  const broadcast = newBroadcast('b');
  const { route, key } = broadcast.idempotency;
  await expect(openBroadcast(broadcast)).rejects.toBeInstanceOf(StoreError);
  expect(await findBroadcastByKey('crm', route, key)).toMatchObject({ status: 'recording' });
  await expect(sweepBroadcasts(9)).rejects.toBeInstanceOf(StoreError);
  await sweepBroadcasts(9);
  expect(await openBroadcast(newBroadcast('c', { idempotency: { route, key } }))).toEqual({ opened: true });
  await engine.close();
});

test('an insert in doubt that is committed later is undone, and its key is free', async () => {
  let steady = 0;
  const inner = await openSqlite(':memory:', { ...OPTIONS, monotonicClock: () => steady });
  let writes = 0;
  let commit: () => Promise<unknown> = async () => undefined;
  const engine: Engine = {
    ...troubled(inner, []),
    write: async (steps) => {
      writes++;
      if (writes === 1) commit = () => inner.write(steps);
      if (writes <= 2) throw new StoreError('the connection broke');
      return inner.write(steps);
    },
  };
  const store = createMessageStore(engine, sqliteDialect, OPTIONS);
  await expect(store.insert(newMessage('a', withKey('k')))).rejects.toMatchObject({ notCommitted: false });
  await store.resolveInDoubt();
  await commit();
  expect(await store.findByKey('crm', ROUTE, 'k')).toBeUndefined();
  expect(await store.find('crm', 'a')).toBeUndefined();
  expect(await store.insert(newMessage('b', withKey('k')))).toHaveProperty('inserted');
  // The tombstone is invisible, and is deleted by age like any record.
  expect((await store.list('crm', {}, { limit: 9 })).messages).toHaveLength(1);
  expect(Object.values(await store.counts()).reduce((sum, n) => sum + n)).toBe(1);
  steady += OPTIONS.recordRetentionMs;
  expect([await store.purge(9), await store.purge(9)]).toEqual([1, 0]);
  await store.close();
});

test('a broadcast that is created after it was discarded releases its key all the same', async () => {
  const inner = await openSqlite(':memory:', OPTIONS);
  let commit: (() => Promise<unknown>) | undefined;
  const engine: Engine = {
    ...troubled(inner, []),
    write: async (steps) => {
      if (commit) return inner.write(steps);
      commit = () => inner.write(steps);
      throw new StoreError('the connection broke');
    },
  };
  const { openBroadcast, findBroadcastByKey, sweepBroadcasts } = createBroadcastStore(engine, sqliteDialect);
  const broadcast = newBroadcast('b');
  const { route, key } = broadcast.idempotency;
  await expect(openBroadcast(broadcast)).rejects.toBeInstanceOf(StoreError);
  expect(await sweepBroadcasts(9)).toBe(0);
  await commit?.();
  expect(await findBroadcastByKey('crm', route, key)).toBeUndefined();
  await engine.close();
});

test('a broadcast that was certainly not created leaves nothing to do', async () => {
  const inner = await openSqlite(':memory:', OPTIONS);
  let writes = 0;
  const write = async () => {
    writes++;
    throw new StoreError('no connection', { notCommitted: true });
  };
  const { openBroadcast } = createBroadcastStore({ ...troubled(inner, []), write }, sqliteDialect);
  await expect(openBroadcast(newBroadcast('b'))).rejects.toBeInstanceOf(StoreError);
  expect(writes).toBe(1);
  await inner.close();
});

/** Makes the first writes fail: committed with a lost acknowledgement, or not executed at all. */
function troubled(
  inner: Engine,
  writes: ('lost' | 'down' | undefined)[],
  meanwhile = async (): Promise<unknown> => undefined,
): Engine {
  return {
    write: async (steps) => {
      const trouble = writes.shift();
      if (trouble === 'down') throw new StoreError('the server is down');
      const answers = await inner.write(steps);
      if (trouble === undefined) return answers;
      await meanwhile();
      throw new StoreError('the connection broke at the commit');
    },
    read: (step) => inner.read(step),
    webhooks: inner.webhooks,
    scrub: (isAlone) => inner.scrub(isAlone),
    list: (step) => inner.list(step),
    heartbeat: () => inner.heartbeat(),
    secret: inner.secret,
    hasOlderReplicas: () => inner.hasOlderReplicas(),
    onForeignEvents: (listener) => inner.onForeignEvents(listener),
    wallNow: () => inner.wallNow(),
    holdsLease: () => inner.holdsLease(),
    reservePermit: (intervalMs) => inner.reservePermit(intervalMs),
    blockReservations: (ms) => inner.blockReservations(ms),
    takeTokens: (caller, ask) => inner.takeTokens(caller, ask),
    epoch: () => inner.epoch(),
    close: () => inner.close(),
  };
}
