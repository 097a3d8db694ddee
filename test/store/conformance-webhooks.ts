import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import type { ParkedEvent } from '../../src/store/webhook-endpoint-store.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, MINUTE_MS } from './samples.ts';
import { makeEvents, newEndpoint, progressOf, served } from './webhook-samples.ts';

/** Endpoints of callers, their progress, and parked events. */
export function webhooksConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: webhook endpoints`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    const find = async (id: string) => {
      const endpoint = await store.findEndpoint('crm', id);
      if (endpoint === undefined) throw new Error(`${id} is not there`);
      return endpoint;
    };
    const park = async (id: string, ...parked: ParkedEvent[]) =>
      store.saveEndpointProgress(progressOf(await find(id), { parked }));
    const pending = (eventSeq: number, dueInMs = 0): ParkedEvent => ({
      eventSeq,
      state: 'pending',
      tries: 1,
      dueInMs,
      lastStatus: 500,
      lastError: 'answered 500',
    });
    const dead = (eventSeq: number): ParkedEvent => ({ eventSeq, state: 'failed', tries: 9, lastError: 'timeout' });
    const due = async (id: string, limit = 9) => (await store.dueParked(id, limit)).map(({ event }) => event.seq);

    test('are kept as they were made, for their caller alone', async () => {
      const made = await store.createEndpoint(
        newEndpoint('e1', { types: ['message.*'], description: 'CRM ñ', position: 7 }),
        5,
      );
      expect(made).toMatchObject({
        ...{
          id: 'e1',
          caller: 'crm',
          url: 'https://hooks.example/e1',
          types: ['message.*'],
          description: 'CRM ñ',
          position: 7,
        },
        ...{ status: 'enabled', secretVersion: 1, failures: 0, ahead: [] },
      });
      for (const absent of ['reason', 'replay', 'failingSince', 'lastSuccessAt', 'previousSecretUntil']) {
        expect(made).not.toHaveProperty(absent);
      }
      expect(await find('e1')).toEqual(made);
      expect(await store.findEndpoint('shop', 'e1')).toBeUndefined();
      expect(await store.updateEndpoint('shop', 'e1', { url: 'x' })).toBeUndefined();
      expect(await store.rotateEndpointSecret('shop', 'e1', 1)).toBeUndefined();
      expect(await store.replayEndpoint('shop', 'e1', { failed: true })).toBeUndefined();
      expect([await store.deleteEndpoint('shop', 'e1'), await store.deleteEndpoint('crm', 'e1')]).toEqual([
        false,
        true,
      ]);
      expect(await store.listEndpoints('crm')).toEqual([]);
    });

    test('are no more of a caller than it may have, also when many are made at once', async () => {
      const all = await Promise.all(Array.from({ length: 9 }, (_, n) => store.createEndpoint(newEndpoint(`e${n}`), 3)));
      expect(all.filter(Boolean)).toHaveLength(3);
      expect(await store.createEndpoint(newEndpoint('other', { caller: 'shop' }), 3)).toBeDefined();
      const [first] = await store.listEndpoints('crm');
      await store.deleteEndpoint('crm', first?.id ?? '');
      expect(await store.createEndpoint(newEndpoint('again'), 3)).toBeDefined();
      expect(await store.createEndpoint(newEndpoint('beyond'), 3)).toBeUndefined();
      expect(await store.createEndpoint(newEndpoint('none', { caller: 'new' }), 0)).toBeUndefined();
    });

    test('change where they are told to, and forget failures when they are enabled', async () => {
      const endpoint = await served(store, 'e1');
      const failing = { failures: 12, failingSince: 1_000, disable: { reason: 'failing' } };
      expect(await store.saveEndpointProgress(progressOf(endpoint, failing))).toBe(true);
      expect(await find('e1')).toMatchObject({
        status: 'disabled',
        reason: 'failing',
        failures: 12,
        failingSince: 1_000,
      });
      expect(await store.updateEndpoint('crm', 'e1', { status: 'disabled' })).toMatchObject({ reason: 'failing' });
      const enabled = await store.updateEndpoint('crm', 'e1', { status: 'enabled', types: ['message.sent'] });
      expect(enabled).toMatchObject({ status: 'enabled', failures: 0, types: ['message.sent'], url: endpoint.url });
      for (const gone of ['reason', 'failingSince']) expect(enabled).not.toHaveProperty(gone);
      expect(await store.updateEndpoint('crm', 'e1', { status: 'disabled' })).toMatchObject({ reason: 'caller' });
      expect(await store.updateEndpoint('crm', 'e1', { url: 'https://b.example', description: 'B' })).toMatchObject({
        ...{ url: 'https://b.example', description: 'B', status: 'disabled' },
      });
      const until = Date.now() + DAY_MS;
      const rotated = await store.rotateEndpointSecret('crm', 'e1', until);
      expect(rotated).toMatchObject({ secretVersion: 2, previousSecretUntil: until });
    });

    test('are told no progress by one that has not seen a change of the status or the position', async () => {
      await makeEvents(store, 3);
      const before = await served(store, 'e1');
      await store.updateEndpoint('crm', 'e1', { url: 'https://b.example' });
      const progress = progressOf(before, { position: 2, ahead: [3] });
      expect(await store.saveEndpointProgress(progress)).toBe(true);
      expect(await store.updateEndpoint('crm', 'e1', { position: 3 })).toMatchObject({ position: 3, ahead: [] });
      const late = { ...progress, parked: [pending(1)], attempts: [{ eventSeq: 1, at: 1, durationMs: 1 }] };
      expect(await store.saveEndpointProgress(late)).toBe(false);
      expect(await store.saveEndpointProgress({ ...late, id: 'unknown' })).toBe(false);
      expect(await find('e1')).toMatchObject({ position: 3, ahead: [] });
      expect(await due('e1')).toEqual([]);
      expect((await store.listDeliveries('e1', { limit: 9 })).deliveries).toEqual([]);
      const [after] = await store.claimEndpoints();
      expect(after?.epoch).toBeGreaterThan(before.epoch);
      await store.updateEndpoint('crm', 'e1', { status: 'disabled' });
      expect(await store.saveEndpointProgress(progressOf(after ?? before))).toBe(false);
    });

    test('are written many at once, each by its own epoch', async () => {
      // One after the other: a process that takes endpoints over leaves out those that another statement holds at that moment.
      const all = [await served(store, 'e1'), await served(store, 'e2'), await served(store, 'e3')];
      await store.updateEndpoint('crm', 'e2', { position: 9 });
      const saved = all.map((each, n) =>
        store.saveEndpointProgress(progressOf(each, { position: n + 1, failures: n })),
      );
      expect(await Promise.all(saved)).toEqual([true, false, true]);
      const now = await store.listEndpoints('crm');
      expect(Object.fromEntries(now.map(({ id, position, failures }) => [id, [position, failures]]))).toEqual({
        e1: [1, 0],
        e2: [9, 0],
        e3: [3, 2],
      });
    });

    test('park events until they are due, delivered or given up', async () => {
      const [one, two, three] = await makeEvents(store, 3);
      await served(store, 'e1');
      await served(store, 'e2');
      expect(await store.nextParkedDueInMs('e1')).toBeUndefined();
      await park('e1', pending(1, 5 * MINUTE_MS), pending(2, MINUTE_MS), dead(3), pending(77));
      await park('e2', pending(1));
      expect(await due('e1')).toEqual([]);
      expect(Math.ceil(((await store.nextParkedDueInMs('e1')) ?? 0) / MINUTE_MS)).toBe(1);
      await fixture.advance(5 * MINUTE_MS);
      expect(await store.dueParked('e1', 9)).toEqual([
        { ...pending(2), event: two },
        { ...pending(1), event: one },
      ]);
      expect(await due('e1', 1)).toEqual([2]);
      expect(await store.nextParkedDueInMs('e1')).toBe(0);
      expect(await store.parkedCounts([])).toEqual(new Map());
      const counts = await store.parkedCounts(['e1', 'e2', 'unknown']);
      expect([counts.get('e1'), counts.get('e2')]).toEqual([
        { pending: 2, failed: 1 },
        { pending: 1, failed: 0 },
      ]);
      await park('e1', { ...pending(2, MINUTE_MS), tries: 2 }, dead(1));
      expect(await store.saveEndpointProgress(progressOf(await find('e1'), { unparked: [three?.seq ?? 0] }))).toBe(
        true,
      );
      await fixture.advance(MINUTE_MS);
      expect(await store.dueParked('e1', 9)).toMatchObject([{ eventSeq: 2, tries: 2 }]);
      expect((await store.parkedCounts(['e1'])).get('e1')).toEqual({ pending: 1, failed: 1 });
    });

    test('park nothing of which the event is deleted', async () => {
      const [old] = await makeEvents(store, 2);
      await served(store, 'e1');
      await park('e1', pending(1), pending(2));
      await fixture.advance(2 * DAY_MS);
      expect(await store.expireEvents(DAY_MS, 1)).toBe(1);
      expect(await due('e1')).toEqual([2]);
      await park('e1', pending(old?.seq ?? 0), pending(2));
      expect(await due('e1')).toEqual([2]);
      await store.deleteEndpoint('crm', 'e1');
      expect(await due('e1')).toEqual([]);
    });

    test('list what became of each event, the newest first, a page at a time', async () => {
      const events = await makeEvents(store, 6);
      const endpoint = await served(store, 'e1');
      const attempt = (eventSeq: number, error?: string) => ({
        ...{ eventSeq, at: eventSeq * 1_000, durationMs: 12.4 },
        ...(error === undefined ? { status: 204 } : { error }),
      });
      const attempts = [
        attempt(1, 'timeout'),
        attempt(1),
        attempt(2),
        attempt(3, 'x'),
        attempt(4, 'y'),
        attempt(5, 'away'),
      ];
      const parked = [pending(3, MINUTE_MS), dead(4)];
      expect(await store.saveEndpointProgress(progressOf(endpoint, { position: 4, attempts, parked }))).toBe(true);
      const list = async (ask: Partial<Parameters<Store['listDeliveries']>[1]> = {}) => {
        const { deliveries, next } = await store.listDeliveries('e1', { limit: 9, ...ask });
        return [...deliveries.map(({ place, status }) => `${place} ${status}`), ...(next === undefined ? [] : [next])];
      };
      expect(await list()).toEqual(['5 pending', '4 failed', '3 pending', '2 delivered', '1 delivered']);
      expect(await list({ status: 'delivered' })).toEqual(['2 delivered', '1 delivered']);
      expect(await list({ status: 'pending' })).toEqual(['5 pending', '3 pending']);
      expect(await list({ status: 'failed' })).toEqual(['4 failed']);
      expect(await list({ limit: 2 })).toEqual(['5 pending', '4 failed', 4]);
      expect(await list({ limit: 2, before: 4 })).toEqual(['3 pending', '2 delivered', 2]);
      expect(await list({ limit: 2, before: 2 })).toEqual(['1 delivered']);
      const { deliveries } = await store.listDeliveries('e1', { limit: 9 });
      expect(deliveries[2]).toMatchObject({
        eventId: events[2]?.id,
        type: 'message.received',
        tries: 1,
        httpStatus: 500,
      });
      expect(Math.ceil((deliveries[2]?.nextAttemptInMs ?? 0) / MINUTE_MS)).toBe(1);
      expect(deliveries[3]).toEqual({
        ...{ place: 2, eventId: events[1]?.id, type: 'message.received', status: 'delivered' },
        ...{ at: 2_000, httpStatus: 204, durationMs: 12 },
      });
      expect((await store.listDeliveries('e2', { limit: 9 })).deliveries).toEqual([]);
    });

    test('keep the last thousand attempts', async () => {
      for (const count of [1_000, 100]) await makeEvents(store, count);
      const endpoint = await served(store, 'e1');
      for (let first = 1; first < 1_100; first += 110) {
        const attempts = Array.from({ length: 110 }, (_, n) => ({ eventSeq: first + n, at: 1, durationMs: 1 }));
        await store.saveEndpointProgress(progressOf(endpoint, { attempts }));
      }
      const { deliveries } = await store.listDeliveries('e1', { limit: 2_000 });
      expect([deliveries.length, deliveries[0]?.place, deliveries.at(-1)?.place]).toEqual([1_000, 1_100, 101]);
    });

    test('send again by walking, which progress of an earlier walk does not end', async () => {
      await makeEvents(store, 9);
      await makeEvents(store, 1, 'message.clicked');
      const types = ['message.received'];
      const endpoint = await served(store, 'e1', { types, position: 9 });
      expect(await store.replayEndpoint('crm', 'e1', { after: 4, until: 8 })).toEqual({ queued: 4, skipped: 0 });
      const { replay } = await find('e1');
      expect(replay).toEqual({ request: 1, position: 4, until: 8, ahead: [] });
      if (!replay) throw new Error('no replay');
      const walked = { ...replay, position: 6, ahead: [8], isDone: false };
      expect(await store.saveEndpointProgress(progressOf(endpoint, { replay: walked }))).toBe(true);
      expect((await find('e1')).replay).toEqual({ request: 1, position: 6, until: 8, ahead: [8] });
      expect(await store.saveEndpointProgress(progressOf(endpoint))).toBe(true);
      expect(await store.replayEndpoint('crm', 'e1', { after: 7, until: 10 })).toEqual({ queued: 2, skipped: 1 });
      const widened = { request: 2, position: 6, until: 10, ahead: [] };
      expect((await find('e1')).replay).toEqual(widened);
      await store.saveEndpointProgress(progressOf(endpoint, { replay: { ...walked, isDone: true } }));
      expect((await find('e1')).replay).toEqual(widened);
      await store.saveEndpointProgress(progressOf(endpoint, { replay: { ...widened, isDone: true } }));
      expect(await find('e1')).not.toHaveProperty('replay');
      await store.updateEndpoint('crm', 'e1', { status: 'disabled' });
      expect(await store.replayEndpoint('crm', 'e1', { after: 4, until: 8 })).toBeUndefined();
    });

    test('send again single events and what failed, of the types that they have', async () => {
      const events = await makeEvents(store, 3);
      const [clicked] = await makeEvents(store, 1, 'message.clicked');
      await served(store, 'e1');
      await park('e1', dead(1), dead(4), pending(2, DAY_MS));
      await store.updateEndpoint('crm', 'e1', { types: ['message.received'] });
      expect(await store.replayEndpoint('crm', 'e1', { failed: true })).toEqual({ queued: 1, skipped: 1 });
      expect(await due('e1')).toEqual([1]);
      const eventIds = [events[1], events[2], events[2], clicked].map((event) => event?.id ?? '');
      expect(await store.replayEndpoint('crm', 'e1', { eventIds: [...eventIds, 'evt_unknown'] })).toEqual({
        queued: 2,
        skipped: 2,
      });
      expect((await due('e1')).toSorted()).toEqual([1, 2, 3]);
      expect(await store.dueParked('e1', 9)).toMatchObject([{ tries: 0 }, { tries: 0 }, { tries: 0 }]);
      expect((await store.parkedCounts(['e1'])).get('e1')).toEqual({ pending: 3, failed: 1 });
    });

    test('are sent thousands again, and deleted with them, while others get on', async () => {
      const count = 2_100;
      for (let made = 0; made < count; made += 700) await makeEvents(store, 700);
      await served(store, 'e1');
      const seqs = Array.from({ length: count }, (_, place) => place + 1);
      await park('e1', ...seqs.map(dead), { ...pending(0), eventSeq: count + 1 });
      /** Returns the number of remaining rows at each turn of the event loop. */
      const during = async <Result>(work: Promise<Result>, state: 'pending' | 'failed') => {
        const left = new Set<number | undefined>();
        let isOver = false;
        const result = work.finally(() => {
          isOver = true;
        });
        while (!isOver) {
          await setImmediate();
          left.add((await store.parkedCounts(['e1'])).get('e1')?.[state]);
        }
        expect([...left].filter((n) => n === 1_100 || n === 100)).toEqual([1_100, 100]);
        return result;
      };
      expect(await during(store.replayEndpoint('crm', 'e1', { failed: true }), 'failed')).toEqual({
        queued: count,
        skipped: 0,
      });
      expect((await store.parkedCounts(['e1'])).get('e1')).toEqual({ pending: count, failed: 0 });
      expect(await during(store.deleteEndpoint('crm', 'e1'), 'pending')).toBe(true);
      expect((await store.parkedCounts(['e1'])).get('e1')).toEqual({ pending: 0, failed: 0 });
    });

    test('tell their caller in the same commit, or not at all', async () => {
      await makeEvents(store, 1);
      const endpoint = await served(store, 'e1');
      const fact = {
        ...{ caller: 'crm', connectionId: '', type: 'webhook_endpoint.disabled', fact: 'e:e1:disabled:1', at: 5 },
        detail: { endpoint: { id: 'e1' } },
      };
      const stale = progressOf({ ...endpoint, epoch: endpoint.epoch - 1 }, { facts: [fact] });
      expect(await store.saveEndpointProgress(stale)).toBe(false);
      expect(await store.pendingFacts(9)).toEqual([]);
      const unasked = { ...fact, caller: 'shop' };
      expect(await store.saveEndpointProgress(progressOf(endpoint, { facts: [fact, unasked] }))).toBe(true);
      expect(await store.pendingFacts(9)).toMatchObject([fact]);
    });
  });
}
