import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { createPollWorker, type PollServices, type PollWorker } from '../../src/tracking/poll-worker.ts';
import type { JsonObject } from '../../src/upstream/tolerant-reader.ts';
import { LookTime } from '../delivery/reconcile-clock.ts';
import { insertFinished, mustFind, newMessage, OPTIONS } from '../store/samples.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const start = Date.UTC(2026, 10, 30, 1);

let time: LookTime;
let store: Store;
let worker: PollWorker;
/** Each read of a history: minutes since the start, and the recipient. */
let reads: [number, string][];
let rows: Map<string, JsonObject[] | undefined>;
let counted: string[];
let faults: unknown[];

beforeEach(async () => {
  time = new LookTime();
  time.now = start;
  store = await openStore('memory:', { ...OPTIONS, monotonicClock: time.clock, wallClock: time.clock });
  [reads, rows, counted, faults] = [[], new Map(), [], []];
});
afterEach(async () => {
  await worker.stop();
  await store.close();
  expect(faults).toEqual([]);
});

function begin(more: Partial<PollServices> = {}): void {
  worker = createPollWorker({
    store,
    mode: 'always',
    perDay: 100,
    monthQuota: undefined,
    monthCalls: async () => 0,
    readHistory: async ({ recipient }) => {
      reads.push([Math.round((time.now - start) / minuteMs), recipient]);
      return rows.has(recipient) ? rows.get(recipient) : [];
    },
    isIdle: () => true,
    replicas: () => 1,
    now: time.clock,
    metrics: {
      applied: (outcome) => counted.push(`applied ${outcome}`),
      reached: ({ status, seconds }) => counted.push(`${status}${seconds === undefined ? '' : ` ${seconds}`}`),
      resolved: (by) => counted.push(`resolved by ${by}`),
      contradiction: () => counted.push('contradiction'),
      received: (routedBy) => counted.push(`received ${routedBy}`),
    },
    logger: { debug: () => {}, info: () => {}, error: () => {} },
    onRead: () => {},
    onFault: (error) => faults.push(error),
    pollEveryMs: minuteMs,
    wait: time.wait,
    ...more,
  });
  worker.start();
}

const send = (id: string, to: string, status: 'accepted' | 'unknown' = 'accepted', more: object = {}) =>
  insertFinished(store, newMessage(id, { to, localMessageId: id, ...more }), status);
const row = (id: string, statusString: string, more: object = {}): JsonObject => ({
  id: `wati-${id}`,
  eventType: 'message',
  owner: true,
  localMessageId: id,
  statusString,
  created: new Date(time.now).toISOString(),
  ...more,
});
const minutesOf = (to: string) => reads.filter(([, each]) => each === to).map(([minute]) => minute);

it('looks two minutes, a quarter of an hour, two hours and a day after the last message to somebody', async () => {
  begin();
  await time.run(0);
  await send('a', '1');
  await time.run(3 * hourMs);
  expect(minutesOf('1')).toEqual([2, 15, 120]);
  await send('b', '1');
  await time.run(25 * hourMs);
  expect(minutesOf('1').slice(3)).toEqual([182, 195, 300, 1620]);
  expect(await store.duePolls([], 9)).toEqual([]);
});

