import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, HOUR_MS, insertFinished, MINUTE_MS, newMessage } from './samples.ts';
import { delivered, failed, read, sent, tell } from './tracking-samples.ts';

/** Selection of histories to read, and the count of a month's calls. */
export function pollsConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: polls`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    afterEach(() => {
      vi.useRealTimers();
    });
    const due = async (except = ['c2'], limit = 9) =>
      (await store.duePolls(except, limit)).toSorted((a, b) => (a.recipient < b.recipient ? -1 : 1));

    test('are returned once when they are due, and again after five minutes unless they are done', async () => {
      const polls = ['a', 'b', 'c'].map((recipient, n) => ({ connectionId: 'c1', recipient, inMs: n * MINUTE_MS }));
      await store.schedulePolls([...polls, { connectionId: 'c2', recipient: 'a', inMs: 0 }]);
      expect(await store.duePolls(['c1', 'c2'], 9)).toEqual([]);
      const [a] = await due();
      expect(a).toEqual({ connectionId: 'c1', recipient: 'a', looks: 0, lease: expect.any(Number) });
      await fixture.advance(2 * MINUTE_MS);
      const both = await Promise.all([store.duePolls(['c2'], 1), store.duePolls([], 2)]);
      expect(
        both
          .flat()
          .map(({ connectionId, recipient }) => `${connectionId} ${recipient}`)
          .toSorted(),
      ).toEqual([...['c1 b', 'c1 c', 'c2 a']]);
      expect(await due()).toEqual([]);
      await fixture.advance(5 * MINUTE_MS);
      expect((await due()).map(({ recipient }) => recipient)).toEqual(['a', 'b', 'c']);
    });

    test('are due again or removed, and what was scheduled meanwhile is kept', async () => {
      await store.schedulePolls(['a', 'b', 'c'].map((recipient) => ({ connectionId: 'c1', recipient, inMs: 0 })));
      const [a, b, c] = await due();
      if (!a || !b || !c) throw new Error('three are due');
      await store.pollDone(a, MINUTE_MS);
      await store.pollDone(b);
      await store.schedulePolls([{ connectionId: 'c1', recipient: 'c', inMs: MINUTE_MS }]);
      await store.pollDone(c);
      await fixture.advance(MINUTE_MS);
      expect((await due()).map(({ recipient, looks }) => [recipient, looks])).toEqual([
        ['a', 1],
        ['c', 0],
      ]);
    });

    test('list the recipients of messages that are not final, and when their histories are due', async () => {
      const rows = {
        told: '1',
        read: '2',
        dead: '3',
        silent: '4',
        again: '4',
        lost: '5',
        refused: '6',
        elsewhere: '7',
      };
      const ends = { lost: 'unknown', refused: 'rejected' } as const;
      for (const [id, to] of Object.entries(rows)) {
        const status = id === 'lost' || id === 'refused' ? ends[id] : 'accepted';
        await insertFinished(store, newMessage(id, { to, connectionId: id === 'elsewhere' ? 'c2' : 'c1' }), status);
      }
      await tell(store, 'told', delivered(Date.now()));
      await tell(store, 'read', read(Date.now()));
      await tell(store, 'dead', failed(Date.now()));
      await fixture.advance(HOUR_MS);
      await store.schedulePolls([{ connectionId: 'c1', recipient: '4', inMs: 5 * MINUTE_MS }]);
      const open = (fromMs: number, untilMs: number, limit = 9) =>
        store.openRecipients('c1', { fromMs, untilMs }, limit);
      const found = await open(2 * HOUR_MS, MINUTE_MS);
      expect(found.map(({ recipient }) => recipient).toSorted()).toEqual(['1', '4', '5']);
      for (const { endedMsAgo } of found) expect(endedMsAgo).toBeGreaterThanOrEqual(HOUR_MS);
      for (const { recipient, dueInMs } of found) {
        expect(Math.ceil((dueInMs ?? 0) / MINUTE_MS), recipient).toBe(recipient === '4' ? 5 : 0);
      }
      expect(await open(2 * HOUR_MS, MINUTE_MS, 2)).toHaveLength(2);
      expect(await open(MINUTE_MS, 0)).toEqual([]);
      expect(await open(9 * HOUR_MS, 8 * HOUR_MS)).toEqual([]);
      expect(await store.openSends('c1', '4', 2 * HOUR_MS)).toHaveLength(2);
      expect(await store.openSends('c1', '4', MINUTE_MS)).toEqual([]);
      for (const recipient of ['2', '3', '6', '7']) expect(await store.openSends('c1', recipient, DAY_MS)).toEqual([]);
    });

    test('list the connections with messages, and of how many messages nothing is known', async () => {
      const note = (received: boolean) => store.noteListening([{ connectionId: 'c1', received }]);
      expect(await note(false)).toEqual([]);
      await fixture.advance(MINUTE_MS);
      for (const id of ['a', 'b', 'c']) await insertFinished(store, newMessage(id), 'accepted');
      await insertFinished(store, newMessage('lost'), 'unknown');
      await insertFinished(store, newMessage('x', { connectionId: 'c2' }), 'accepted');
      await fixture.advance(HOUR_MS);
      const all = async () =>
        (await store.sendingConnections())
          .toSorted((x, y) => (x.connectionId < y.connectionId ? -1 : 1))
          .map(({ listenedMsAgo = -1, eventMsAgo = -1, ...rest }) => ({
            ...rest,
            times: [listenedMsAgo, eventMsAgo].map((ms) => Math.floor(ms / HOUR_MS)),
          }));
      const c2 = { connectionId: 'c2', silentSends: 0, times: [-1, -1] };
      expect(await all()).toEqual([{ connectionId: 'c1', silentSends: 3, times: [1, 1] }, c2]);
      await tell(store, 'b', sent(Date.now()));
      await note(false);
      expect(await all()).toEqual([{ connectionId: 'c1', silentSends: 2, times: [0, 1] }, c2]);
      await note(true);
      expect(await all()).toEqual([{ connectionId: 'c1', silentSends: 0, times: [0, 0] }, c2]);
      await fixture.advance(DAY_MS);
      expect(await all()).toEqual([]);
    });

    test('tell for how long each connection was not listened for', async () => {
      const notes = ['c1', 'c2'].map((connectionId) => ({ connectionId, received: false }));
      expect(await store.noteListening([])).toEqual([]);
      expect(await store.noteListening(notes)).toEqual([]);
      await fixture.advance(HOUR_MS);
      expect(await store.noteListening(notes.slice(1))).toHaveLength(1);
      const [c1, c2] = (await store.noteListening(notes)).toSorted((x, y) =>
        x.connectionId < y.connectionId ? -1 : 1,
      );
      expect([c1?.agoMs ?? 0, c2?.agoMs ?? HOUR_MS].map((ms) => Math.floor(ms / HOUR_MS))).toEqual([1, 0]);
      expect(c1?.wallAgoMs).toBeLessThan(HOUR_MS);
    });

    test('are counted per day, up to the limit', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-30T23:59:59.999Z') });
      expect(await store.pollLoad('c1')).toEqual({ spent: 0, scheduled: 0 });
      expect(await store.spendPoll('c1', 0)).toBe(false);
      const four = await Promise.all(Array.from({ length: 4 }, () => store.spendPoll('c1', 3)));
      expect(four.filter(Boolean)).toHaveLength(3);
      expect(await store.spendPoll('c2', 3)).toBe(true);
      await store.schedulePolls([{ connectionId: 'c1', recipient: 'a', inMs: 0 }]);
      expect(await store.pollLoad('c1')).toEqual({ spent: 3, scheduled: 1 });
      vi.setSystemTime(Date.parse('2026-12-01T00:00:00Z'));
      expect(await store.pollLoad('c1')).toEqual({ spent: 0, scheduled: 1 });
      expect(await store.spendPoll('c1', 3)).toBe(true);
    });

    test('are deleted after a day without a read, at most as many as requested', async () => {
      await store.schedulePolls(['a', 'b', 'c'].map((recipient) => ({ connectionId: 'c1', recipient, inMs: HOUR_MS })));
      await fixture.advance(DAY_MS);
      expect(await store.purge(2)).toBe(0);
      expect((await store.pollLoad('c1')).scheduled).toBe(3);
      await fixture.advance(2 * HOUR_MS);
      expect([await store.purge(2), await store.purge(2)]).toEqual([2, 1]);
      expect((await store.pollLoad('c1')).scheduled).toBe(0);
    });

    test('count the calls of a UTC month, by connection', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-30T23:59:59.999Z') });
      const calls = async () =>
        Object.fromEntries((await store.monthCalls()).map(({ connectionId, n }) => [connectionId, n]));
      await store.countCalls([]);
      expect(await calls()).toEqual({});
      const two = [2, 1].map((n, at) => ({ connectionId: `c${at + 1}`, n }));
      await Promise.all([store.countCalls(two), store.countCalls([...two.slice(0, 1), { connectionId: 'c1', n: 1 }])]);
      expect(await calls()).toEqual({ c1: 5, c2: 1 });
      vi.setSystemTime(Date.parse('2026-12-01T00:00:00Z'));
      expect(await calls()).toEqual({});
      await store.countCalls([{ connectionId: 'c1', n: 1 }]);
      expect(await calls()).toEqual({ c1: 1 });
      vi.setSystemTime(Date.parse('2027-12-01T00:00:00Z'));
      expect(await store.purge(9)).toBe(2);
      expect(await calls()).toEqual({});
    });
  });
}
