import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, TIME } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { HOUR_MS, ids, insertFinished, MINUTE_MS, newMessage, OUTCOME } from './samples.ts';

/** Records a broadcast in calls of three recipients whose answers were lost. */
async function lost(store: Store, id: string, calls: number): Promise<void> {
  await insertPublished(store, id, calls * 3);
  const group = await store.claimBatch(id, calls * 3);
  const unknown = group.map((send, at) => ({
    id: send.id,
    status: 'unknown' as const,
    outcome: OUTCOME,
    lostCall: { id: `${id} ${Math.floor(at / 3)}`, place: at % 3 },
  }));
  await store.completeAll(unknown);
}

/** The order in which unknown sends are looked up, and the reported progress. */
export function reconciliationConformance(
  name: string,
  createFixture: () => Promise<StoreFixture>,
  durable: boolean,
): void {
  describe(`${name}: schedule of reconciliation`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    const next = async (limit = 1) => ids(await store.takeDueLookups(limit));
    /** Looks up one at a time until none is due. */
    const round = async () => {
      const order: string[] = [];
      for (let due = await next(); due.length > 0; due = await next()) {
        order.push(...due);
        await store.recordLookups(due, 'done');
      }
      return order;
    };

    test('returns one message of each lost call first, then the others in order', async () => {
      await lost(store, 'b', 3);
      expect(await next()).toEqual([]);
      await fixture.advance(MINUTE_MS + 10);
      const order = await round();
      expect(order.slice(0, 3).toSorted()).toEqual(['b-0', 'b-3', 'b-6']);
      expect(order.slice(3, 6).toSorted()).toEqual(['b-1', 'b-4', 'b-7']);
      expect(order.slice(6).toSorted()).toEqual(['b-2', 'b-5', 'b-8']);
    });

    test('returns a message of a later lost call, and a single message, before the others of an earlier call', async () => {
      await lost(store, 'b', 2);
      await fixture.advance(30_000);
      await lost(store, 'c', 1);
      await insertFinished(store, newMessage('s'), 'unknown');
      await fixture.advance(MINUTE_MS + 10);
      expect((await next(4)).toSorted()).toEqual(['b-0', 'b-3', 'c-0', 's']);
    });

    test('returns messages to one person over one connection together', async () => {
      await lost(store, 'b', 1);
      const aside = { to: '49300', template: 'welcome' };
      await insertFinished(store, newMessage('same', aside), 'unknown');
      await insertFinished(store, newMessage('elsewhere', { ...aside, connectionId: 'c2' }), 'unknown');
      await insertFinished(store, newMessage('over', aside), 'accepted');
      await fixture.advance(MINUTE_MS + 10);
      const [due] = await store.takeDueLookups(1);
      const first = due?.id === 'b-0' ? due : (await store.find('crm', 'b-0')) || due;
      const beside = ids(await store.takeDueOfRecipient({ connectionId: 'c1', to: first?.to ?? '' }, 9));
      expect([due?.id, ...beside].filter((id) => id !== 'elsewhere').toSorted()).toEqual(['b-0', 'same']);
      expect(await store.takeDueOfRecipient({ connectionId: 'c1', to: '49300' }, 9)).toEqual([]);
    });

    test('repeats a failed look-up in half a minute, as the same one, for two hours', async () => {
      await insertFinished(store, newMessage('a'), 'unknown');
      await fixture.advance(MINUTE_MS);
      expect(await store.takeDueLookups(1)).toMatchObject([{ id: 'a', lookup: 1 }]);
      await store.recordLookups(['a'], 'failed');
      expect(await next()).toEqual([]);
      await fixture.advance(MINUTE_MS / 2);
      expect(await store.takeDueLookups(1)).toMatchObject([{ id: 'a', lookup: 1 }]);
      await fixture.advance(3 * HOUR_MS);
      await store.recordLookups(['a'], 'failed');
      expect(await store.takeDueLookups(1)).toMatchObject([{ id: 'a', lookup: 2 }]);
    });

    test('reports how many are left, and which calls were processed', async () => {
      await lost(store, 'b', 2);
      await lost(store, 'other', 1);
      const call = { sentAt: TIME, recipients: 3, found: 0, looked: 0 };
      expect(await store.reconcileProgress('b')).toEqual({ left: 6, lostCalls: [call, call] });
      expect(await store.countDueLookups(100)).toBe(9);
      expect(await store.countDueLookups(4)).toBe(4);
      await fixture.advance(MINUTE_MS + 10);
      await store.takeDueLookups(3);
      await store.markReconciled('b-0', { outcome: OUTCOME });
      await store.recordLookups(['b-0', 'b-3'], 'done');
      const { left, lostCalls } = await store.reconcileProgress('b');
      expect(left).toBe(4);
      expect(lostCalls.map(({ found, looked }) => [found, looked]).toSorted()).toEqual([
        [0, 1],
        [1, 0],
      ]);
      expect(await store.reconcileProgress('nobody')).toEqual({ left: 0, lostCalls: [] });
    });

    test('can be requested any number of times: a round in progress is not restarted', async () => {
      await lost(store, 'b', 2);
      // A request does not wait for the first minute.
      await store.requestReconciliation('b');
      await fixture.advance(10);
      expect(await next(2)).toHaveLength(2);
      await store.recordLookups(['b-0', 'b-3'], 'done');
      await store.requestReconciliation('b');
      await fixture.advance(10);
      expect(await store.reconcileProgress('b')).toMatchObject({ left: 4 });
      expect((await round()).toSorted()).toEqual(['b-1', 'b-2', 'b-4', 'b-5']);
      expect(await store.reconcileProgress('b')).toMatchObject({ left: 0 });
      await fixture.advance(5);
      await store.requestReconciliation('b');
      expect(await store.reconcileProgress('b')).toMatchObject({ left: 6 });
      await fixture.advance(10);
      expect(await round()).toHaveLength(6);
      // Includes messages that are no longer looked up automatically.
      await fixture.advance(2 * HOUR_MS);
      for (let looks = 0; looks < 4; looks++) await round();
      await fixture.advance(48 * HOUR_MS);
      expect(await round()).toEqual([]);
      await store.requestReconciliation('b');
      await fixture.advance(10);
      expect(await round()).toHaveLength(6);
    });

    test.runIf(durable)('groups messages of a dead process by the calls in which they were sent', async () => {
      await insertPublished(store, 'b', 6);
      await store.claimBatch('b', 3);
      await new Promise((resume) => setTimeout(resume, 3));
      await store.claimBatch('b', 3);
      await store.close();
      store = await fixture.open();
      await store.recoverOrphans();
      expect((await store.reconcileProgress('b')).lostCalls.map(({ recipients }) => recipients)).toEqual([3, 3]);
      await fixture.advance(MINUTE_MS + 10);
      expect((await next(2)).toSorted()).toEqual(['b-0', 'b-3']);
    });
  });
}