it('serves all messages, the answer and the window of one person by one read, and ends when all are read or failed', async () => {
  begin();
  await send('a', '14155550101');
  await send('b', '14155550101');
  await send('lost', '14155550101', 'unknown');
  await send('dead', '14155550101');
  const page = (lost: string) => [
    row('a', 'READ'),
    row('b', 'Delivered'),
    row('lost', lost),
    row('dead', 'FAILED', { failedCode: '131026', failedDetail: 'Message undeliverable' }),
    row('in', 'SENT', { owner: false, created: new Date(start - hourMs).toISOString() }),
    { eventType: 'ticket', eventDescription: 'The chat was assigned' },
    row('operator', 'SENT', { created: new Date(start - 2 * hourMs).toISOString() }),
  ];
  rows.set('14155550101', page('SENT'));
  await time.run(3 * minuteMs);
  const delivery = async (id: string) => (await mustFind(store, id)).delivery;
  expect(await delivery('a')).toMatchObject({ rank: 4, source: 'poll', watiId: 'wati-a', readAt: start });
  expect(await delivery('b')).toMatchObject({ rank: 3 });
  expect(await delivery('dead')).toMatchObject({ rank: 2, failure: { code: '131026' } });
  expect(await mustFind(store, 'lost')).toMatchObject({ status: 'accepted', delivery: { rank: 1 } });
  expect(counted.toSorted()).toEqual(['delivered', 'delivered', 'failed', 'read', 'resolved by poll', 'sent']);
  expect(await store.conversation('c1', { phone: '14155550101' })).toMatchObject({
    lastInAt: start - hourMs,
    lastInSource: 'history',
    lastForeignOutAt: start - 2 * hourMs,
  });
  rows.set('14155550101', [row('b', 'READ'), row('lost', 'REPLIED')]);
  await time.run(20 * minuteMs);
  expect(await delivery('lost')).toMatchObject({ rank: 3, repliedAt: expect.any(Number) });
  rows.set('14155550101', [row('lost', 'READ')]);
  await time.run(3 * hourMs);
  // For a message in doubt, the time counts from its proof.
  expect(reads.map(([minute]) => minute)).toEqual([2, 4, 17, 122]);
  expect(await store.pollLoad('c1')).toEqual({ spent: 4, scheduled: 0 });
});

it('reads nothing if webhooks have reported the rest by then', async () => {
  begin();
  await send('a', '1');
  await time.run(minuteMs);
  const [found] = await store.findTracked('c1', [{ localMessageId: 'a' }]);
  await store.applyTracking({
    messages: [
      { seq: found?.seq ?? 0, facts: { rank: 4, readAt: start, source: 'webhook' }, proof: 'id', outcome: {} },
    ],
    ...{ conversations: [], done: [], postponed: [] },
  });
  await time.run(hourMs);
  expect(reads).toEqual([]);
});

it('matches a template by its name and time, if only one row and one message can be meant', async () => {
  begin();
  const row = (template: string, id: string, more: object = {}) => ({
    id,
    eventType: 'broadcastMessage',
    eventDescription: `Broadcast message with using "${template}" template`,
    statusString: 'DELIVERED',
    created: new Date(start).toISOString(),
    ...more,
  });
  for (const [id, to, template] of [
    ['one', '14155550101', 'welcome'],
    ['two', '14155550102', 'welcome'],
    ['other', '14155550103', 'welcome'],
    ['foreign', '14155550104', 'welcome'],
  ] as const) {
    await insertFinished(store, newMessage(id, { to, kind: 'template', template }), 'accepted');
  }
  rows.set('14155550101', [row('welcome', 'r1')]);
  rows.set('14155550102', [row('welcome', 'r2'), row('welcome', 'r3')]);
  rows.set('14155550103', [row('welcome_back', 'r4')]);
  rows.set('14155550104', [row('welcome', 'r5', { localMessageId: 'somebody-elses' })]);
  await time.run(3 * minuteMs);
  const ranks = ['one', 'two', 'other', 'foreign'].map(async (id) => (await mustFind(store, id)).delivery?.rank);
  expect(await Promise.all(ranks)).toEqual([3, undefined, undefined, undefined]);
  expect(reads).toHaveLength(4);
});

