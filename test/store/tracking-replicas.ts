import fc from 'fast-check';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { joinFacts } from '../../src/tracking/delivery-state.ts';
import { insertPublished } from './broadcast-samples.ts';
import { type PostgresFixture, query } from './postgres-fixture.ts';
import { insertFinished, insertSending, mustFind, newMessage, OPTIONS, OUTCOME } from './samples.ts';
import { delivered, failed, NO_BATCH, PROOF, read, sent, seqOf, tell } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');

/** Several processes on one PostgreSQL take webhooks of the same messages. */
export function trackingReplicas(makeHome: () => Promise<PostgresFixture>): void {
  describe('PostgreSQL: several replicas track deliveries', () => {
    let home: PostgresFixture;
    let one: Store;
    let two: Store;
    let rival: pg.Client;
    /** A connection of its own, because a transaction sees only the waits from its beginning. */
    let observer: pg.Client;
    beforeEach(async () => {
      home = await makeHome();
      [one, two] = await Promise.all([openStore(home.url, OPTIONS), openStore(home.url, OPTIONS)]);
      [rival, observer] = [new pg.Client(home.url), new pg.Client(home.url)];
      await Promise.all([rival.connect(), observer.connect()]);
    });
    afterEach(async () => {
      await Promise.all([rival.end(), observer.end()]);
      await Promise.all([one.close(), two.close()]);
      await home.tearDown();
    });
    const rows = (...keys: string[]) =>
      keys.map((key) => ({ key, connectionId: 'c1', receivedAtMs: T, body: JSON.stringify({ key }) }));
    const dueKeys = async (store: Store) => (await store.dueIntake(99)).map(({ key }) => key).toSorted();
    const waitsFor = (text: string) =>
      expect
        .poll(async () => {
          const { rows: waiting } = await observer.query(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE $1",
            [`%${text}%`],
          );
          return waiting.length;
        })
        .toBeGreaterThan(0);

    test('a webhook is applied by one replica; those of a dead replica are adopted by another', async () => {
      const keys = Array.from({ length: 40 }, (_, n) => `k${n}`);
      const asked = [one, two].flatMap((store) =>
        [keys, keys.toReversed()].map((order) => store.recordIntake(rows(...order))),
      );
      const counts = await Promise.all(asked);
      expect(counts.reduce((sum, { received }) => sum + received, 0)).toBe(40);
      expect(await two.recordIntake(rows('of two'))).toEqual({ received: 1, duplicates: 0 });
      const [ofOne, ofTwo] = await Promise.all([dueKeys(one), dueKeys(two)]);
      expect([...ofOne, ...ofTwo].toSorted()).toEqual([...keys, 'of two'].toSorted());
      await two.close();
      await expect.poll(() => dueKeys(one), { timeout: 10_000 }).toEqual([...keys, 'of two'].toSorted());
    });

    test('a replica that was considered dead loses its entries, and applying them twice does no harm', async () => {
      await insertFinished(one, newMessage('a'), 'accepted');
      await one.recordIntake(rows('a'));
      const [entry] = await one.dueIntake(9);
      await query(home.url, 'DELETE FROM send_owners WHERE id = $1', [one.epoch()]);
      expect(await dueKeys(two)).toEqual(['a']);
      const message = { seq: await seqOf(one, 'a'), facts: sent(T), proof: 'id', outcome: PROOF } as const;
      const batch = { ...NO_BATCH, messages: [message], done: [entry?.seq ?? -1] };
      const moved = await Promise.all([one.applyTracking(batch), two.applyTracking(batch)]);
      expect(moved.flat().filter(({ before }) => before === undefined)).toHaveLength(1);
      expect([await dueKeys(one), await dueKeys(two)]).toEqual([[], []]);
    });

    test('facts that replicas write in any order result in their join, and each is counted once', async () => {
      await insertPublished(one, 'b', 20);
      await one.claimBatch('b', 20);
      await one.completeAll(
        Array.from({ length: 20 }, (_, n) => ({ id: `b-${n}`, status: 'accepted', outcome: OUTCOME })),
      );
      const found20 = await one.findTracked(
        'c1',
        Array.from({ length: 20 }, (_, n) => ({ localMessageId: `b-${n}` })),
      );
      const told = new Map<number, DeliveryFacts>();
      const facts = fc.sample(
        fc.tuple(
          fc.integer({ min: 0, max: 19 }),
          fc.constantFrom(sent(T), sent(T + 1), failed(T + 2), delivered(T + 3), delivered(T + 4), read(T + 5)),
        ),
        { numRuns: 400, seed: 17 },
      );
      const batches = Array.from({ length: 40 }, (_, n) => facts.slice(n * 10, n * 10 + 10));
      await Promise.all(
        batches.map((batch, n) => {
          const messages = [...Map.groupBy(batch, ([message]) => message)].map(([message, each]) => {
            const fact = each.map(([, one]) => one).reduce(joinFacts);
            told.set(message, joinFacts(told.get(message) ?? fact, fact));
            return { seq: found20[message]?.seq ?? -1, facts: fact, proof: 'id', outcome: PROOF } as const;
          });
          return (n % 2 === 0 ? one : two).applyTracking({ ...NO_BATCH, messages });
        }),
      );
      const counts = { sent: 0, failed: 0, delivered: 0, read: 0, replied: 0 };
      for (const [message, expected] of told) {
        const { updatedAt: _, ...known } = (await mustFind(two, `b-${message}`)).delivery ?? {};
        expect(known).toEqual(expected);
        counts[(['sent', 'sent', 'failed', 'delivered', 'read'] as const)[expected.rank]]++;
      }
      expect(await two.deliveryCounts('b')).toEqual(counts);
    });

    test.each(['complete', 'requeue', 'recover'] as const)(
      'a proof that is being written while the attempt ends by %s is seen by that end',
      async (end) => {
        await insertSending(one, newMessage('a'));
        const seq = await seqOf(one, 'a');
        // This lock comes after that of the message, so the proof is written but not committed.
        await rival.query('BEGIN; LOCK TABLE intake IN SHARE ROW EXCLUSIVE MODE');
        const message = { seq, facts: delivered(T), proof: 'id', outcome: PROOF } as const;
        const proving = two.applyTracking({ ...NO_BATCH, messages: [message], done: [1] });
        await waitsFor('UPDATE intake');
        if (end === 'recover') {
          await query(home.url, 'DELETE FROM send_owners WHERE id = $1', [one.epoch()]);
          // Recovery skips locked rows; the next run finds them.
          expect(await two.recoverOrphans()).toEqual({ unknown: 0, lostStreams: 0 });
        }
        const ending = {
          complete: () => one.complete('a', { status: 'rejected', outcome: OUTCOME }),
          requeue: () => one.requeue('a', 1),
          recover: async () => false,
        }[end]();
        if (end !== 'recover') await waitsFor('UPDATE sends');
        await rival.query('COMMIT');
        await proving;
        expect(await ending).toBe(false);
        if (end === 'recover') expect((await two.recoverOrphans()).unknown).toBe(0);
        expect(await mustFind(one, 'a')).toMatchObject({ status: 'accepted', outcome: PROOF, delivery: { rank: 3 } });
      },
    );

    test.each(['unknown', 'rejected', 'not_sent', 'queued'])(
      'a message that a replica of the previous version ends as %s stays proved',
      async (status) => {
        for (const id of ['proved', 'not']) await insertSending(one, newMessage(id));
        await tell(one, 'proved', delivered(T));
        await query(
          home.url,
          `UPDATE sends SET status = $1, failure_code = 'c', failure_detail = 'd', verdict_json = '"old"', ended_at = 0`,
          [status],
        );
        expect(await mustFind(one, 'proved')).toMatchObject({ status: 'accepted', outcome: PROOF });
        expect(await mustFind(one, 'proved')).not.toHaveProperty('failure');
        expect(await mustFind(one, 'not')).toMatchObject({ status, outcome: 'old' });
      },
    );
  });
}
