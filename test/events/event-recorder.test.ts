import { afterEach, describe, expect, it, vi } from 'vitest';
import { callerEntry, fixedCallers } from '../../src/callers.ts';
import { createEventAudience } from '../../src/events/audience.ts';
import { createEventRecorder, type RecorderServices } from '../../src/events/event-recorder.ts';
import type { StoredBroadcast } from '../../src/store/broadcast-store.ts';
import { StoreError } from '../../src/store/errors.ts';
import type { NewFact, PendingFact, StoredEvent } from '../../src/store/event-store.ts';
import type { StoredMessage } from '../../src/store/message-store.ts';
import { MemoryEvents } from '../support/memory-event-store.ts';

const now = Date.parse('2026-11-30T10:00:00Z');
const connectionId = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';

const entry = (name: string, rest: Record<string, unknown> = {}) =>
  callerEntry(name, `key-of-${name}-long-enough`, { scopes: ['*'], events: ['*'], ...rest });

const message = (change: Partial<StoredMessage> = {}): StoredMessage => ({
  id: 'm-1',
  caller: 'billing',
  kind: 'text',
  to: '14155550100',
  connectionId,
  status: 'accepted',
  outcome: { outcome: 'accepted', evidence: 'answer' },
  attempts: 1,
  content: { text: 'nobody else reads this' },
  createdAt: '2026-11-30T09:59:00.000Z',
  updatedAt: '2026-11-30T09:59:01.000Z',
  ...change,
});

const fact = (change: Partial<PendingFact> = {}): NewFact & Partial<PendingFact> => ({
  caller: 'billing',
  connectionId,
  type: 'message.accepted',
  fact: 'm:1:accepted',
  at: now,
  contact: '14155550100',
  message: message(),
  ...change,
});

