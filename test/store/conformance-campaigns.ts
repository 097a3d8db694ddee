import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, recipients } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { OUTCOME } from './samples.ts';

/** What broadcasts add for campaigns: reports, resends, a pace of their own. */
export function campaignConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: campaigns`, () => {
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });

    test('reports each recipient once, in the order in which they were recorded, whatever becomes of them meanwhile', async () => {
      await insertPublished(store, 'other', 3);
      await insertPublished(store, 'b', 7);
      const seen: string[] = [];
      let after: number | undefined = 0;
      while (after !== undefined) {
        const page: Awaited<ReturnType<Store['listRecipients']>> = await store.listRecipients('b', { after, limit: 2 });
        seen.push(...page.recipients.map(({ id, to, status }) => `${id} ${to} ${status}`));
        after = page.next;
        // Those that were read already, and some that were not.
        for (const { id, attempts } of await store.claimBatch('b', 3)) {
          if (id === 'b-3' && attempts === 1) await store.requeue(id, 1);
          else await store.complete(id, { status: 'accepted', outcome: OUTCOME });
        }
      }
      const given = recipients('b', 0, 7).map(({ id, to }) => `${id} ${to}`);
      expect(seen.map((each) => each.replace(/ \w+$/, ''))).toEqual(given);
      expect(seen.map((each) => each.split(' ')[2])).toEqual([
        ...['queued', 'queued', 'accepted', 'queued', 'accepted', 'accepted', 'accepted'],
      ]);
      expect(await store.listRecipients('b', { after: 0, limit: 1 })).toEqual({
        recipients: [
          {
            id: 'b-0',
            to: '49300',
            status: 'accepted',
            sentAt: expect.stringMatching(/Z$/),
            updatedAt: expect.stringMatching(/Z$/),
          },
        ],
        next: expect.any(Number),
      });
      await store.changeBroadcastStatus('crm', 'other', { to: 'cancelled' });
      const { recipients: stopped } = await store.listRecipients('other', { after: 0, limit: 9 });
      expect(stopped.map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled']);
      expect(await store.listRecipients('nope', { after: 0, limit: 9 })).toEqual({ recipients: [] });
    });
  });
}
