import { Alarm, realTimer, type SetTimer } from './alarm.ts';
import { FairQueue, type Waiter } from './fair-queue.ts';
import { BROADCAST_EVERY, turnAt } from './forecast.ts';
import { Heap } from './heap.ts';
import { OwnPacer, type Pacer } from './pacer.ts';
import { SharedPacer } from './shared-pacer.ts';
import { Tally } from './tally.ts';
import { GroupWindow, Learnt, planLimit, silenceMs } from './window.ts';
import {
  type Ask,
  type Budget,
  BudgetClosed,
  BudgetSpent,
  type BudgetStats,
  GROUPS,
  type Group,
  LANES,
  type Lane,
  type LaneStats,
  type Plan,
  type Prospect,
  type RouteGroup,
  type SlotSource,
} from './words.ts';

export interface BudgetOptions {
  /** MATON_RATE_PER_SECOND; 100,000 and more: no limit at all. */
  perSecond: number;
  plan: Plan;
  /** Absent: this process has the account for itself. */
  slots?: SlotSource;
  /** Steady milliseconds. */
  clock?: () => number;
  setTimer?: SetTimer;
}

/**
 * How long a permit stays valid. At ten requests a second, eleven calls are spaced over 1,099 ms, so one may start up to 98 ms late
 * without exceeding the limit; the rest is left for network jitter. A commit on a busy disk can outlive it.
 */
const TURN_KEEPS_MS = 40;

/** After so many slots for others the next one is a broadcast's. */
const DUE = BROADCAST_EVERY - 1;

export function createBudget(options: BudgetOptions): Budget {
  return new SharedBudget(options);
}

