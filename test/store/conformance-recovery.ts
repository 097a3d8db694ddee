import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import {
  ids,
  insertFinished,
  insertSending,
  listOwnQueued,
  MINUTE_MS,
  mustFind,
  newMessage,
  newStream,
  recoverAndAdopt,
  withKey,
} from './samples.ts';

/** Recovery of the records of a dead process by its successor. */
export function recoveryConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: recovery`, () => {
    let fixture: StoreFixture;
    let first: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      first = opened.store;
    });
    const successor = async (): Promise<Store> => {
      await first.close();
      return fixture.open();
    };

    test('does not touch the messages of the own process', async () => {
      await first.insert(newMessage('q'));
      await insertSending(first, newMessage('s'));
      expect(await recoverAndAdopt(first, 10)).toEqual({ unknown: 0, adopted: [] });
    });

    test('makes sending messages unknown, lets queued ones be adopted, fails streams, and keeps final states', async () => {
      const { fingerprint, ...queued } = newMessage('q', withKey('k'));
      await first.insert(newMessage('q', withKey('k')));
      await insertSending(first, newMessage('s', { kind: 'template' }));
      await first.insert(newStream('f'));
      await insertSending(first, newStream('g'));
      await insertFinished(first, newMessage('e'), 'accepted');
      const { next: cursor = '' } = await first.list('crm', {}, { limit: 1 });
      await insertSending(first, newMessage('r'));
      await first.requeue('r', 1);
      const store = await successor();
      expect(ids((await store.list('crm', {}, { limit: 9, cursor })).messages)).toEqual(['g', 'f', 's', 'q']);
      expect(await store.claim('q', 1)).toBe(false);
      const { unknown, adopted } = await recoverAndAdopt(store, 10);
      expect(unknown).toBe(2);
      expect(ids(adopted)).toEqual(['q', 'r']);
      expect(adopted[0]).toMatchObject({ ...queued, status: 'queued', attempts: 0 });
      expect(adopted[0] && store.sameContent(adopted[0], String(fingerprint))).toBe(true);
      for (const id of ['s', 'g']) {
        expect(await mustFind(store, id)).toMatchObject({ status: 'unknown', failure: { code: 'owner-died' } });
      }
      expect(await mustFind(store, 'f')).toMatchObject({ status: 'not_sent', failure: { code: 'stream-lost' } });
      expect(await mustFind(store, 'e')).toMatchObject({ status: 'accepted' });
      expect(await store.counts()).toMatchObject({ queued: 2, sending: 0, unknown: 2, not_sent: 1, accepted: 1 });
      expect(await store.claim('q', 1)).toBe(true);
      expect(await recoverAndAdopt(store, 10)).toEqual({ unknown: 0, adopted: [] });
    });

    test('lists the queued messages of the own process, adopted ones included', async () => {
      await first.insert(newMessage('q'));
      await first.insert(newStream('f'));
      await insertSending(first, newMessage('s'));
      await insertSending(first, newMessage('r'));
      await first.requeue('r', 1);
      await insertFinished(first, newMessage('e'), 'unknown');
      expect(ids(await listOwnQueued(first))).toEqual(['q', 'r']);
      const store = await successor();
      await store.insert(newMessage('n'));
      expect(await listOwnQueued(store)).toEqual([await mustFind(store, 'n')]);
      await recoverAndAdopt(store, 1);
      expect(ids(await listOwnQueued(store))).toEqual(['q', 'n']);
    });

    test('adopts at most the limit', async () => {
      for (const id of ['a', 'b', 'c']) await first.insert(newMessage(id));
      const store = await successor();
      expect(ids((await recoverAndAdopt(store, 2)).adopted)).toEqual(['a', 'b']);
      expect(ids((await recoverAndAdopt(store, 2)).adopted)).toEqual(['c']);
      expect(ids((await recoverAndAdopt(store, 2)).adopted)).toEqual([]);
    });

    test('schedules the look-up of messages that it made unknown, and a late answer corrects them', async () => {
      for (const id of ['a', 'b']) await insertSending(first, newMessage(id, { kind: 'template' }));
      const store = await successor();
      await recoverAndAdopt(store, 10);
      expect(await store.complete('b', { status: 'accepted', outcome: 'late' })).toBe(true);
      await fixture.advance(MINUTE_MS);
      expect(ids(await store.takeDueLookups(10))).toEqual(['a']);
      await fixture.advance(4 * MINUTE_MS);
      expect(ids(await store.takeDueLookups(10))).toEqual(['a']);
    });

    test('lets a message be completed that was not recovered yet', async () => {
      await first.insert(newMessage('q'));
      await insertSending(first, newMessage('s'));
      const store = await successor();
      expect(await store.complete('q', { status: 'cancelled', outcome: null })).toBe(true);
      expect(await store.complete('s', { status: 'accepted', outcome: 'late' })).toBe(true);
    });
  });
}
