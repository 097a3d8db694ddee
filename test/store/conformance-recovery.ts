import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import type { Home } from './fixture.ts';
import { aSend, aStream, ended, found, ids, listOwnQueued, MINUTE_MS, sending, takeOver, withKey } from './samples.ts';

/** What a successor finds of a process that is gone. */
export function takeoverConformance(name: string, makeHome: () => Promise<Home>): void {
  describe(`${name}: recovers`, () => {
    let home: Home;
    let first: Store;
    let opened: Store[];
    beforeEach(async () => {
      home = await makeHome();
      first = await home.open();
      opened = [first];
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      await home.tearDown();
    });
    const successor = async (): Promise<Store> => {
      await first.close();
      const store = await home.open();
      opened.push(store);
      return store;
    };

    test('its own sends are not recovered', async () => {
      await first.insert(aSend('q'));
      await sending(first, aSend('s'));
      expect(await takeOver(first, 10)).toEqual({ unknown: 0, adopted: [] });
    });

    test('sending becomes unknown, queued is adopted, a stream is lost, an end stays', async () => {
      const { fingerprint, ...queued } = aSend('q', withKey('k'));
      await first.insert(aSend('q', withKey('k')));
      await sending(first, aSend('s', { kind: 'template' }));
      await first.insert(aStream('f'));
      await sending(first, aStream('g'));
      await ended(first, aSend('e'), 'accepted');
      const { next: cursor = '' } = await first.list('crm', {}, { limit: 1 });
      await sending(first, aSend('r'));
      await first.requeue('r', 1);
      const store = await successor();
      expect(ids((await store.list('crm', {}, { limit: 9, cursor })).messages)).toEqual(['g', 'f', 's', 'q']);
      expect(await store.claim('q', 1)).toBe(false);
      const { unknown, adopted } = await takeOver(store, 10);
      expect(unknown).toBe(2);
      expect(ids(adopted)).toEqual(['q', 'r']);
      expect(adopted[0]).toMatchObject({ ...queued, status: 'queued', attempts: 0 });
      expect(adopted[0] && store.sameContent(adopted[0], String(fingerprint))).toBe(true);
      for (const id of ['s', 'g']) {
        expect(await found(store, id)).toMatchObject({ status: 'unknown', failure: { code: 'owner-died' } });
      }
      expect(await found(store, 'f')).toMatchObject({ status: 'not_sent', failure: { code: 'stream-lost' } });
      expect(await found(store, 'e')).toMatchObject({ status: 'accepted' });
      expect(await store.counts()).toMatchObject({ queued: 2, sending: 0, unknown: 2, not_sent: 1, accepted: 1 });
      expect(await store.claim('q', 1)).toBe(true);
      expect(await takeOver(store, 10)).toEqual({ unknown: 0, adopted: [] });
    });

    test('its own queued sends are told, also those that it adopted', async () => {
      await first.insert(aSend('q'));
      await first.insert(aStream('f'));
      await sending(first, aSend('s'));
      await sending(first, aSend('r'));
      await first.requeue('r', 1);
      await ended(first, aSend('e'), 'unknown');
      expect(ids(await listOwnQueued(first))).toEqual(['q', 'r']);
      const store = await successor();
      await store.insert(aSend('n'));
      expect(await listOwnQueued(store)).toEqual([await found(store, 'n')]);
      await takeOver(store, 1);
      expect(ids(await listOwnQueued(store))).toEqual(['q', 'n']);
    });

    test('adopts at most the limit', async () => {
      for (const id of ['a', 'b', 'c']) await first.insert(aSend(id));
      const store = await successor();
      expect(ids((await takeOver(store, 2)).adopted)).toEqual(['a', 'b']);
      expect(ids((await takeOver(store, 2)).adopted)).toEqual(['c']);
      expect(ids((await takeOver(store, 2)).adopted)).toEqual([]);
    });

    test('what recover made unknown is looked at, and a late answer corrects it', async () => {
      for (const id of ['a', 'b']) await sending(first, aSend(id, { kind: 'template' }));
      const store = await successor();
      await takeOver(store, 10);
      expect(await store.complete('b', { status: 'accepted', outcome: 'late' })).toBe(true);
      await home.age(MINUTE_MS);
      expect(ids(await store.takeDueLookups(10))).toEqual(['a']);
      await home.age(4 * MINUTE_MS);
      expect(ids(await store.takeDueLookups(10))).toEqual(['a']);
    });

    test('what was not recovered yet can still be ended', async () => {
      await first.insert(aSend('q'));
      await sending(first, aSend('s'));
      const store = await successor();
      expect(await store.complete('q', { status: 'cancelled', outcome: null })).toBe(true);
      expect(await store.complete('s', { status: 'accepted', outcome: 'late' })).toBe(true);
    });
  });
}
