import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { newEndpoint, progressOf } from './webhook-samples.ts';

/** Which of several processes serves an endpoint, and how it changes. */
export function webhookReplicas(createFixture: () => Promise<StoreFixture>): void {
  describe('PostgreSQL: webhook endpoints of several replicas', () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test('are served by one each, and by another when that one has left', async () => {
      const other = await fixture.open();
      for (const id of ['e1', 'e2', 'e3']) await store.createEndpoint(newEndpoint(id), 9);
      const both = await Promise.all([store.claimEndpoints(), other.claimEndpoints()]);
      expect(
        both
          .flat()
          .map(({ id }) => id)
          .toSorted(),
      ).toEqual(['e1', 'e2', 'e3']);
      await other.createEndpoint(newEndpoint('e4'), 9);
      const served = await store.claimEndpoints();
      const theirs = await other.claimEndpoints();
      expect(served.length + theirs.length).toBe(4);
      await store.close();
      const all = await other.claimEndpoints();
      expect(all.map(({ id }) => id).toSorted()).toEqual(['e1', 'e2', 'e3', 'e4']);
      for (const before of served) expect(await other.saveEndpointProgress(progressOf(before))).toBe(false);
      for (const now of all) expect(await other.saveEndpointProgress(progressOf(now, { position: 5 }))).toBe(true);
    });

    test('are no more of a caller than it may have, whichever replica makes them', async () => {
      const other = await fixture.open();
      const all = await Promise.all(
        Array.from({ length: 12 }, (_, n) => (n % 2 ? store : other).createEndpoint(newEndpoint(`e${n}`), 5)),
      );
      expect(all.filter(Boolean)).toHaveLength(5);
    });
  });
}