const never = (_ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

interface Scene {
  entries?: ReturnType<typeof entry>[];
  store?: Partial<RecorderServices['store']>;
  wait?: NonNullable<RecorderServices['wait']>;
}

let stop: (() => Promise<void>) | undefined;
afterEach(() => stop?.());

async function scene({ entries = [entry('billing')], store = {}, wait = never }: Scene = {}) {
  const memory = new MemoryEvents({ now: () => now });
  const events = memory.open();
  const logged: object[] = [];
  const types: string[] = [];
  const faults: unknown[] = [];
  let listed = fixedCallers(entries).list();
  const pendingFacts = vi.fn(events.pendingFacts);
  const setSubscriptions = vi.fn(events.setSubscriptions);
  const recorder = createEventRecorder({
    store: {
      ...events,
      pendingFacts,
      setSubscriptions,
      findBroadcast: async () => undefined,
      countRejections: async () => ({}),
      deliveryCounts: async () => ({ sent: 0, delivered: 0, read: 0, failed: 0, replied: 0 }),
      ...store,
    },
    audience: createEventAudience({ list: () => listed }),
    onRecorded: (type) => types.push(type),
    logger: { error: (facts) => logged.push(facts) },
    onFault: (error) => faults.push(error),
    now: () => now,
    wait,
  });
  stop = recorder.stop;
  await recorder.start();
  const recorded = async (caller = 'billing'): Promise<StoredEvent[]> =>
    (await events.readEvents(caller, { after: 0, limit: 1_000 })).events;
  return {
    memory,
    recorder,
    logged,
    types,
    faults,
    pendingFacts,
    setSubscriptions,
    recorded,
    change: (next: ReturnType<typeof entry>[]) => {
      listed = fixedCallers(next).list();
      recorder.wake();
    },
    datas: async (caller?: string) => (await recorded(caller)).map(({ data }) => JSON.parse(data)),
  };
}

describe('the recorder', () => {
  it('makes an event of a fact, with the message as its caller reads it, and tells who listens', async () => {
    const { memory, recorder, recorded, types } = await scene();
    const heard = vi.fn();
    recorder.subscribe(heard);
    memory.fact(fact());
    recorder.wake();
    await expect.poll(() => heard.mock.calls.length).toBe(1);
    const [event] = await recorded();
    expect(event).toMatchObject({
      caller: 'billing',
      connectionId,
      type: 'message.accepted',
      fact: 'm:1:accepted',
      at: now,
      contact: '14155550100',
    });
    expect(event?.id).toMatch(/^evt_[\w-]{22}$/);
    expect(JSON.parse(event?.data ?? '')).toEqual({
      message: {
        id: 'm-1',
        kind: 'text',
        to: '14155550100',
        connectionId,
        status: 'accepted',
        attempts: 1,
        createdAt: '2026-11-30T09:59:00.000Z',
        updatedAt: '2026-11-30T09:59:01.000Z',
      },
    });
    expect(types).toEqual(['message.accepted']);
    expect(await memory.open().pendingFacts(10)).toEqual([]);
  });

  it('tells a state with what it was before, and an outcome as the fact found it though it has changed since', async () => {
    const { memory, recorder, datas } = await scene();
    const delivery = { rank: 4, sentAt: now, deliveredAt: now, readAt: now, source: 'poll', updatedAt: now } as const;
    const resolved = message({ outcome: { outcome: 'accepted', evidence: 'local-id' }, delivery });
    const lost = { outcome: 'unknown', detail: 'the answer was lost' };
    for (const each of [
      fact({ type: 'message.unknown', outcome: { status: 'unknown', verdict: lost }, message: resolved }),
      fact({ type: 'message.delivered', change: { from: 'sent', to: 'delivered', implied: true }, message: resolved }),
      fact({ type: 'message.resolved', change: { from: 'unknown', to: 'accepted' }, message: resolved }),
      fact({ type: 'message.resolved', change: { from: 'not_sent', to: 'accepted' }, message: resolved }),
      fact({
        type: 'message.resolved',
        change: { from: 'unknown', to: 'accepted' },
        message: message({ outcome: { outcome: 'accepted', evidence: 'content' } }),
      }),
      fact({ type: 'message.resolved', change: { from: 'unknown', to: 'accepted' } }),
    ].map((each, at) => ({ ...each, fact: `m:1:${at}` })))
      memory.fact(each);
    recorder.wake();
    await expect.poll(async () => (await datas()).length).toBe(6);
    const [unknown, delivered, ...rest] = await datas();
    expect(unknown.message).toMatchObject({ status: 'unknown', failure: { code: 'unknown', detail: lost.detail } });
    expect(unknown.message).not.toHaveProperty('delivery');
    expect(delivered).toMatchObject({
      message: { status: 'accepted', evidence: 'local-id', delivery: { status: 'read' } },
      change: { from: 'sent', to: 'delivered', source: 'poll', implied: true },
    });
    expect(rest.map(({ change, contradicts }) => [change.source, contradicts])).toEqual([
      ['poll', undefined],
      ['poll', 'not_sent'],
      ['reconcile', undefined],
      ['answer', undefined],
    ]);
  });

  it('tells of a broadcast with its counts', async () => {
    const counts = { queued: 0, sending: 0, accepted: 2, rejected: 1, not_sent: 0, unknown: 0, cancelled: 0 };
    const broadcast: StoredBroadcast = {
      ...{ id: 'b-1', caller: 'billing', template: 'order_update', name: 'autumn', connectionId, total: 3, counts },
      status: 'done',
      ...{ createdAt: 'then', updatedAt: 'now', finishedAt: 'now' },
    };
    const { memory, recorder, datas } = await scene({
      store: { findBroadcast: async () => broadcast, countRejections: async () => ({ recipient: 1 }) },
    });
    memory.fact({
      ...{ caller: 'billing', connectionId, type: 'broadcast.finished', fact: 'b:b-1', at: now, broadcastId: 'b-1' },
    });
    recorder.wake();
    await expect
      .poll(() => datas())
      .toMatchObject([
        { broadcast: { id: 'b-1', status: 'done', counts: { total: 3, accepted: 2 }, rejections: { recipient: 1 } } },
      ]);
  });

  it('logs a fact of which no event can be made, without a word of it, and goes on', async () => {
    const { memory, recorder, recorded, logged } = await scene();
    memory.fact({ caller: 'billing', connectionId, type: 'message.sent', fact: 'm:1:gone', at: now });
    memory.fact(fact({ fact: 'm:1:odd', outcome: { status: 'odd' } }));
    memory.fact(fact({ fact: 'm:1:list', detail: ['secret'] }));
    memory.fact(fact({ fact: 'm:1:good' }));
    recorder.wake();
    await expect.poll(() => recorded()).toMatchObject([{ fact: 'm:1:good' }]);
    expect(logged).toHaveLength(3);
    expect(JSON.stringify(logged)).not.toMatch(/14155550100|secret/);
    expect(await memory.open().pendingFacts(10)).toEqual([]);
  });

  it('keeps an event within 20 KB, and says of a text that it was cut', async () => {
    const { memory, recorder, recorded } = await scene();
    const text = '\u0001'.repeat(4_096);
    const received = { id: 'w-1', type: 'text', text, routedBy: 'quote', name: '漢'.repeat(256) };
    memory.fact({ ...fact({ type: 'message.received' }), fact: 'in:w-1', detail: { received } });
    recorder.wake();
    await expect.poll(async () => (await recorded()).length).toBe(1);
    const data = (await recorded())[0]?.data ?? '';
    expect(Buffer.byteLength(data)).toBeLessThanOrEqual(19 * 1024);
    expect(JSON.parse(data).received).toMatchObject({ id: 'w-1', text: text.slice(0, 2_048), truncated: true });
  });

  it('gives nothing to who may not use the connection, is gone, or does not list the type', async () => {
    const { memory, recorder, recorded } = await scene({
      entries: [
        entry('billing'),
        entry('elsewhere', { connections: ['another'] }),
        entry('few', { events: ['message.sent'] }),
      ],
    });
    const old = now - 3_600_000;
    for (const caller of ['elsewhere', 'gone', 'few']) memory.fact(fact({ caller, at: old }));
    // It concerns no connection.
    const endpoint = { id: 'e-1', host: 'hooks.example.com' };
    const failing = { type: 'webhook_endpoint.failing', fact: 'e:1', at: now, detail: { endpoint } };
    memory.fact({ caller: 'elsewhere', connectionId: '', ...failing });
    // Another process may have read a newer file: what is new is left to it for a while.
    memory.fact(fact({ caller: 'new', at: now - 1_000 }));
    memory.fact(fact());
    recorder.wake();
    await expect.poll(() => recorded()).toHaveLength(1);
    for (const caller of ['gone', 'few', 'new']) expect(await recorded(caller)).toEqual([]);
    expect((await recorded('elsewhere')).map(({ data }) => JSON.parse(data))).toEqual([{ endpoint }]);
    expect(await memory.open().pendingFacts(10)).toMatchObject([{ caller: 'new' }]);
  });

  it('does not let what nobody hears hold up the rest', async () => {
    const { memory, recorder, recorded } = await scene();
    for (let at = 0; at < 300; at++) memory.fact(fact({ caller: 'new', fact: `m:${at}:sent` }));
    memory.fact(fact());
    recorder.wake();
    await expect.poll(() => recorded()).toHaveLength(1);
  });

  it('reads nothing while no caller is told of anything, and follows the file', async () => {
    const { memory, recorder, recorded, pendingFacts, setSubscriptions, change } = await scene({
      entries: [entry('billing', { events: undefined })],
    });
    await expect.poll(() => pendingFacts.mock.calls.length).toBe(1);
    for (let time = 0; time < 3; time++) {
      recorder.wake();
      await new Promise(setImmediate);
    }
    expect(pendingFacts).toHaveBeenCalledTimes(1);
    expect(setSubscriptions.mock.calls).toEqual([[[]]]);
    change([entry('billing', { events: ['broadcast.*'] }), entry('crm', { inbound: 'all' })]);
    await expect
      .poll(() => memory.subscriptions.map(({ caller, types }) => [caller, types.length]))
      .toEqual([
        ['billing', 3],
        ['crm', 18],
      ]);
    memory.fact(fact({ caller: 'crm' }));
    recorder.wake();
    await expect.poll(() => recorded('crm')).toHaveLength(1);
    // The same file again is not written again.
    expect(setSubscriptions).toHaveBeenCalledTimes(2);
    change([entry('billing', { events: undefined })]);
    await expect.poll(() => memory.subscriptions).toEqual([]);
  });

  it('tries again after a failure of the store, also of the first, and records each fact once', async () => {
    const failing = new Set(['setSubscriptions', 'pendingFacts', 'recordEvents']);
    const memory = new MemoryEvents({ now: () => now });
    const real = memory.open();
    const fail = (name: string) =>
      failing.delete(name) ? Promise.reject(new StoreError('the disk is full')) : undefined;
    const { recorder, faults } = await scene({
      wait: () => new Promise(setImmediate),
      store: {
        setSubscriptions: (...given) => fail('setSubscriptions') ?? real.setSubscriptions(...given),
        pendingFacts: (...given) => fail('pendingFacts') ?? real.pendingFacts(...given),
        recordEvents: (...given) => fail('recordEvents') ?? real.recordEvents(...given),
      },
    });
    memory.fact(fact());
    recorder.wake();
    const events = async () => (await real.readEvents('billing', { after: 0, limit: 10 })).events;
    await expect.poll(events).toHaveLength(1);
    expect(faults).toHaveLength(3);
    expect(memory.subscriptions).toHaveLength(1);
  });
});
