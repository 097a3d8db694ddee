import { CallError, callJson } from './api.js';
import { eventsOf } from './event-stream.js';
import { isOpen } from './session.js';
import { createStore } from './store.js';

/** @import { BudgetPoint, OperatorBroadcast, Overview } from './shapes.d.ts' */

/** State that changes by itself: read from the stream of operators, or polled if there is no stream. */
/** @type {import('./store.js').Store<Overview | undefined>} */
export const overview = createStore(/** @type {Overview | undefined} */ (undefined));
/** @type {import('./store.js').Store<readonly BudgetPoint[]>} */
export const budget = createStore(/** @type {readonly BudgetPoint[]} */ ([]));
/** The broadcasts that have changed since the console was opened, by id. */
/** @type {import('./store.js').Store<ReadonlyMap<string, OperatorBroadcast>>} */
export const changedBroadcasts = createStore(/** @type {ReadonlyMap<string, OperatorBroadcast>} */ (new Map()));

/** Ids of broadcasts that were being recorded, and whose import has failed since. */
/** @type {import('./store.js').Store<ReadonlySet<string>>} */
export const goneBroadcasts = createStore(/** @type {ReadonlySet<string>} */ (new Set()));

/** @typedef {'connecting' | 'live' | 'waiting' | 'polling'} LiveState */
/** @type {import('./store.js').Store<LiveState>} */
export const liveState = createStore(/** @type {LiveState} */ ('connecting'));

const budgetMs = 15 * 60_000;
const pollMs = 10_000;
const pausesMs = [1_000, 2_000, 5_000, 10_000, 30_000];
/** Maximum number of broadcasts that are kept: more than fit on a page of the list. */
const broadcastsMax = 200;

/** @param {readonly BudgetPoint[]} points */
function addPoints(points) {
  const byTime = new Map([...budget.get(), ...points].map((point) => [point.at, point]));
  const all = [...byTime.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const newest = Date.parse(all.at(-1)?.at ?? '');
  budget.set(all.filter(({ at }) => Date.parse(at) > newest - budgetMs));
}

/** @param {OperatorBroadcast} broadcast */
export function noteBroadcast(broadcast) {
  const next = new Map(changedBroadcasts.get());
  next.delete(broadcast.id);
  next.set(broadcast.id, broadcast);
  for (const id of [...next.keys()].slice(0, Math.max(0, next.size - broadcastsMax))) next.delete(id);
  changedBroadcasts.set(next);
}

/** @param {import('./event-stream.js').StreamEvent} event */
function take({ event, data }) {
  if (event === 'overview') overview.set(JSON.parse(data));
  if (event === 'budget') addPoints([JSON.parse(data)]);
  if (event === 'broadcast') noteBroadcast(JSON.parse(data));
  if (event === 'broadcast-gone') goneBroadcasts.set(new Set([...goneBroadcasts.get(), JSON.parse(data).id]));
}

/** @param {AbortSignal} signal */
async function readAll(signal) {
  await Promise.all([
    callJson('/v1/operations/overview', { signal }).then((read) => overview.set(/** @type {Overview} */ (read))),
    callJson('/v1/operations/budget', { signal }).then(
      (read) => addPoints(/** @type {{ points: BudgetPoint[] }} */ (read).points),
      () => undefined,
    ),
  ]);
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

/** @param {unknown} error */
const hasNoStream = (error) => error instanceof CallError && [403, 404].includes(error.status);

/**
 * Follows the stream until the signal aborts, with a longer pause after each failure.
 * @param {AbortSignal} signal
 */
async function follow(signal) {
  for (let failures = 0; !signal.aborted; ) {
    try {
      await readAll(signal);
      for await (const event of eventsOf('/v1/operations/stream', signal)) {
        liveState.set('live');
        failures = 0;
        take(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (hasNoStream(error)) return poll(signal);
    }
    liveState.set('waiting');
    await pause(pausesMs[Math.min(failures, pausesMs.length - 1)] ?? pollMs, signal);
    failures += 1;
  }
}

/** @param {AbortSignal} signal */
async function poll(signal) {
  while (!signal.aborted) {
    const read = await readAll(signal).then(
      () => true,
      () => false,
    );
    liveState.set(read ? 'polling' : 'waiting');
    await pause(pollMs, signal);
  }
}

/** Follows the stream while the console is open, and discards everything when it is locked. */
export function watchLive() {
  let stop = new AbortController();
  isOpen.subscribe(() => {
    stop.abort();
    stop = new AbortController();
    liveState.set('connecting');
    if (isOpen.get()) {
      follow(stop.signal).catch(() => undefined);
    } else {
      overview.set(undefined);
      budget.set([]);
      changedBroadcasts.set(new Map());
      goneBroadcasts.set(new Set());
    }
  });
}
