import { type FairQueue, type PerGroup, perGroup } from './fair-queue.ts';
import type { SlidingWindowLimit } from './sliding-window.ts';
import { GROUPS, type Group, type Lane } from './types.ts';

/** While broadcasts wait, every fifth slot is theirs. */
export const BROADCAST_EVERY = 5;

export interface QueueSnapshot {
  now: number;
  /** The next slot, and from one to the next. */
  slotAt: number;
  gapMs: number;
  lanes: Readonly<Record<Lane, FairQueue>>;
  windows: Readonly<Record<Group, SlidingWindowLimit>>;
  /** Slots given to others since a broadcast that waits had one. */
  sinceBroadcast: number;
}

const ROUNDS = 16;

/**
 * When one more ask would have its turn if nothing else came. Who is ahead depends on how many of each group may go until
 * then, and that on how long it takes: so from the shortest answer upward, until it holds.
 */
export function estimateGrantTime(
  ask: { lane: Lane; caller: string; weight: number; group: Group; callsBefore?: number },
  outlook: QueueSnapshot,
): number {
  const { now, slotAt, gapMs, lanes, windows } = outlook;
  const first = Math.max(now, slotAt);
  let at = first;
  for (let round = 0; round < ROUNDS; round++) {
    const places = placesUntil(at, outlook);
    const own = lanes[ask.lane].countAhead(ask.caller, ask.weight, ask.group, places);
    const ahead = perGroup();
    let slots = 0;
    for (const group of GROUPS) {
      const urgent = ask.lane === 'urgent' ? 0 : lanes.urgent.queued[group];
      const more = group === ask.group ? (ask.callsBefore ?? 0) : 0;
      ahead[group] = Math.max(0, own[group] + urgent + more);
      slots += group === ask.group ? ahead[group] : Math.min(ahead[group], places[group]);
    }
    slots += slotsOfOtherLane(ask.lane, slots, places, outlook);
    const next = Math.max(first + slots * gapMs, windows[ask.group].availableAfter(now, ahead[ask.group], ask.lane));
    if (next <= at) return at;
    if (!GROUPS.some((group) => Number.isFinite(places[group]) && ahead[group] > 0)) return next;
    at = next;
  }
  return at;
}

function placesUntil(at: number, { now, lanes, windows }: QueueSnapshot): PerGroup {
  const places = perGroup();
  for (const group of GROUPS) {
    const waits = lanes.urgent.queued[group] + lanes.interactive.queued[group] + lanes.broadcast.queued[group];
    places[group] = waits === 0 ? 0 : windows[group].capacityUntil(now, at);
  }
  return places;
}

/** The slots between, which the other of the two ordinary lanes has. */
function slotsOfOtherLane(
  lane: Lane,
  slots: number,
  places: PerGroup,
  { lanes, sinceBroadcast }: QueueSnapshot,
): number {
  if (lane === 'urgent') return 0;
  const other = lane === 'interactive' ? lanes.broadcast : lanes.interactive;
  let waiting = 0;
  for (const group of GROUPS) waiting += Math.min(other.queued[group], places[group]);
  const between =
    lane === 'interactive'
      ? Math.floor((slots + sinceBroadcast) / (BROADCAST_EVERY - 1))
      : (slots + 1) * (BROADCAST_EVERY - 1) - sinceBroadcast;
  return Math.min(waiting, Math.max(0, between));
}
