import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import type { StoreFixture } from './fixture.ts';
import { HOUR_MS, insertFinished, MINUTE_MS, newMessage } from './samples.ts';
import { sent, tell } from './tracking-samples.ts';

/** Whose history is to be read, and how many calls a month has cost. */
export function pollsConformance(name: string, makeHome: () => Promise<StoreFixture>): void {
  describe(`${name}: polls`, () => {
    let home: StoreFixture;
    let store: Store;
    beforeEach(async () => {
      home = await makeHome();
      store = await home.open();
    });
    afterEach(async () => {
      vi.useRealTimers();
      await store.close();
      await home.tearDown();
    });
    const due = async (connections = ['c1'], limit = 9) =>
      (await store.duePolls(connections, limit)).toSorted((a, b) => (a.recipient < b.recipient ? -1 : 1));

    test('are handed out once when they are due, and again after five minutes if nobody is done', async () => {
      const polls = ['a', 'b', 'c'].map((recipient, n) => ({ connectionId: 'c1', recipient, inMs: n * MINUTE_MS }));
      await store.schedulePolls([...polls, { connectionId: 'c2', recipient: 'a', inMs: 0 }]);
      expect(await store.duePolls([], 9)).toEqual([]);
      const [a] = await due();
      expect(a).toEqual({ connectionId: 'c1', recipient: 'a', looks: 0, lease: expect.any(Number) });
      await home.advance(2 * MINUTE_MS);
      const both = await Promise.all([store.duePolls(['c1'], 1), store.duePolls(['c1', 'c2'], 2)]);
      expect(
        both
          .flat()
          .map(({ connectionId, recipient }) => `${connectionId} ${recipient}`)
          .toSorted(),
      ).toEqual([...['c1 b', 'c1 c', 'c2 a']]);
      expect(await due()).toEqual([]);
      await home.advance(5 * MINUTE_MS);
      expect((await due()).map(({ recipient }) => recipient)).toEqual(['a', 'b', 'c']);
    });

    test('are due again or over, and what was scheduled meanwhile stays', async () => {
      await store.schedulePolls(['a', 'b', 'c'].map((recipient) => ({ connectionId: 'c1', recipient, inMs: 0 })));
      const [a, b, c] = await due();
      if (!a || !b || !c) throw new Error('three are due');
      await store.pollDone(a, MINUTE_MS);
      await store.pollDone(b);
      await store.schedulePolls([{ connectionId: 'c1', recipient: 'c', inMs: MINUTE_MS }]);
      await store.pollDone(c);
      await home.advance(MINUTE_MS);
      expect((await due()).map(({ recipient, looks }) => [recipient, looks])).toEqual([
        ['a', 1],
        ['c', 0],
      ]);
    });

    test('know of whom nothing is known', async () => {
      await insertFinished(store, newMessage('told', { to: '1' }), 'accepted');
      await tell(store, 'told', sent(Date.now()));
      await insertFinished(store, newMessage('silent', { to: '2' }), 'accepted');
      await insertFinished(store, newMessage('again', { to: '2' }), 'accepted');
      await insertFinished(store, newMessage('rejected', { to: '3' }), 'rejected');
      await insertFinished(store, newMessage('elsewhere', { to: '4', connectionId: 'c2' }), 'accepted');
      await home.advance(HOUR_MS);
      const untracked = (fromMs: number, untilMs: number) => store.untracked('c1', { fromMs, untilMs }, 9);
      const [only, ...more] = await untracked(2 * HOUR_MS, MINUTE_MS);
      expect([only?.recipient, more]).toEqual(['2', []]);
      expect(only?.endedMsAgo).toBeGreaterThanOrEqual(HOUR_MS);
      expect(await untracked(MINUTE_MS, 0)).toEqual([]);
      expect(await untracked(9 * HOUR_MS, 8 * HOUR_MS)).toEqual([]);
    });

    test('count the calls of a month of UTC, by connection', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-30T23:59:59.999Z') });
      expect(await store.monthCalls('c1')).toBe(0);
      await Promise.all([store.countCalls('c1', 2), store.countCalls('c1', 3), store.countCalls('c2', 1)]);
      expect([await store.monthCalls('c1'), await store.monthCalls('c2')]).toEqual([5, 1]);
      vi.setSystemTime(Date.parse('2026-12-01T00:00:00Z'));
      expect(await store.monthCalls('c1')).toBe(0);
      await store.countCalls('c1', 1);
      expect(await store.monthCalls('c1')).toBe(1);
      vi.setSystemTime(Date.parse('2027-12-01T00:00:00Z'));
      expect(await store.purge(9)).toBe(2);
      expect(await store.monthCalls('c1')).toBe(0);
    });
  });
}
