import { describe, expect, test } from 'vitest';
import type { IntakeRow } from '../../src/store/intake-store.ts';
import type { Store } from '../../src/store/open.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, MINUTE_MS } from './samples.ts';

const aRow = (key: string, more: Partial<IntakeRow> = {}): IntakeRow => ({
  key,
  connectionId: 'c1',
  receivedAtMs: Date.now(),
  body: JSON.stringify({ eventType: 'message', key }),
  ...more,
});
const nothing = { messages: [], conversations: [], done: [], postponed: [] };

/** Webhooks are recorded once, returned until they are applied, and recognized as repeats for some days. */
export function intakeConformance(name: string, createFixture: () => Promise<StoreFixture>, survives: boolean): void {
  describe(`${name}: records webhooks`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    const dueKeys = async (limit = 100) => (await store.dueIntake(limit)).map(({ key }) => key).toSorted();
    const finish = async (keys: readonly string[]) => {
      const entries = (await store.dueIntake(1_000)).filter(({ key }) => keys.includes(key));
      await store.applyTracking({ ...nothing, done: entries.map(({ seq }) => seq) });
    };

    test('a key is received once: in one call, in the next one, after it was applied, and in a hundred concurrent calls', async () => {
      expect(await store.recordIntake([])).toEqual({ received: 0, duplicates: 0 });
      expect(await store.recordIntake([aRow('a'), aRow('b'), aRow('a')])).toEqual({ received: 2, duplicates: 1 });
      expect(await store.recordIntake([aRow('b'), aRow('c')])).toEqual({ received: 1, duplicates: 1 });
      await finish(['a']);
      expect(await store.recordIntake([aRow('a')])).toEqual({ received: 0, duplicates: 1 });
      const racing = Array.from({ length: 100 }, (_, n) => store.recordIntake([aRow(`r${n % 10}`), aRow(`s${n}`)]));
      const counts = await Promise.all(racing);
      expect(counts.reduce((sum, { received }) => sum + received, 0)).toBe(110);
      expect(counts.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(90);
      expect(await dueKeys(1_000)).toHaveLength(112);
    });

    test('returns entries oldest first until they are applied, and deletes the body then', async () => {
      const at = Date.now();
      const body = JSON.stringify({ text: 'ñ 你好 \u{1F600} \u0000 \uD800 "\\ \n', long: 'x'.repeat(100_000) });
      await store.recordIntake([aRow('late', { receivedAtMs: at + 5 }), aRow('early', { receivedAtMs: at, body })]);
      const [first, second] = await store.dueIntake(10);
      expect(first).toEqual({
        ...{ key: 'early', connectionId: 'c1', receivedAtMs: at, body, tries: 0 },
        ...{ seq: expect.any(Number), ageMs: expect.any(Number) },
      });
      expect(second?.key).toBe('late');
      expect(await dueKeys(1)).toHaveLength(1);
      expect(await dueKeys()).toEqual(['early', 'late']);
      await finish(['early']);
      expect(await dueKeys()).toEqual(['late']);
      expect(await store.countPersonTracking('你好')).toEqual({ conversations: 0, waiting: 0, events: 0 });
    });

    test('postpones an entry by a time since its receipt, counts the try, and delays no other', async () => {
      await store.recordIntake([aRow('a'), aRow('b')]);
      const seqOf = async (wanted: string) => (await store.dueIntake(9)).find(({ key }) => key === wanted)?.seq ?? -1;
      const a = await seqOf('a');
      let age = 0;
      for (const [tries, minutes] of [2, 5, 9].entries()) {
        await store.postponeIntake([{ seq: a, inMs: minutes * MINUTE_MS }]);
        await fixture.advance((minutes - age - 1) * MINUTE_MS);
        expect(await dueKeys()).toEqual(['b']);
        await fixture.advance(MINUTE_MS);
        expect(await store.dueIntake(9)).toContainEqual(expect.objectContaining({ key: 'a', tries: tries + 1 }));
        age = minutes;
      }
      await finish(['a']);
      await store.postponeIntake([{ seq: a, inMs: 0 }]);
      await store.failIntake([a]);
      expect(await dueKeys()).toEqual(['b']);
      expect(await store.intakeState()).toMatchObject({ waiting: 1, failed: 0 });
    });

    test('sets an entry aside with its body, and makes it due again on request', async () => {
      expect(await store.intakeState()).toEqual({ waiting: 0, oldestMs: 0, failed: 0 });
      await store.recordIntake([aRow('a'), aRow('b'), aRow('c')]);
      const [first, second] = await store.dueIntake(2);
      await store.postponeIntake([{ seq: second?.seq ?? -1, inMs: 10 * MINUTE_MS }]);
      await store.failIntake([first?.seq ?? -1]);
      await fixture.advance(MINUTE_MS);
      const state = await store.intakeState();
      expect(state).toMatchObject({ waiting: 1, failed: 1 });
      // At least, because PostgreSQL's real clock advances too.
      expect(state.oldestMs).toBeGreaterThanOrEqual(MINUTE_MS);
      expect(state.oldestMs).toBeLessThan(2 * MINUTE_MS);
      expect(await dueKeys()).toHaveLength(1);
      expect(await store.retryFailedIntake()).toBe(1);
      expect(await store.retryFailedIntake()).toBe(0);
      expect(await store.dueIntake(9)).toContainEqual({ ...first, ageMs: expect.any(Number) });
      expect((await store.intakeState()).failed).toBe(0);
    });

    test('makes all due again that were set aside, however many', async () => {
      for (let n = 0; n < 2_100; n += 700)
        await store.recordIntake(Array.from({ length: 700 }, (_, at) => aRow(`many-${n + at}`)));
      const entries = await store.dueIntake(2_100);
      await store.failIntake(entries.map(({ seq }) => seq));
      expect(await store.retryFailedIntake()).toBe(2_100);
      expect(await store.retryFailedIntake()).toBe(0);
      expect(await store.dueIntake(3_000)).toHaveLength(2_100);
    });

    test('recognizes a repeat for three days, keeps entries that were set aside for seven, and waiting ones for ever', async () => {
      await store.recordIntake(['done', 'failed', 'waiting'].map((key) => aRow(key)));
      await finish(['done']);
      const failed = (await store.dueIntake(9)).find(({ key }) => key === 'failed');
      await store.failIntake([failed?.seq ?? -1]);
      await fixture.advance(3 * DAY_MS - MINUTE_MS);
      expect(await store.purge(10)).toBe(0);
      await fixture.advance(MINUTE_MS);
      expect(await store.purge(10)).toBe(1);
      expect(await store.recordIntake([aRow('done')])).toEqual({ received: 1, duplicates: 0 });
      await finish(['done']);
      await fixture.advance(4 * DAY_MS);
      expect([await store.purge(1), await store.purge(1), await store.purge(1)]).toEqual([1, 1, 0]);
      expect(await store.intakeState()).toMatchObject({ waiting: 1, failed: 0 });
      expect(await dueKeys()).toEqual(['waiting']);
    });

    test.runIf(survives)('lets the next process adopt the entries, as many as it requests', async () => {
      await store.recordIntake(['a', 'b', 'c', 'd'].map((key) => aRow(key)));
      const [first, second] = await store.dueIntake(9);
      await store.postponeIntake([{ seq: first?.seq ?? -1, inMs: MINUTE_MS }]);
      await store.failIntake([second?.seq ?? -1]);
      await store.close();
      store = await fixture.open();
      expect(await dueKeys(1)).toHaveLength(1);
      expect(await dueKeys()).toHaveLength(2);
      await fixture.advance(MINUTE_MS);
      await expect.poll(() => dueKeys(), { timeout: 10_000 }).toHaveLength(3);
      expect(await store.retryFailedIntake()).toBe(1);
      expect(await dueKeys()).toEqual(['a', 'b', 'c', 'd']);
      expect(await store.recordIntake([aRow('a')])).toEqual({ received: 0, duplicates: 1 });
    });
  });
}
