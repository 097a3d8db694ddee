import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventTypes } from '../../src/events/event-types.ts';
import type { StoredEvent } from '../../src/store/event-store.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { insertPublished, sweepAll } from './broadcast-samples.ts';
import { eventOf, newFact, recordAll, stepUntil } from './event-samples.ts';
import type { PostgresFixture } from './postgres-fixture.ts';
import { insertFinished, insertSending, newMessage, OPTIONS, OUTCOME } from './samples.ts';
import { delivered, NO_BATCH, PROOF, read, sent } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');
const CALLERS = ['crm', 'shop', 'bank'];
const ALL = CALLERS.map((caller) => ({ caller, types: eventTypes }));

/** Several processes on one PostgreSQL record events of the same facts. */
export function eventReplicas(makeHome: () => Promise<PostgresFixture>): void {
  describe('PostgreSQL: several replicas record events', () => {
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
      await one.setSubscriptions(ALL);
    });
    afterEach(async () => {
      await rival.query('DROP TRIGGER IF EXISTS slow_commit ON events');
      await Promise.all([rival.end(), observer.end()]);
      await Promise.all([one.close(), two.close()]);
      await home.tearDown();
    });
    const note = (facts: readonly string[], caller = 'crm', store = one) =>
      store.applyTracking({ ...NO_BATCH, facts: facts.map((fact) => newFact(fact, { caller })) });
    const waitsFor = (text: string) =>
      expect
        .poll(async () => {
          const { rows } = await observer.query(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE $1",
            [`%${text}%`],
          );
          return rows.length;
        })
        .toBeGreaterThan(0);
    const factsOf = (events: readonly StoredEvent[]) => events.map(({ seq, fact }) => `${seq} ${fact}`);
    /** Delays each commit of an event by up to this long after its number was assigned. */
    const slowCommits = (ms: number) =>
      rival.query(`
        CREATE OR REPLACE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_sleep(random() * ${ms} / 1000.0); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW WHEN (NEW.seq % 5 = 0) EXECUTE FUNCTION slow_commit()`);

    test('whoever comes while a number is given and not committed waits for it, and readers see neither', async () => {
      await note(['in:1', 'in:2']);
      const [first, second] = (await one.pendingFacts(9)).map((fact) => eventOf(fact));
      if (!first || !second) throw new Error('no facts');
      // The event is written, but its fact cannot be deleted.
      await rival.query('BEGIN; LOCK TABLE event_facts IN SHARE ROW EXCLUSIVE MODE');
      const recording = one.recordEvents([first], []);
      await waitsFor('DELETE FROM event_facts');
      const later = two.recordEvents([second], []);
      await waitsFor('INSERT INTO event_numbers');
      expect(await two.readNewEvents(CALLERS, { after: 0, limit: 9 })).toEqual([]);
      expect(await two.eventPositions('crm')).toMatchObject({ last: 0 });
      await rival.query('COMMIT');
      expect([factsOf(await recording), factsOf(await later)]).toEqual([['1 in:1'], ['2 in:2']]);
    });

    test('no reader meets a number lower than one that it has seen, and none is missing', async () => {
      await slowCommits(8);
      const count = 40;
      const facts = CALLERS.flatMap((caller) => Array.from({ length: count }, (_, n) => ({ caller, fact: `in:${n}` })));
      let isOver = false;
      let noted = false;
      /** Returns pending facts in a different order each time, so that replicas record different ones. */
      const recorder = (store: Store) =>
        stepUntil(
          () => noted,
          async () => {
            const waiting = (await store.pendingFacts(200)).map((fact) => eventOf(fact));
            const some = waiting.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, 5);
            await store.recordEvents(some, []);
            return some.length;
          },
        );
      const reader = async (store: Store): Promise<string[]> => {
        const seen: string[] = [];
        let after = 0;
        await stepUntil(
          () => isOver,
          async () => {
            const events = await store.readNewEvents(CALLERS, { after, limit: 10 });
            for (const { seq, caller, fact } of events) seen.push(`${seq} ${caller} ${fact}`);
            after = events.at(-1)?.seq ?? after;
            return events.length;
          },
        );
        return seen;
      };
      const recorders = [recorder(one), recorder(two), recorder(one), recorder(two)];
      const readers = [reader(one), reader(two)];
      await Promise.all(facts.map(({ caller, fact }, n) => note([fact], caller, n % 2 === 0 ? one : two)));
      noted = true;
      await Promise.all(recorders);
      isOver = true;
      const [first, second] = await Promise.all(readers);
      expect(second).toEqual(first);
      expect(first?.map((words) => Number(words.split(' ')[0]))).toEqual(facts.map((_, n) => n + 1));
      expect(new Set(first?.map((words) => words.split(' ').slice(1).join())).size).toBe(facts.length);
    });

    test('one fact that all of them record has one event, with one id', async () => {
      await note(Array.from({ length: 20 }, (_, n) => `in:${n}`));
      const stores = [one, two, one, two];
      const known = await one.pendingFacts(99);
      const recorded = await Promise.all(
        stores.map((store) =>
          store.recordEvents(
            known.map((fact) => eventOf(fact)),
            [],
          ),
        ),
      );
      expect(recorded.map(({ length }) => length).toSorted()).toEqual([0, 0, 0, 20]);
      expect((await two.readEvents('crm', { after: 0, limit: 99 })).events).toEqual(recorded.flat());
      expect(await two.pendingFacts(9)).toEqual([]);
    });

    test('the others hear of a commit that has events, of their own they do not, and after a lost connection they look', async () => {
      const heard = { one: 0, two: 0 };
      const endOne = one.onForeignEvents(() => void heard.one++);
      two.onForeignEvents(() => void heard.two++);
      // Called once at the beginning, because earlier notifications are not known.
      await expect.poll(() => heard).toEqual({ one: 1, two: 1 });
      await insertFinished(one, newMessage('a'), 'accepted');
      await note(['in:1']);
      await recordAll(one);
      await expect.poll(() => heard.two).toBe(2);
      await recordAll(one);
      await note(['in:2']);
      await recordAll(two);
      await expect.poll(() => heard.one).toBe(2);
      expect(heard).toEqual({ one: 2, two: 2 });
      await rival.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
      );
      await expect.poll(() => heard, { timeout: 10_000 }).toEqual({ one: 3, two: 3 });
      endOne();
      await note(['in:3', 'in:4']);
      await recordAll(one);
      await expect.poll(() => heard.two).toBe(4);
      expect(heard.one).toBe(3);
      const { rows } = await observer.query(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
      );
      expect(rows).toHaveLength(1);
    });

    test('who is erased while its event is being recorded is erased', async () => {
      await one.applyTracking({
        ...NO_BATCH,
        facts: [newFact('in:1', { contact: '491' }), newFact('in:2', { contact: '492' })],
      });
      const [event] = (await one.pendingFacts(9)).map((fact) => eventOf(fact));
      await rival.query('BEGIN; LOCK TABLE event_facts IN SHARE ROW EXCLUSIVE MODE');
      const recording = one.recordEvents(event ? [event] : [], []);
      await waitsFor('DELETE FROM event_facts');
      const erasing = two.erasePersonTracking('491');
      await waitsFor('INSERT INTO event_numbers');
      await rival.query('COMMIT');
      expect([(await recording).length, await erasing]).toEqual([1, 1]);
      expect(await one.countPersonTracking('491')).toMatchObject({ events: 0 });
      expect(await recordAll(one)).toMatchObject([{ seq: 2, fact: 'in:2' }]);
    });

    test('subscriptions that several set at once are those of the last', async () => {
      const sets = [['message.sent'], ['message.read', 'message.sent'], ['message.failed'], []].map((types) =>
        CALLERS.map((caller) => ({ caller, types })),
      );
      for (let round = 0; round < 5; round++) {
        await Promise.all(sets.map((set, n) => (n % 2 === 0 ? one : two).setSubscriptions(set)));
      }
      await two.setSubscriptions(ALL);
      await note(['in:1']);
      expect(await recordAll(one)).toHaveLength(1);
    });

    test('with sends, webhooks, recorders, purges and erasures at once nobody waits for another in a circle, and each fact has one event', async () => {
      const ids = Array.from({ length: 30 }, (_, n) => `m${n}`);
      const to = (n: number) => `4930${n % 3}`;
      for (const [n, id] of ids.entries()) await insertSending(n % 2 === 0 ? one : two, newMessage(id, { to: to(n) }));
      await insertPublished(one, 'b', 30);
      const found = await one.findTracked(
        'c1',
        ids.map((id) => ({ localMessageId: id })),
      );
      const seqs = found.flatMap((each) => (each === undefined ? [] : each.seq));
      let isOver = false;
      const forever = async (task: () => Promise<unknown>): Promise<void> => {
        while (!isOver) await task();
      };
      const background = [
        ...[one, two].map((store) => forever(() => recordAll(store))),
        ...[one, two].map((store) => forever(() => store.purge(50))),
        forever(() => two.erasePersonTracking('nobody')),
      ];
      const complete = (store: Store, own: number) =>
        ids.filter((_, n) => n % 2 === own).map((id) => store.complete(id, { status: 'unknown', outcome: OUTCOME }));
      const tell = (store: Store, order: readonly number[], facts: typeof sent) =>
        store.applyTracking({
          ...NO_BATCH,
          messages: order.map((seq) => ({ seq, facts: facts(T), proof: 'id', outcome: PROOF })),
          facts: order.map((seq) => newFact(`click:${seq}`, { sendSeq: seq, type: 'message.clicked' })),
        });
      const broadcast = async (store: Store) => {
        for (
          let claimed = await store.claimBatch('b', 5);
          claimed.length > 0;
          claimed = await store.claimBatch('b', 5)
        ) {
          await store.completeAll(claimed.map(({ id }) => ({ id, status: 'accepted', outcome: OUTCOME })));
        }
      };
      await Promise.all([
        ...[...complete(one, 0), ...complete(two, 1)],
        ...[sent, delivered, read].flatMap((facts) => [tell(one, seqs, facts), tell(two, seqs.toReversed(), facts)]),
        ...[broadcast(one), broadcast(two)],
      ]);
      await sweepAll(one);
      isOver = true;
      await Promise.all(background);
      await recordAll(one);
      const { events } = await one.readEvents('crm', { after: 0, limit: 1_000 });
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
      const of = (type: string) => events.filter((event) => event.type === type).length;
      for (const type of ['delivered', 'read', 'clicked']) expect(of(`message.${type}`), type).toBe(30);
      expect(of('message.unknown') + of('message.resolved')).toBeLessThanOrEqual(60);
      expect([of('message.accepted') >= 30, of('broadcast.finished')]).toEqual([true, 1]);
      for (const seq of seqs) {
        const theirs = events.filter(({ fact }) => fact.startsWith(`m:${seq}:`)).map(({ type }) => type.slice(8));
        const ranks = theirs.filter((type) => ['sent', 'delivered', 'read'].includes(type));
        expect(ranks).toEqual(['sent', 'delivered', 'read'].slice(3 - ranks.length));
      }
      await Promise.all([one.close(), two.close()]);
      const { rows } = await observer.query(
        'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
      );
      expect(rows).toEqual([{ deadlocks: '0' }]);
    }, 30_000);
  });
}
