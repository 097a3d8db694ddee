import { type FairQueue, type PerGroup, perGroup } from './fair-queue.ts';
import type { SlidingWindowLimit } from './sliding-window.ts';
import { GROUPS, type Group, type Lane, type WaitEstimateRequest } from './types.ts';

/** While broadcasts are queued, every fifth permit is granted to one. */
export const BROADCAST_EVERY = 5;

export interface QueueSnapshot {
  now: number;
  /** When the next slot is free, and the gap between slots. */
  slotAt: number;
  gapMs: number;
  lanes: Readonly<Record<Lane, FairQueue>>;
  windows: Readonly<Record<Group, SlidingWindowLimit>>;
  /** Permits granted to other lanes since the last one for a broadcast. */
  sinceBroadcast: number;
}

/** The request whose wait is estimated, with the defaults filled in. */
export type WaitEstimate = Omit<WaitEstimateRequest, 'group' | 'weight'> & { group: Group; weight: number };

const ROUNDS = 16;

/**
 * Estimates when one more request would be granted if no others came. Which requests are ahead depends on the capacity of each
 * group until then, and that depends on the time itself, so the estimate is raised step by step until it is stable.
 */
export function estimateGrantTime(ask: WaitEstimate, outlook: QueueSnapshot): number {
  const { now, slotAt, gapMs, lanes, windows } = outlook;
  const first = Math.max(now, slotAt);
  let at = first;
  for (let round = 0; round < ROUNDS; round++) {
    const places = placesUntil(at, outlook);
    const own = lanes[ask.lane].countAhead(ask, places);
    const ahead = perGroup();
    let slots = 0;
    for (const group of GROUPS) {
      const urgent = ask.lane === 'urgent' ? 0 : lanes.urgent.queued[group];
      const more = group === ask.group ? (ask.callsBefore ?? 0) - (ask.joinsQueuedCall ? 1 : 0) : 0;
      ahead[group] = Math.max(0, own[group] + urgent + more);
      slots += group === ask.group ? ahead[group] : Math.min(ahead[group], places[group]);
    }
    slots += slotsOfOtherLane(outlook, places, { lane: ask.lane, slots });
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

/** How many of these slots go to the other one of the two ordinary lanes. */
function slotsOfOtherLane(
  { lanes, sinceBroadcast }: QueueSnapshot,
  places: PerGroup,
  { lane, slots }: { lane: Lane; slots: number },
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
