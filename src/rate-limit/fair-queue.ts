import { IndexedHeap } from './indexed-heap.ts';
import { GROUPS, type Group, type Lane } from './types.ts';

/** A queued permit request. */
export interface PendingPermit {
  readonly lane: Lane;
  readonly caller: string;
  readonly group: Group;
  readonly weight: number;
  readonly sinceMs: number;
  readonly deadline: number;
  readonly granted: () => void;
  readonly failed: (reason: unknown) => void;
  /** Position in the heap of deadlines; -1: not in the heap. */
  heapIndex: number;
  /** Order of arrival, and neighbours in the same flow. */
  seq: number;
  flow?: Flow | undefined;
  before?: PendingPermit | undefined;
  after?: PendingPermit | undefined;
}

/** The queued calls of one caller in one group, in order of arrival. */
interface Flow {
  readonly share: CallerShare;
  readonly group: Group;
  first?: PendingPermit | undefined;
  last?: PendingPermit | undefined;
  size: number;
  heapIndex: number;
}

/** A caller with queued calls. Each call advances the virtual time of the caller's next one by 1 / weight. */
interface CallerShare {
  virtualTime: number;
  weight: number;
  size: number;
  readonly flows: Map<Group, Flow>;
}

export type PerGroup = Record<Group, number>;
export const perGroup = (): PerGroup => ({ other: 0, contacts: 0, messages: 0, templates: 0 });

/** Up to this many callers are counted one by one; for more, their sums are used, which overestimates. */
const COUNTED_CALLERS = 32;

/**
 * One lane: fair between callers by weight (start-time fair queueing), first come first served for one caller. A group without
 * capacity delays only its own calls.
 */
export class FairQueue {
  /** Queued calls by group. */
  readonly queued: PerGroup = perGroup();
  size = 0;
  readonly #shares = new Map<string, CallerShare>();
  /** Callers with an empty queue that used more than their share, and the virtual time of their next call. */
  readonly #debts = new Map<string, number>();
  #debtsMax = 1_024;
  readonly #flows: Record<Group, IndexedHeap<Flow>>;
  #virtualNow = 0;
  #weights = 0;
  #seq = 0;

  constructor() {
    const heap = (): IndexedHeap<Flow> =>
      new IndexedHeap(
        (a, b) =>
          a.share.virtualTime < b.share.virtualTime ||
          (a.share.virtualTime === b.share.virtualTime && seqOf(a) < seqOf(b)),
      );
    this.#flows = { other: heap(), contacts: heap(), messages: heap(), templates: heap() };
  }

  add(waiter: PendingPermit): void {
    const share = this.#shareOf(waiter);
    const flow = share.flows.get(waiter.group) ?? { share, group: waiter.group, size: 0, heapIndex: -1 };
    share.flows.set(waiter.group, flow);
    waiter.seq = this.#seq++;
    waiter.flow = flow;
    waiter.before = flow.last;
    if (flow.last !== undefined) flow.last.after = waiter;
    flow.last = waiter;
    flow.size++;
    share.size++;
    this.size++;
    this.queued[waiter.group]++;
    if (flow.first === undefined) {
      flow.first = waiter;
      this.#flows[waiter.group].add(flow);
    }
  }

  /** The next call among the groups with capacity. */
  next(isOpen: (group: Group) => boolean): PendingPermit | undefined {
    let best: Flow | undefined;
    for (const group of GROUPS) {
      const flow = this.#flows[group].first;
      if (flow === undefined || !isOpen(group)) continue;
      const { virtualTime: at } = flow.share;
      if (
        best === undefined ||
        at < best.share.virtualTime ||
        (at === best.share.virtualTime && seqOf(flow) < seqOf(best))
      )
        best = flow;
    }
    return best?.first;
  }

  charge(waiter: PendingPermit): void {
    const share = waiter.flow?.share;
    if (share === undefined) return;
    // A caller that waited for a group without capacity has not saved up permits: its virtual time continues from that of the
    // others.
    this.#virtualNow = Math.max(this.#virtualNow, share.virtualTime);
    share.virtualTime = this.#virtualNow + 1 / share.weight;
    this.remove(waiter);
    for (const flow of share.flows.values()) this.#flows[flow.group].update(flow);
  }

