import { Heap } from './heap.ts';
import { GROUPS, type Group, type Lane } from './words.ts';

/** An ask that waits. */
export interface Waiter {
  readonly lane: Lane;
  readonly caller: string;
  readonly group: Group;
  readonly weight: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly granted: () => void;
  readonly failed: (reason: unknown) => void;
  /** In the heap of deadlines. */
  place: number;
  /** In the queue: order of arrival, and neighbours in its flow. */
  seq: number;
  flow?: Flow | undefined;
  before?: Waiter | undefined;
  after?: Waiter | undefined;
}

/** The waiting calls of one caller in one group, in order of arrival. */
interface Flow {
  readonly turn: Turn;
  readonly group: Group;
  first?: Waiter | undefined;
  last?: Waiter | undefined;
  size: number;
  place: number;
}

/** A caller with something waiting. Its `at` is the virtual time of its next call: each call moves it by 1 / weight. */
interface Turn {
  at: number;
  weight: number;
  size: number;
  readonly flows: Map<Group, Flow>;
}

export type PerGroup = Record<Group, number>;
export const perGroup = (): PerGroup => ({ other: 0, contacts: 0, messages: 0, templates: 0 });

/** Up to so many callers, who comes before whom is counted one by one; beyond, by their sums, which errs on the long side. */
const COUNTED_CALLERS = 32;

/**
 * One lane: fair between callers by weight (start-time fair queueing), first come first served within a caller. A group
 * that is closed holds up its own asks alone.
 */
export class FairQueue {
  /** How many wait, by group. */
  readonly waiting: PerGroup = perGroup();
  size = 0;
  readonly #turns = new Map<string, Turn>();
  /** Callers with nothing waiting that had their turn ahead of others, and when their next one is. */
  readonly #owing = new Map<string, number>();
  #owingMax = 1_024;
  readonly #flows: Record<Group, Heap<Flow>>;
  #now = 0;
  #weights = 0;
  #seq = 0;

  constructor() {
    const heap = (): Heap<Flow> =>
      new Heap((a, b) => a.turn.at < b.turn.at || (a.turn.at === b.turn.at && seqOf(a) < seqOf(b)));
    this.#flows = { other: heap(), contacts: heap(), messages: heap(), templates: heap() };
  }

  add(waiter: Waiter): void {
    const turn = this.#turnOf(waiter);
    const flow = turn.flows.get(waiter.group) ?? { turn, group: waiter.group, size: 0, place: -1 };
    turn.flows.set(waiter.group, flow);
    waiter.seq = this.#seq++;
    waiter.flow = flow;
    waiter.before = flow.last;
    if (flow.last !== undefined) flow.last.after = waiter;
    flow.last = waiter;
    flow.size++;
    turn.size++;
    this.size++;
    this.waiting[waiter.group]++;
    if (flow.first === undefined) {
      flow.first = waiter;
      this.#flows[waiter.group].add(flow);
    }
  }

  /** Whose turn it is among the groups that are open. */
  next(isOpen: (group: Group) => boolean): Waiter | undefined {
    let best: Flow | undefined;
    for (const group of GROUPS) {
      const flow = this.#flows[group].first;
      if (flow === undefined || !isOpen(group)) continue;
      const { at } = flow.turn;
      if (best === undefined || at < best.turn.at || (at === best.turn.at && seqOf(flow) < seqOf(best))) best = flow;
    }
    return best?.first;
  }

  serve(waiter: Waiter): void {
    const turn = waiter.flow?.turn;
    if (turn === undefined) return;
    // A caller that waited for a closed group has not saved up permits: it continues from where the others are.
    this.#now = Math.max(this.#now, turn.at);
    turn.at = this.#now + 1 / turn.weight;
    this.remove(waiter);
    for (const flow of turn.flows.values()) this.#flows[flow.group].moved(flow);
  }

  remove(waiter: Waiter): void {
    const flow = waiter.flow;
    if (flow === undefined) return;
    const wasFirst = flow.first === waiter;
    if (waiter.before !== undefined) waiter.before.after = waiter.after;
    else flow.first = waiter.after;
    if (waiter.after !== undefined) waiter.after.before = waiter.before;
    else flow.last = waiter.before;
    waiter.flow = waiter.before = waiter.after = undefined;
    flow.size--;
    flow.turn.size--;
    this.size--;
    this.waiting[flow.group]--;
    if (flow.size === 0) {
      this.#flows[flow.group].remove(flow);
      flow.turn.flows.delete(flow.group);
    } else if (wasFirst) this.#flows[flow.group].moved(flow);
    if (flow.turn.size === 0) this.#leave(waiter.caller, flow.turn);
  }

  /** How many of each group would have their turn before one more of this caller, if `places` of each may go meanwhile. */
  ahead(caller: string, weight: number, group: Group, places: PerGroup): PerGroup {
    const own = this.#turns.get(caller);
    const ahead = perGroup();
    let before = 0;
    for (const flow of own?.flows.values() ?? []) {
      ahead[flow.group] = flow.group === group ? flow.size : Math.min(flow.size, places[flow.group]);
      before += ahead[flow.group];
    }
    const at = Math.max(this.#now, own?.at ?? this.#owing.get(caller) ?? 0) + before / weight;
    if (this.#turns.size <= COUNTED_CALLERS) {
      for (const turn of this.#turns.values()) if (turn !== own) countTurns(turn, at, this.#now, ahead);
      return ahead;
    }
    const turns = (at - this.#now) * this.#weights + this.#turns.size;
    for (const each of GROUPS) {
      ahead[each] += Math.min(this.waiting[each] - (own?.flows.get(each)?.size ?? 0), turns);
    }
    return ahead;
  }

  #turnOf({ caller, weight }: Waiter): Turn {
    let turn = this.#turns.get(caller);
    if (turn === undefined) {
      turn = { at: Math.max(this.#now, this.#owing.get(caller) ?? 0), weight, size: 0, flows: new Map() };
      this.#owing.delete(caller);
      this.#turns.set(caller, turn);
      this.#weights += weight;
    }
    return turn;
  }

  #leave(caller: string, turn: Turn): void {
    this.#turns.delete(caller);
    this.#weights -= turn.weight;
    if (this.size === 0) {
      this.#owing.clear();
      this.#owingMax = 1_024;
      this.#now = this.#weights = 0;
      return;
    }
    if (turn.at <= this.#now) return;
    this.#owing.set(caller, turn.at);
    if (this.#owing.size < this.#owingMax) return;
    for (const [name, at] of this.#owing) if (at <= this.#now) this.#owing.delete(name);
    this.#owingMax = Math.max(1_024, 2 * this.#owing.size);
  }
}

function seqOf(flow: Flow): number {
  return flow.first?.seq ?? Number.POSITIVE_INFINITY;
}

/** The turns that it has until then; of each group, no more than it has waiting. */
function countTurns(turn: Turn, until: number, now: number, ahead: PerGroup): void {
  const from = Math.max(now, turn.at);
  if (until < from) return;
  const turns = Math.floor((until - from) * turn.weight + 1e-9) + 1;
  for (const flow of turn.flows.values()) ahead[flow.group] += Math.min(flow.size, turns);
}
