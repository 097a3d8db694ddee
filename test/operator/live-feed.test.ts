import { describe, expect, it } from 'vitest';
import { BudgetHistory } from '../../src/operator/budget-history.ts';
import { LiveFeed, type LiveSource, liveStream } from '../../src/operator/live-feed.ts';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import type { OperatorBroadcast, Overview } from '../../src/schemas/operator.ts';

const counts = { total: 9, queued: 9, sending: 0, accepted: 0, rejected: 0, notSent: 0, unknown: 0, cancelled: 0 };
const time = '2026-11-30T10:00:00.000Z';
const broadcast = (id: string, queued = 9, status: OperatorBroadcast['status'] = 'running'): OperatorBroadcast => ({
  id,
  caller: 'crm',
  template: 't',
  broadcastName: 'n',
  connectionId: 'c',
  status,
  counts: { ...counts, queued },
  createdAt: time,
  updatedAt: time,
});
const overview: Overview = {
  readiness: { status: 'ready', store: 'writable', gateway: 'reachable', key: 'accepted', connection: 'active' },
  sending: { stopped: { all: false, callers: [], connections: [] } },
  broadcasts: { scheduled: 0, running: 1, paused: 0, held: 0 },
  callers: { inFile: 1, removed: [] },
};

/** Creates a feed that reads once for each second of its clock, when the test says so. */
function steppedFeed() {
  let nowMs = 0;
  let resume = () => {};
  const reads = { open: 0, overview: 0 };
  const shown = { open: [broadcast('a')], ended: [] as OperatorBroadcast[], isFailing: false };
  const faults: unknown[] = [];
  const source: LiveSource = {
    openBroadcasts: async () => {
      reads.open += 1;
      if (shown.isFailing) throw new Error('the store is away');
      return shown.open;
    },
    broadcasts: async (ids) => shown.ended.filter(({ id }) => ids.includes(id)),
    overview: async () => {
      reads.overview += 1;
      return overview;
    },
    lastPoint: () => undefined,
  };
  const feed = new LiveFeed({
    source,
    onFault: (error) => faults.push(error),
    clock: () => nowMs,
    wait: (_ms, signal) =>
      new Promise<void>((resolve) => {
        resume = resolve;
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  });
  const look = async () => {
    nowMs += 1_000;
    const before = reads.open;
    resume();
    await expect.poll(() => reads.open).toBeGreaterThan(before);
    await new Promise(setImmediate);
  };
  return { feed, look, reads, shown, faults, clock: () => nowMs };
}

const listen = (stepped: ReturnType<typeof steppedFeed>, mayListen = () => true) =>
  liveStream({ feed: stepped.feed, mayListen, isOver: () => false, clock: stepped.clock });
const eventsIn = (portion: unknown) => String(portion).match(/(?<=^event: )\w+/gm) ?? [];

describe('the stream of operations', () => {
  it('begins with the present state, then sends changes, and sends the end of a broadcast once', async () => {
    const stepped = steppedFeed();
    const { look, shown, feed } = stepped;
    const stream = listen(stepped);
    expect((await stream.next()).value).toBe('retry: 5000\n\n');
    expect(eventsIn((await stream.next()).value)).toEqual(['broadcast', 'overview']);

    shown.open = [broadcast('b'), broadcast('a', 4)];
    let told = stream.next();
    await look();
    const changed = (await told).value;
    expect(eventsIn(changed)).toEqual(['broadcast', 'broadcast']);
    expect(changed).toContain('"queued":4');

    shown.open = [broadcast('b')];
    shown.ended = [broadcast('a', 0, 'done')];
    told = stream.next();
    await look();
    const ended = (await told).value;
    expect(eventsIn(ended)).toEqual(['broadcast']);
    expect(ended).toContain('"status":"done"');

    await feed.release();
    expect((await stream.next()).done).toBe(true);
    expect(feed.listeners).toBe(0);
  });

  it('names a broadcast whose import failed while it was recording, and does not show it to later listeners', async () => {
    const stepped = steppedFeed();
    const { look, shown, feed } = stepped;
    shown.open = [broadcast('a', 9, 'recording')];
    const stream = listen(stepped);
    await stream.next();
    expect((await stream.next()).value).toContain('"status":"recording"');
    shown.open = [];
    const told = stream.next();
    await look();
    expect((await told).value).toContain('event: broadcast-gone\ndata: {"id":"a"}\n\n');
    const later = listen(stepped);
    await later.next();
    expect((await later.next()).value).not.toContain('"status":"recording"');
    await feed.release();
  });

  it('reads everything once for all listeners, and nothing without listeners', async () => {
    const stepped = steppedFeed();
    const { look, reads, feed } = stepped;
    expect(reads.open).toBe(0);
    const streams = Array.from({ length: 20 }, () => listen(stepped));
    for (const stream of streams) await stream.next();
    for (const stream of streams) expect(eventsIn((await stream.next()).value)).toContain('overview');
    expect(reads).toEqual({ open: 1, overview: 1 });
    for (let n = 0; n < 5; n++) await look();
    expect(reads).toEqual({ open: 6, overview: 2 });
    for (const stream of streams) await stream.return(undefined);
    expect(feed.listeners).toBe(0);
    await feed.release();
    expect(reads.open).toBe(6);
  });

  it('lets a slow reader skip states, and ends for a reader that is too slow or lost its rights', async () => {
    const stepped = steppedFeed();
    const { look, shown, feed } = stepped;
    let may = true;
    const [slow, removed] = [listen(stepped), listen(stepped, () => may)];
    for (const stream of [slow, removed]) {
      await stream.next();
      await stream.next();
    }
    for (let queued = 8; queued > 3; queued--) {
      shown.open = [broadcast('a', queued)];
      await look();
    }
    const { value } = await slow.next();
    expect(eventsIn(value)).toEqual(['overview', 'broadcast'].filter((name) => value?.includes(`event: ${name}`)));
    expect(value).toContain('"queued":4');
    expect(value).not.toContain('"queued":5');
    may = false;
    expect((await removed.next()).done).toBe(true);
    for (let n = 0; n < 11; n++) await look();
    expect((await slow.next()).done).toBe(true);
    await feed.release();
  });

  it('continues after the store was unavailable', async () => {
    const stepped = steppedFeed();
    stepped.shown.isFailing = true;
    const stream = listen(stepped);
    await stream.next();
    const told = stream.next();
    await expect.poll(() => stepped.faults).toHaveLength(1);
    stepped.shown.isFailing = false;
    await stepped.look();
    expect(eventsIn((await told).value)).toContain('broadcast');
    await stepped.feed.release();
  });
});

describe('the history of the budget', () => {
  it('has what went out, waited and was refused in each interval, for a quarter of an hour', async () => {
    let nowMs = 1_000_000;
    const clock = () => nowMs;
    const limiter = createRateLimiter({ perSecond: 10, plan: 'none', clock, setTimer: () => () => {} });
    const history = new BudgetHistory(limiter, { now: clock, clock });
    const ask = (lane: 'urgent' | 'broadcast', deadline: number) => limiter.acquire({ lane, caller: 'crm', deadline });
    await ask('urgent', Number.POSITIVE_INFINITY);
    void ask('broadcast', Number.POSITIVE_INFINITY).catch(() => {});
    await ask('urgent', nowMs).catch(() => {});
    nowMs += 5_000;
    history.sample();
    expect(history.points).toEqual([
      {
        at: new Date(nowMs).toISOString(),
        used: 0.2,
        callsPerSecond: 10,
        waiting: { urgent: 0, interactive: 0, broadcast: 1 },
        refused: 1,
      },
    ]);
    for (let n = 0; n < 200; n++) {
      nowMs += 5_000;
      history.sample();
    }
    expect(history.points).toHaveLength(180);
    expect(history.points.at(-1)).toMatchObject({ used: 0, refused: 0 });
    limiter.close();
    const unlimited = new BudgetHistory(undefined, { now: clock });
    unlimited.sample();
    expect(unlimited.points).toEqual([]);
  });
});
