import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import type { Stopped } from '../../src/store/operator-store.ts';
import { insertPublished, insertRecording } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { ids, insertFinished, insertSending, newMessage } from './samples.ts';

const nothing: Stopped = { all: false, callers: [], connections: [] };
const said = { reason: 'a key was stolen', changedBy: 'operator' };

/** Operations of operators on the records of all callers. */
export function operatorConformance(name: string, createFixture: () => Promise<StoreFixture>, durable: boolean): void {
  describe(`${name}: the operators’ stop`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test('is empty until an operator sets it', async () => {
      expect(await store.findSendingStop()).toBeUndefined();
    });

    test.each<[string, Stopped]>([
      ['everything', { ...nothing, all: true }],
      ['some callers and connections', { all: false, callers: ['crm', 'shop'], connections: ['c1', 'c2'] }],
      ['everything and a caller', { all: true, callers: ['crm'], connections: [] }],
      ['nothing', nothing],
    ])('is kept as it was said: %s', async (_name, stopped) => {
      const stands = await store.stopSending({ ...said, stopped });
      expect(stands).toEqual({ ...said, stopped, changedAt: expect.stringMatching(/Z$/) });
      expect(await store.findSendingStop()).toEqual(stands);
    });

    test('is replaced as a whole, and a repeated name counts once', async () => {
      await store.stopSending({ ...said, stopped: { all: true, callers: ['crm'], connections: ['c1'] } });
      await store.stopSending({
        reason: 'it was the shop',
        changedBy: 'night',
        stopped: { ...nothing, callers: ['shop', 'shop'] },
      });
      expect(await store.findSendingStop()).toMatchObject({
        stopped: { ...nothing, callers: ['shop'] },
        reason: 'it was the shop',
        changedBy: 'night',
      });
    });

    test('is the whole of one of several that are set at the same time', async () => {
      const words = Array.from({ length: 8 }, (_, n) => ({
        reason: `reason ${n}`,
        changedBy: `operator${n}`,
        stopped: { all: n % 2 === 0, callers: [`a${n}`, `b${n}`], connections: [`c${n}`] },
      }));
      await Promise.all(words.map((word) => store.stopSending(word)));
      const { changedAt, ...stands } = (await store.findSendingStop()) ?? {};
      expect(words).toContainEqual(stands);
    });

    test.runIf(durable)('is kept over a restart', async () => {
      await store.stopSending({ ...said, stopped: { ...nothing, all: true } });
      await store.close();
      store = await fixture.open();
      expect(await store.findSendingStop()).toMatchObject({ stopped: { all: true }, reason: 'a key was stolen' });
    });
  });

  describe(`${name}: the records of all callers`, () => {
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });

    const all = async (
      filter: Parameters<Store['listMessagesOf']>[1],
      limit = 3,
      callers = ['crm', 'shop', 'bank'],
    ) => {
      const pages: string[][] = [];
      let cursor: string | undefined;
      do {
        const page = await store.listMessagesOf(callers, filter, cursor === undefined ? { limit } : { limit, cursor });
        pages.push(ids(page.messages));
        cursor = page.next;
      } while (cursor !== undefined);
      return pages;
    };

    test('are listed together, newest first, page by page', async () => {
      for (let n = 0; n < 7; n++) {
        const caller = ['crm', 'shop', 'bank'][n % 3] ?? '';
        await store.insert(newMessage(`s${n}`, { caller, to: n < 4 ? '491' : '492' }));
      }
      expect(await all({})).toEqual([['s6', 's5', 's4'], ['s3', 's2', 's1'], ['s0']]);
      expect(await all({ to: '491' }, 2)).toEqual([
        ['s3', 's2'],
        ['s1', 's0'],
      ]);
      expect(await all({}, 10, ['shop'])).toEqual([['s4', 's1']]);
      expect(await all({}, 10, [])).toEqual([[]]);
      expect(await all({ status: 'accepted' })).toEqual([[]]);
      for (const callers of [['crm'], []]) {
        const bad = store.listMessagesOf(callers, { broadcastId: 'none' }, { limit: 3, cursor: 'bad' });
        await expect(bad).rejects.toThrow(RangeError);
      }
    });

    test('of a broadcast are found, and those of one that is still recording are not', async () => {
      await insertPublished(store, 'b', 2);
      await insertRecording(store, 'open', 2);
      expect(await all({ broadcastId: 'b' })).toEqual([['b-1', 'b-0']]);
      expect(await all({ broadcastId: 'open' })).toEqual([[]]);
      expect(await all({ broadcastId: 'b' }, 3, ['shop'])).toEqual([[]]);
      expect(await all({})).toEqual([['b-1', 'b-0']]);
    });

    test('list every caller that has any', async () => {
      expect(await store.listCallers()).toEqual([]);
      await insertFinished(store, newMessage('a'), 'accepted');
      await insertFinished(store, newMessage('b', { caller: 'Shop' }), 'rejected');
      await store.insert(newMessage('c', { caller: 'bank' }));
      await store.insert(newMessage('d', { caller: 'bank' }));
      await insertPublished(store, 'e', 1, { caller: 'ads' });
      expect((await store.listCallers()).toSorted()).toEqual(['Shop', 'ads', 'bank', 'crm']);
    });

    test('count what each caller has queued and in flight', async () => {
      await store.insert(newMessage('a'));
      await store.insert(newMessage('b'));
      await insertSending(store, newMessage('c'));
      await insertFinished(store, newMessage('d'), 'accepted');
      await insertPublished(store, 'e', 5);
      await store.claimBatch('e', 2);
      await insertPublished(store, 'f', 3);
      await store.changeBroadcastStatus('crm', 'f', { to: 'paused' });
      await insertPublished(store, 'g', 4);
      await store.changeBroadcastStatus('crm', 'g', { to: 'cancelled' });
      await insertRecording(store, 'h', 6);
      await insertFinished(store, newMessage('i', { caller: 'shop' }), 'unknown');
      const work = await store.summarizeWork(['crm', 'shop', 'bank']);
      expect(work.toSorted((a, b) => a.caller.localeCompare(b.caller))).toEqual([
        { caller: 'bank', queued: 0, sending: 0 },
        { caller: 'crm', queued: 2 + 3 + 3, sending: 1 + 2, lastRecordedAt: expect.stringMatching(/Z$/) },
        { caller: 'shop', queued: 0, sending: 0, lastRecordedAt: expect.stringMatching(/Z$/) },
      ]);
      expect(await store.countOpenBroadcasts()).toEqual(
        expect.arrayContaining([
          { caller: 'crm', connectionId: 'c1', status: 'running', count: 1 },
          { caller: 'crm', connectionId: 'c1', status: 'paused', count: 1 },
        ]),
      );
    });

    test('have broadcasts, listed by status and caller, newest first', async () => {
      for (const [id, caller] of [
        ['a', 'crm'],
        ['b', 'shop'],
        ['c', 'crm'],
        ['d', 'shop'],
      ] as const) {
        await insertPublished(store, id, 1, { caller });
      }
      await insertRecording(store, 'e', 1);
      await store.changeBroadcastStatus('crm', 'c', { to: 'paused' });
      const list = async (...ask: Parameters<Store['listAllBroadcasts']>) => {
        const { broadcasts, next } = await store.listAllBroadcasts(...ask);
        return { ids: broadcasts.map(({ id }) => id), next };
      };
      const first = await list({}, { limit: 3 });
      expect(first.ids).toEqual(['d', 'c', 'b']);
      expect(await list({}, { limit: 3, cursor: first.next ?? '' })).toEqual({ ids: ['a'], next: undefined });
      expect((await list({ caller: 'crm' }, { limit: 3 })).ids).toEqual(['c', 'a']);
      expect((await list({ status: 'running' }, { limit: 9 })).ids).toEqual(['d', 'b', 'a']);
      expect((await list({ status: 'running', caller: 'crm' }, { limit: 9 })).ids).toEqual(['a']);
      expect((await list({ status: 'done' }, { limit: 9 })).ids).toEqual([]);
      await expect(store.listAllBroadcasts({}, { limit: 3, cursor: 'x' })).rejects.toThrow(RangeError);
    });

    test('can be changed by an operator instead of their caller', async () => {
      await insertPublished(store, 'a', 2);
      expect(await store.changeAnyBroadcastStatus('a', 'paused')).toMatchObject({
        id: 'a',
        caller: 'crm',
        status: 'paused',
      });
      expect(await store.claimBatch('a', 5)).toEqual([]);
      expect(await store.changeAnyBroadcastStatus('a', 'running')).toMatchObject({ status: 'running' });
      expect(await store.changeAnyBroadcastStatus('a', 'cancelled')).toMatchObject({ counts: { cancelled: 2 } });
      expect(await store.changeAnyBroadcastStatus('a', 'running')).toMatchObject({ status: 'cancelled' });
      expect(await store.changeAnyBroadcastStatus('none', 'paused')).toBeUndefined();
      await insertRecording(store, 'b', 1);
      expect(await store.changeAnyBroadcastStatus('b', 'cancelled')).toBeUndefined();
    });

    test('that a caller has queued are cancelled, oldest first; no others, and none in flight', async () => {
      for (let n = 0; n < 5; n++) await store.insert(newMessage(`q${n}`));
      await insertSending(store, newMessage('wire'));
      await store.insert(newMessage('other', { caller: 'shop' }));
      expect(await store.cancelQueued('crm', 3)).toBe(3);
      expect(ids((await store.list('crm', { status: 'queued' }, { limit: 9 })).messages)).toEqual(['q4', 'q3']);
      expect(await store.cancelQueued('crm', 3)).toBe(2);
      expect(await store.cancelQueued('crm', 3)).toBe(0);
      const { messages } = await store.list('crm', { status: 'cancelled' }, { limit: 9 });
      expect(ids(messages)).toEqual(['q4', 'q3', 'q2', 'q1', 'q0']);
      expect(messages[0]).toMatchObject({ failure: { code: 'cancelled', detail: 'an operator cancelled it' } });
      expect(messages[0]).not.toHaveProperty('content');
      expect(await store.claim('q0', 1)).toBe(false);
      expect(await store.find('crm', 'wire')).toMatchObject({ status: 'sending' });
      expect(await store.find('shop', 'other')).toMatchObject({ status: 'queued' });
      expect(await store.counts()).toMatchObject({ queued: 1, sending: 1, cancelled: 5 });
    });

    test('that are broadcasts of a caller are cancelled together', async () => {
      await insertPublished(store, 'a', 2);
      await insertPublished(store, 'b', 2);
      await store.changeBroadcastStatus('crm', 'b', { to: 'paused' });
      await insertPublished(store, 'c', 2, { caller: 'shop' });
      expect(await store.cancelBroadcasts('crm')).toBe(2);
      expect(await store.cancelBroadcasts('crm')).toBe(0);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ status: 'cancelled', counts: { cancelled: 2 } });
      expect(await store.findBroadcast('shop', 'c')).toMatchObject({ status: 'running' });
    });
  });
}