describe('of itself', () => {
  const listen = (received: boolean) => store.noteListening([{ connectionId: 'c1', received }]);
  const listenFor = async (ms: number) => {
    for (let at = 0; at < ms; at += 5 * minuteMs) {
      await time.run(5 * minuteMs);
      await listen(false);
    }
  };

  it('polls if nothing listens for webhooks, or none came in six hours for five messages', async () => {
    begin({ mode: 'auto' });
    await listen(true);
    time.now += 1_000;
    for (const to of ['1', '2', '3', '4']) await send(to, to);
    await listenFor(7 * hourMs);
    expect(reads).toEqual([]);
    await send('5', '5');
    await listenFor(5 * minuteMs);
    expect(minutesOf('5')).toHaveLength(1);
    await listen(true);
    await send('6', '6');
    await listenFor(10 * minuteMs);
    expect(minutesOf('6')).toEqual([]);
    await time.run(11 * minuteMs);
    await send('7', '7');
    await time.run(3 * minuteMs);
    expect(minutesOf('7')).toHaveLength(1);
  });

  it('reads once the histories of messages that were sent while nothing listened', async () => {
    begin({ mode: 'auto' });
    await listen(true);
    await send('old', '1');
    await listenFor(hourMs);
    await send('a', '2');
    await listenFor(5 * minuteMs);
    await worker.lookSince('c1', 10 * minuteMs);
    await listenFor(3 * hourMs);
    expect(reads.map(([, to]) => to)).toEqual(['2']);
  });

  it('does nothing if it is switched off', async () => {
    begin({ mode: 'off' });
    await send('a', '1');
    await worker.lookSince('c1', hourMs);
    expect(await store.pollLoad('c1')).toEqual({ spent: 0, scheduled: 0 });
  });
});

it('reports a store that fails, and continues when it works again', async () => {
  let isAway = true;
  begin({
    monthQuota: 10_000,
    monthCalls: async () => {
      if (isAway) throw new Error('away');
      return 0;
    },
  });
  await send('a', '1');
  await time.run(5 * minuteMs);
  expect(faults.splice(0)).not.toEqual([]);
  expect(reads).toEqual([]);
  isAway = false;
  await time.run(2 * minuteMs);
  expect(minutesOf('1')).toHaveLength(1);
});

describe('within its limits', () => {
  it('reads as often per day as is set, newest first, and continues the next day', async () => {
    begin({ perDay: 3 });
    for (const to of ['1', '2', '3', '4', '5']) {
      await send(to, to);
      time.now += 1_000;
    }
    await time.run(2 * hourMs);
    expect(reads.map(([, to]) => to).toSorted()).toEqual(['3', '4', '5']);
    time.now += 20 * hourMs;
    await time.run(30 * minuteMs);
    expect(reads).toHaveLength(3);
    await time.run(3 * hourMs);
    expect(reads).toHaveLength(6);
  });

  it('stops at four fifths of the calls of a month, whatever they were for', async () => {
    let calls = 7_999;
    begin({ monthQuota: 10_000, monthCalls: async () => calls });
    await send('a', '1');
    await time.run(3 * minuteMs);
    expect(reads).toHaveLength(1);
    calls = 8_000;
    await send('b', '2');
    await time.run(hourMs);
    expect(reads).toHaveLength(1);
  });

  it('waits while any other call waits, and reads one history per second at most', async () => {
    let isIdle = false;
    const at: number[] = [];
    begin({
      isIdle: () => isIdle,
      readHistory: async () => {
        at.push(time.now);
        return [];
      },
      replicas: () => 2,
    });
    for (const to of ['1', '2', '3']) await send(to, to);
    await time.run(10 * minuteMs);
    expect(at).toEqual([]);
    isIdle = true;
    await time.run(2 * minuteMs);
    expect(at.slice(1).map((ms, place) => ms - (at[place] ?? 0))).toEqual([2_000, 2_000]);
  });

  it('pauses a connection that does not answer, and no other', async () => {
    begin();
    await send('a', '1');
    await insertFinished(store, newMessage('b', { to: '2', connectionId: 'c2' }), 'accepted');
    rows.set('1', undefined);
    await time.run(11 * minuteMs);
    expect(minutesOf('1')).toEqual([2]);
    expect(minutesOf('2')).toEqual([2]);
    rows.set('1', [row('a', 'READ')]);
    await time.run(5 * minuteMs);
    expect(minutesOf('1')).toHaveLength(2);
    expect((await mustFind(store, 'a')).delivery).toMatchObject({ rank: 4 });
  });
});