  remove(waiter: PendingPermit): void {
    const flow = waiter.flow;
    if (flow === undefined) return;
    const wasFirst = flow.first === waiter;
    if (waiter.before !== undefined) waiter.before.after = waiter.after;
    else flow.first = waiter.after;
    if (waiter.after !== undefined) waiter.after.before = waiter.before;
    else flow.last = waiter.before;
    waiter.flow = waiter.before = waiter.after = undefined;
    flow.size--;
    flow.share.size--;
    this.size--;
    this.queued[flow.group]--;
    if (flow.size === 0) {
      this.#flows[flow.group].remove(flow);
      flow.share.flows.delete(flow.group);
    } else if (wasFirst) this.#flows[flow.group].update(flow);
    if (flow.share.size === 0) this.#leave(waiter.caller, flow.share);
  }

  /** How many calls of each group come before one more of this caller, if `places` calls of each may start meanwhile. */
  countAhead(
    { caller, weight, group }: Pick<PendingPermit, 'caller' | 'weight' | 'group'>,
    places: PerGroup,
  ): PerGroup {
    const own = this.#shares.get(caller);
    const ahead = perGroup();
    let before = 0;
    for (const flow of own?.flows.values() ?? []) {
      ahead[flow.group] = flow.group === group ? flow.size : Math.min(flow.size, places[flow.group]);
      before += ahead[flow.group];
    }
    const at = Math.max(this.#virtualNow, own?.virtualTime ?? this.#debts.get(caller) ?? 0) + before / weight;
    if (this.#shares.size <= COUNTED_CALLERS) {
      const span = { from: this.#virtualNow, until: at };
      for (const share of this.#shares.values()) if (share !== own) countGrants(share, span, ahead);
      return ahead;
    }
    const turns = (at - this.#virtualNow) * this.#weights + this.#shares.size;
    for (const each of GROUPS) {
      ahead[each] += Math.min(this.queued[each] - (own?.flows.get(each)?.size ?? 0), turns);
    }
    return ahead;
  }

  #shareOf({ caller, weight }: PendingPermit): CallerShare {
    let share = this.#shares.get(caller);
    if (share === undefined) {
      share = {
        virtualTime: Math.max(this.#virtualNow, this.#debts.get(caller) ?? 0),
        weight,
        size: 0,
        flows: new Map(),
      };
      this.#debts.delete(caller);
      this.#shares.set(caller, share);
      this.#weights += weight;
    }
    return share;
  }

  #leave(caller: string, share: CallerShare): void {
    this.#shares.delete(caller);
    this.#weights -= share.weight;
    if (this.size === 0) {
      this.#debts.clear();
      this.#debtsMax = 1_024;
      this.#virtualNow = this.#weights = 0;
      return;
    }
    if (share.virtualTime <= this.#virtualNow) return;
    this.#debts.set(caller, share.virtualTime);
    if (this.#debts.size < this.#debtsMax) return;
    for (const [name, at] of this.#debts) if (at <= this.#virtualNow) this.#debts.delete(name);
    this.#debtsMax = Math.max(1_024, 2 * this.#debts.size);
  }
}

function seqOf(flow: Flow): number {
  return flow.first?.seq ?? Number.POSITIVE_INFINITY;
}

/** The calls of a caller up to a virtual time; of each group no more than are queued. */
function countGrants(share: CallerShare, span: { from: number; until: number }, ahead: PerGroup): void {
  const from = Math.max(span.from, share.virtualTime);
  const { until } = span;
  if (until < from) return;
  const turns = Math.floor((until - from) * share.weight + 1e-9) + 1;
  for (const flow of share.flows.values()) ahead[flow.group] += Math.min(flow.size, turns);
}

export function weightOf(weight: number | undefined): number {
  return weight !== undefined && weight > 0 && weight < Number.POSITIVE_INFINITY ? weight : 1;
}
