import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { postgresDialect } from '../../src/store/postgres/engine.ts';
import { rowSettings } from '../../src/store/postgres/pools.ts';
import { messageStatements } from '../../src/store/sql/message-statements.ts';
import { aLine } from '../support/tcp-fault-proxy.ts';
import { aDatabase, emptied } from './postgres-fixture.ts';
import { insertFinished, mustFind, newMessage, OPTIONS, OUTCOME, ROUTE, withKey } from './samples.ts';

const server = process.env.TEST_POSTGRES_URL;

/** Waiting writes share one statement, and each message gets its own result. */
describe.skipIf(server === undefined)('PostgreSQL: marks in batches', () => {
  const database = server === undefined ? undefined : aDatabase(server);
  afterAll(async () => (await database)?.tearDown());
  let url: string;
  let tearDown: () => Promise<void>;
  let store: Store;
  /** For each write of the store: whether it failed. */
  let failures: boolean[] = [];
  let rival: pg.Client;
  beforeEach(async () => {
    if (database === undefined) return;
    ({ url, tearDown } = await emptied(database)());
    const onQuery = (kind: string, _: number, failed: boolean) => void (kind === 'write' && failures.push(failed));
    store = await openStore(url, { ...OPTIONS, onQuery });
    rival = new pg.Client({ connectionString: url });
    await rival.connect();
    failures = [];
  });
  afterEach(async () => {
    await store.close();
    await rival.end();
    await tearDown();
  });

  const each = async <T>(ids: readonly string[], act: (id: string) => Promise<T>) =>
    Promise.allSettled(ids.map((id) => act(id)));
  const ids = Array.from({ length: 100 }, (_, n) => `s${n}`);

  test('a hundred concurrent sends share three statements, and each gets its own result', async () => {
    expect(await each(ids, (id) => store.insert(newMessage(id)))).toMatchObject(
      ids.map((id) => ({ value: { inserted: { id, status: 'queued' } } })),
    );
    await store.complete('s7', { status: 'cancelled', outcome: null });
    failures = [];
    const claimed = await each([...ids, 'nobody'], (id) => store.claim(id, 1));
    expect(claimed.flatMap((one, n) => (one.status === 'fulfilled' && one.value ? [] : [n]))).toEqual([7, 100]);
    const completed = await each(ids, (id) =>
      store.complete(id, { status: 'accepted', whatsappMessageId: `w-${id}`, outcome: OUTCOME }),
    );
    expect(completed.flatMap((one, n) => (one.status === 'fulfilled' && one.value ? [] : [n]))).toEqual([7]);
    expect(failures).toEqual([false, false]);
    expect(await mustFind(store, 's50')).toMatchObject({ status: 'accepted', attempts: 1, whatsappMessageId: 'w-s50' });
    expect(await store.counts()).toMatchObject({ accepted: 99, cancelled: 1 });
  });

  test('a message is recorded in a batch as it is alone', async () => {
    for (const name of ['original-1', 'original-2']) await insertFinished(store, newMessage(name), 'unknown');
    const odd = 'ñ \u{1F600} "quoted" \\ \0 \uD800';
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const full = (n: number) => ({
      ...newMessage(`full-${n}`, withKey(`key-${n}`)),
      ...{ template: odd, fileName: odd, localMessageId: 'mine', content: { odd }, channel: '919', channelNamed: true },
      ...{ reference: odd, sendAt: later, notAfter: later },
      resendOf: `original-${n}`,
    });
    const alone = await store.insert(full(1));
    const [, together] = await Promise.all([store.insert(newMessage('beside')), store.insert(full(2))]);
    const { rows } = await rival.query("SELECT * FROM sends WHERE id LIKE 'full-%' ORDER BY id");
    const [one, two] = rows.map((row) => ({ ...row, created_at: 0, updated_at: 0 }));
    const own = { seq: two.seq, id: 'full-2', idem_key: 'key-2', resend_of: 'original-2' };
    expect(two).toEqual({ ...one, ...own });
    expect([alone, together]).toMatchObject([{ inserted: { id: 'full-1' } }, { inserted: { id: 'full-2' } }]);
  });

  test('keys, resends and quotas apply to each message of a batch', async () => {
    await insertFinished(store, newMessage('original'), 'unknown');
    await store.insert(newMessage('before', withKey('known')));
    const answers = await Promise.allSettled([
      ...['k', 'known', 'k'].map((key, n) => store.insert(newMessage(`keyed-${n}`, withKey(key)))),
      ...[0, 1].map((n) => store.insert(newMessage(`resend-${n}`, { resendOf: 'original' }))),
      store.insert(newMessage('plain')),
    ]);
    expect(answers).toMatchObject(
      [
        { inserted: { id: 'keyed-0' } },
        { existing: { id: 'before' } },
        { existing: { id: 'keyed-0' } },
        { inserted: { id: 'resend-0' } },
        { existing: { id: 'resend-0' } },
        { inserted: { id: 'plain' } },
      ].map((value) => ({ value })),
    );
    failures = [];
    const limited = (caller: string, n: number, more = {}) =>
      store.insert(newMessage(`${caller}-${n}`, { caller, quota: { perHour: 3 }, ...more }));
    await limited('z', 0, withKey('z'));
    const charged = await Promise.allSettled([
      ...[1, 2, 3, 4].map((n) => limited('z', n)),
      limited('z', 5, withKey('z')),
      ...[1, 2].map((n) => limited('a', n)),
    ]);
    expect(charged.map((one) => (one.status === 'rejected' ? one.reason.name : Object.keys(one.value)[0]))).toEqual([
      ...['inserted', 'inserted', 'QuotaExceededError', 'QuotaExceededError', 'existing', 'inserted', 'inserted'],
    ]);
    expect(failures).toEqual([false, false]);
    expect(await Promise.all(['z', 'a'].map((caller) => store.quotaLeft(caller, { perHour: 3 })))).toMatchObject([
      { left: 0 },
      { left: 1 },
    ]);
  });

  test('a row that is locked or refused does not delay the others of its batch', async () => {
    await rival.query("ALTER TABLE sends ADD CONSTRAINT odd CHECK (recipient <> '666')");
    await rival.query('BEGIN');
    await rival.query(
      `INSERT INTO sends (id, caller, connection_id, idem_route, idem_key, status, owner, created_at, updated_at, kind)
       VALUES ('rival', 'crm', 'c1', $1, 'held', 'queued', 0, 0, 0, 'text')`,
      [ROUTE],
    );
    const held = store.insert(newMessage('held', withKey('held')));
    const [fine, odd] = await Promise.allSettled([
      store.insert(newMessage('fine')),
      store.insert(newMessage('odd', { to: '666' })),
    ]);
    expect([fine, odd]).toMatchObject([{ value: { inserted: { id: 'fine' } } }, { reason: { notCommitted: true } }]);
    expect(await store.insert(newMessage('later'))).toHaveProperty('inserted');
    await rival.query('ROLLBACK');
    expect(await held).toHaveProperty('inserted');
    await rival.query('ALTER TABLE sends DROP CONSTRAINT odd');
  });

  test('of several marks of one call, one whose row is locked or refused does not keep the others from being written', async () => {
    const all = ['a', 'b', 'c'];
    const attempts = all.map((id) => ({ id, attempt: 1 }));
    for (const id of all) await store.insert(newMessage(id, { to: id === 'b' ? '666' : '777' }));
    const lockB = async () => {
      await rival.query('BEGIN');
      await rival.query("SELECT 1 FROM sends WHERE id = 'b' FOR UPDATE");
    };
    await lockB();
    const claimed = store.claimAll(attempts);
    await expect.poll(async () => (await mustFind(store, 'c')).status).toBe('sending');
    await rival.query('ROLLBACK');
    expect([...(await claimed)].toSorted()).toEqual(all);

    await lockB();
    const requeued = store.requeueAll(attempts);
    await expect.poll(async () => (await mustFind(store, 'c')).status).toBe('queued');
    await rival.query('ROLLBACK');
    expect([...(await requeued)].toSorted()).toEqual(all);

    await store.claimAll(all.map((id) => ({ id, attempt: 2 })));
    await rival.query("ALTER TABLE sends ADD CONSTRAINT odd CHECK (recipient <> '666' OR status <> 'accepted')");
    const ends = all.map((id) => ({ id, status: 'accepted' as const, outcome: OUTCOME }));
    await expect(store.completeAll(ends)).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
    expect(await Promise.all(all.map(async (id) => (await mustFind(store, id)).status))).toEqual([
      'accepted',
      'sending',
      'accepted',
    ]);
    await rival.query('ALTER TABLE sends DROP CONSTRAINT odd');
    expect([...(await store.completeAll(ends))]).toEqual(['b']);
  });

  test('writes that wait for a lock on the table keep no read waiting, and all of them are made once it is free', async () => {
    await store.insert(newMessage('known'));
    failures = [];
    await rival.query('BEGIN; LOCK TABLE sends IN SHARE MODE'); // as while an index is built
    const recorded = each(ids, (id) => store.insert(newMessage(id)));
    await expect.poll(() => failures).toEqual([true]);
    expect(await mustFind(store, 'known')).toMatchObject({ status: 'queued' });
    await rival.query('ROLLBACK');
    expect((await recorded).filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  test('a batch whose answer is lost is undone, message by message', async () => {
    const line = await aLine(url);
    const far = await openStore(line.url, OPTIONS);
    line.loseAnswerTo('json_to_recordset');
    const lost = await each(['a', 'b', 'c'], (id) => far.insert(newMessage(id, withKey(id))));
    for (const one of lost) expect(one).toMatchObject({ reason: { name: 'StoreError', notCommitted: true } });
    await expect.poll(() => far.counts()).toMatchObject({ queued: 0 });
    expect(await far.insert(newMessage('again', withKey('a')))).toHaveProperty('inserted');
    await far.close();
    line.close();
  });

  test('a cached plan finds each row of a batch by an index', async () => {
    const { insertAll, claimAll, completeAll, requeueAll } = messageStatements(postgresDialect);
    await rival.query('ALTER TABLE sends SET (autovacuum_enabled = off)');
    await rival.query(`INSERT INTO sends (id, caller, kind, connection_id, status, owner, created_at, updated_at)
      SELECT 's' || i, 'crm', 'text', 'c', CASE WHEN i < 9 THEN 'queued' ELSE 'accepted' END, 1, 0, 0
      FROM generate_series(1, 500) AS i`);
    await rival.query('ANALYZE sends');
    await rival.query(rowSettings.replaceAll(/-c (\w+)=(\S+)/g, 'SET $1 = $2;'));
    for (const { numbered, names } of [insertAll, claimAll, completeAll, requeueAll]) {
      await rival.query(`PREPARE batch AS ${numbered}`);
      const { rows } = await rival.query(`EXPLAIN EXECUTE batch (${names.map(() => 'NULL').join(', ')})`);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).not.toContain('Seq Scan on s');
      if (numbered !== insertAll.numbered) expect(plan).toMatch(/Index Scan using sends_(id_key|pkey) on sends/);
      if (numbered === completeAll.numbered)
        expect(plan).toMatch(/Nested Loop.*\n +-> {2}Subquery Scan on given.*\n +-> {2}Sort/);
      await rival.query('DEALLOCATE batch');
    }
  });
});