class SharedBudget implements Budget {
  readonly #clock: () => number;
  readonly #alarm: Alarm;
  readonly #rate: Learnt;
  readonly #pacer: Pacer;
  readonly #windows: Record<Group, GroupWindow>;
  readonly #lanes = { urgent: new FairQueue(), interactive: new FairQueue(), broadcast: new FairQueue() };
  readonly #deadlines = new Heap<Waiter>((a, b) => a.untilMs < b.untilMs);
  readonly #tally = new Tally();
  readonly #isOpen = {
    urgent: (group: Group): boolean => this.#windows[group].isOpen(this.#now, 'urgent'),
    interactive: (group: Group): boolean => this.#windows[group].isOpen(this.#now, 'interactive'),
    broadcast: (group: Group): boolean => this.#windows[group].isOpen(this.#now, 'broadcast'),
  };
  #now = 0;
  /** Slots given to others while a broadcast waited, as many as make the next one its own. */
  #sinceBroadcast = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor({ perSecond, plan, slots, clock = () => performance.now(), setTimer = realTimer }: BudgetOptions) {
    this.#clock = clock;
    this.#alarm = new Alarm(setTimer, () => this.#pump());
    this.#rate = new Learnt(perSecond);
    this.#pacer = slots === undefined ? new OwnPacer() : new SharedPacer(slots, clock, () => this.#pump());
    const window = (group: Group): GroupWindow => new GroupWindow(planLimit(plan, group), perSecond);
    this.#windows = {
      other: window('other'),
      contacts: window('contacts'),
      messages: window('messages'),
      templates: window('templates'),
    };
  }

  take(ask: Ask): Promise<void> {
    const { lane, caller, group = 'other', untilMs, signal } = ask;
    if (this.#closed) return Promise.reject(new BudgetClosed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const now = this.#clock();
    const weight = weightOf(ask.weight);
    const wait = this.#expectedWaitMs({ lane, caller, group, weight });
    if (!(now + wait <= untilMs)) {
      this.#tally.lanes[lane].refused++;
      // The same patience, asked later, meets a queue that is shorter by as much.
      return Promise.reject(new BudgetSpent(Math.max(1, now + wait - Math.max(now, untilMs))));
    }
    return new Promise((resolve, reject) => {
      const left = (): void => {
        this.#remove(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        lane,
        caller,
        group,
        weight,
        sinceMs: now,
        untilMs,
        place: -1,
        seq: 0,
        granted: () => {
          signal?.removeEventListener('abort', left);
          resolve();
        },
        failed: (reason) => {
          signal?.removeEventListener('abort', left);
          reject(reason);
        },
      };
      signal?.addEventListener('abort', left, { once: true });
      this.#lanes[lane].add(waiter);
      if (untilMs !== Number.POSITIVE_INFINITY) this.#deadlines.add(waiter);
      this.#pump();
    });
  }

  isGood(turnCameMs: number): boolean {
    const now = this.#clock();
    return now - turnCameMs <= TURN_KEEPS_MS && now >= this.#pausedUntil;
  }

  expectedWaitMs({ lane, caller, group, weight, callsBefore = 0 }: Prospect): number {
    return this.#expectedWaitMs({ lane, caller, group: group ?? 'other', weight: weightOf(weight), callsBefore });
  }

  #expectedWaitMs(ask: { lane: Lane; caller: string; group: Group; weight: number; callsBefore?: number }): number {
    const now = this.#clock();
    const perSecond = this.#rate.at(now);
    const outlook = {
      now,
      slotAt: Math.max(this.#pausedUntil, this.#pacer.expectedAt(now, perSecond)),
      gapMs: this.#pacer.gapMs(perSecond),
      lanes: this.#lanes,
      windows: this.#windows,
      sinceBroadcast: this.#sinceBroadcast,
    };
    return turnAt(ask, outlook) - now;
  }

  refused(group: RouteGroup | undefined, retryAfterMs: number | undefined): void {
    const now = this.#clock();
    this.#tally.refusals++;
    const ms = silenceMs(retryAfterMs);
    if (group !== undefined) this.#windows[group].refused(now, ms);
    else {
      const until = Math.max(this.#pausedUntil, now + ms);
      // One that comes in the silence was on its way already, and teaches nothing new.
      if (now >= this.#pausedUntil) this.#rate.halve(now, until);
      this.#pausedUntil = until;
      this.#pacer.hold(until);
    }
    this.#pump();
  }

  stats(): BudgetStats {
    const now = this.#clock();
    const rate = this.#rate.at(now);
    const laneStats = (lane: Lane): LaneStats => ({ waiting: this.#lanes[lane].size, ...this.#tally.lanes[lane] });
    const groups: BudgetStats['groups'] = {};
    for (const group of GROUPS) {
      const window = this.#windows[group];
      const limit = window.limit(now);
      if (group === 'other' || limit === Number.POSITIVE_INFINITY) continue;
      groups[group] = { limit, used: window.used(now), pausedMs: window.pausedMs(now) };
    }
    return {
      rate,
      used: this.#tally.perSecond(now) / this.#rate.full,
      pausedMs: Math.max(0, this.#pausedUntil - now),
      pace: this.#pacer.pace,
      replicas: this.#pacer.replicas,
      refusals: this.#tally.refusals,
      lanes: {
        urgent: laneStats('urgent'),
        interactive: laneStats('interactive'),
        broadcast: laneStats('broadcast'),
      },
      groups,
    };
  }

  close(): void {
    this.#closed = true;
    this.#alarm.clear();
    const reason = new BudgetClosed();
    for (const lane of LANES) {
      for (;;) {
        const waiter = this.#lanes[lane].next(() => true);
        if (waiter === undefined) break;
        this.#remove(waiter);
        waiter.failed(reason);
      }
    }
  }

  /** Gives out what may go now, turns away whose time is over, and sets the one timer for whatever comes next. */
  #pump(): void {
    if (this.#closed) return;
    const now = this.#clock();
    this.#now = now;
    for (const group of GROUPS) this.#windows[group].replicas = this.#pacer.replicas;
    this.#expire(now, false);
    const next = this.#grant(now);
    this.#expire(now, true);
    this.#alarm.setTo(Math.min(next, this.#deadlines.first?.untilMs ?? Number.POSITIVE_INFINITY), now);
  }

  /** Answers when to look again. */
  #grant(now: number): number {
    for (;;) {
      const waiter = this.#next();
      if (waiter === undefined) return this.#opensAt(now);
      if (now < this.#pausedUntil) return this.#pausedUntil;
      const perSecond = this.#rate.at(now);
      const at = this.#pacer.slotAt(now, perSecond);
      if (at > now) return at;
      this.#pacer.use(now, perSecond);
      this.#windows[waiter.group].take(now, waiter.lane);
      if (waiter.lane === 'broadcast') this.#sinceBroadcast = 0;
      else if (this.#lanes.broadcast.size > 0) this.#sinceBroadcast = Math.min(this.#sinceBroadcast + 1, DUE);
      this.#lanes[waiter.lane].serve(waiter);
      this.#remove(waiter);
      this.#tally.granted(waiter.lane, now, now - waiter.sinceMs);
      waiter.granted();
    }
  }

  #next(): Waiter | undefined {
    const next = (lane: Lane): Waiter | undefined => this.#lanes[lane].next(this.#isOpen[lane]);
    const order = ['interactive', 'broadcast'] as const;
    const [first, second] = this.#sinceBroadcast === DUE ? order.toReversed() : order;
    return next('urgent') ?? next(first) ?? next(second);
  }

  /** When the next group opens that has calls waiting. */
  #opensAt(now: number): number {
    let at = Number.POSITIVE_INFINITY;
    for (const group of GROUPS) {
      for (const lane of LANES) {
        if (this.#lanes[lane].waiting[group] > 0) at = Math.min(at, this.#windows[group].opensAt(now, lane));
      }
    }
    return at;
  }

  #expire(now: number, atOnce: boolean): void {
    for (;;) {
      const waiter = this.#deadlines.first;
      if (waiter === undefined || waiter.untilMs > now || (waiter.untilMs === now && !atOnce)) return;
      this.#remove(waiter);
      this.#tally.lanes[waiter.lane].broken++;
      const again = this.#expectedWaitMs(waiter);
      waiter.failed(new BudgetSpent(Math.max(1, again - (waiter.untilMs - waiter.sinceMs))));
    }
  }

  #remove(waiter: Waiter): void {
    this.#lanes[waiter.lane].remove(waiter);
    if (waiter.place < 0) return;
    this.#deadlines.remove(waiter);
  }
}

function weightOf(weight: number | undefined): number {
  return weight !== undefined && weight > 0 && weight < Number.POSITIVE_INFINITY ? weight : 1;
}
