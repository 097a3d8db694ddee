import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventStream } from '../../src/events/event-stream.ts';
import { openEvents } from '../../src/events/open-events.ts';
import { createPools } from '../../src/pools/pools.ts';
import type { EventStore } from '../../src/store/event-store.ts';
import { MemoryEvents, noRecorder } from '../support/memory-event-store.ts';

beforeEach(() =>
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] }),
);
afterEach(() => vi.useRealTimers());

const rights = () => ({ mayUse: () => true });

/** A stream from now on, read portion by portion. */
async function follow(memory: MemoryEvents, options: { types?: string[]; store?: EventStore } = {}) {
  const faults: unknown[] = [];
  const onFault = (error: unknown) => faults.push(error);
  const { feed, frame, hub } = await openEvents(options.store ?? memory.open(), noRecorder, onFault);
  const reader = hub.join('a');
  const { seq: position = 0 } = (await feed.startAt('a', 'latest')) ?? {};
  const state = { rights: true, isOver: false };
  const ask = {
    reader,
    position,
    rights: () => (state.rights ? rights() : undefined),
    isOver: () => state.isOver,
    ...(options.types && { types: options.types }),
  };
  const stream = eventStream({ feed, frame, onFault }, ask);
  const next = async () => (await stream.next()).value;
  const idAt = (seq: number) => `id: ${feed.cursorAt('a', seq)}\n\n`;
  return { feed, hub, reader, state, next, idAt, faults };
}

describe('a stream of events', () => {
  it('says something every 15 seconds, with the place up to which nothing is missing', async () => {
    const memory = new MemoryEvents();
    const { next, idAt, feed } = await follow(memory, { types: ['message.failed'] });
    expect(await next()).toBe(`retry: 5000\n${idAt(0)}`);
    const silence = next();
    memory.record({ caller: 'b' });
    const passed = memory.record({ caller: 'a', type: 'message.sent' });
    const last = memory.record({ caller: 'b' });
    await vi.advanceTimersByTimeAsync(14_900);
    expect(await Promise.race([silence, 'silent'])).toBe('silent');
    await vi.advanceTimersByTimeAsync(200);
    expect(await silence).toBe(`: still here\n${idAt(last.seq)}`);
    // The event that it did not ask for is deleted: nothing is missing behind that place.
    memory.purgeTo(passed.seq);
    await expect(feed.assertNothingMissed('a', last.seq)).resolves.toBeUndefined();
    await expect(feed.assertNothingMissed('a', 0)).rejects.toMatchObject({ slug: 'cursor-expired' });
    const again = next();
    await vi.advanceTimersByTimeAsync(15_100);
    expect(await again).toBe(`: still here\n${idAt(last.seq)}`);
  });

  it('hears of events that no signal told of within a second', async () => {
    const memory = new MemoryEvents();
    const silent = { ...memory.open(), onForeignEvents: () => () => {} };
    const { next, hub } = await follow(memory, { store: silent });
    await next();
    const portion = next();
    await vi.advanceTimersByTimeAsync(500);
    const { id } = memory.record({ caller: 'a' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await portion).toContain(id);
    const own = next();
    const told = memory.record({ caller: 'a' });
    hub.recorded();
    expect(await own).toContain(told.id);
  });

  it('ends when it may not be read any more, and when the service goes down', async () => {
    for (const change of ['rights', 'isOver'] as const) {
      const { next, state } = await follow(new MemoryEvents());
      await next();
      const end = next();
      state[change] = change === 'isOver';
      await vi.advanceTimersByTimeAsync(1_100);
      expect(await end).toBeUndefined();
    }
    const { next, hub, state } = await follow(new MemoryEvents());
    await next();
    const end = next();
    state.isOver = true;
    await hub.close();
    expect(await end).toBeUndefined();
  });

  it('keeps no more than a bounded part of what a slow reader leaves, and loses nothing of it', async () => {
    const memory = new MemoryEvents();
    const { next, reader, hub } = await follow(memory);
    await next();
    const waiting = next();
    const first = memory.record({ caller: 'a' });
    expect(await waiting).toContain(first.id);
    const data = JSON.stringify({ text: 'x'.repeat(10_000) });
    const ids: string[] = [];
    for (let n = 0; n < 100; n++) {
      ids.push(memory.record({ caller: 'a', data }).id);
      hub.recorded();
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(reader.isBehind).toBe(true);
    expect(reader.take().events).toEqual([]);
    let text = '';
    while (!text.includes(ids.at(-1) ?? '')) text += await next();
    expect(text.match(/(?<="id":")evt_[^"]+/g)).toEqual(ids);
  });

  it('ends behind a portion that took its reader too long', async () => {
    const memory = new MemoryEvents();
    const { next } = await follow(memory);
    await next();
    memory.record({ caller: 'a' });
    expect(await next()).toContain('data: ');
    memory.record({ caller: 'a' });
    await vi.advanceTimersByTimeAsync(9_000);
    expect(await next()).toContain('data: ');
    memory.record({ caller: 'a' });
    await vi.advanceTimersByTimeAsync(11_000);
    expect(await next()).toBeUndefined();
  });

  it('ends where the store fails or events behind it are deleted, so that its client asks again', async () => {
    const memory = new MemoryEvents();
    const store = memory.open();
    const failing = { ...store, readEvents: () => Promise.reject(new Error('the database is away')) };
    const broken = await follow(memory, { store: failing });
    await broken.next();
    expect(await broken.next()).toBeUndefined();
    expect(broken.faults).toEqual([expect.objectContaining({ message: 'the database is away' })]);

    const late = await follow(memory);
    await late.next();
    memory.record({ caller: 'a' });
    memory.purgeTo(Number.POSITIVE_INFINITY);
    expect(await late.next()).toBeUndefined();
    expect(late.faults).toEqual([]);
  });
});

it('200 streams are open in a process, and five of one caller', () => {
  const { eventReaders } = createPools({ CONNECTIONS_MAX: 4_096 });
  const taken = Array.from({ length: 40 }, (_, caller) =>
    Array.from({ length: 6 }, () => eventReaders.take(`caller ${caller}`)),
  );
  for (const places of taken)
    expect(places.map((place) => typeof place === 'function')).toEqual([true, true, true, true, true, false]);
  expect(taken.at(0)?.at(5)).toBe('share-spent');
  expect(eventReaders.take('another')).toBe('pool-full');
});

it('whoever subscribes is told of new events of each process, with or without a signal, until it has had enough', async () => {
  const memory = new MemoryEvents();
  const store = memory.open();
  const { hub } = await openEvents(store, noRecorder, () => {});
  let told = 0;
  const stop = hub.subscribe(() => {
    told += 1;
  });
  await vi.advanceTimersByTimeAsync(1_500);
  // That there may be some from before; with nothing new there is nothing to tell.
  expect(told).toBe(1);
  memory.record({ caller: 'a' });
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toBe(2);
  memory.fact({ caller: 'a', connectionId: 'c1', type: 'message.sent', fact: 'f', at: 1 });
  const [fact] = await store.pendingFacts(1);
  await store.recordEvents([{ ...sampleOf(), factSeq: fact?.seq ?? 0 }], []);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(told).toBe(3);
  stop();
  memory.record({ caller: 'a' });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(told).toBe(3);
});

const sampleOf = () => ({
  id: 'evt_1',
  caller: 'a',
  connectionId: 'c1',
  type: 'message.sent',
  fact: 'f',
  at: 1,
  data: '{}',
});
