import { FairQueue, type PendingPermit } from './fair-queue.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { LocalPacer, type Pacer } from './pacer.ts';
import { SharedPacer } from './shared-pacer.ts';
import { AimdRate, cooldownMs, planLimit, SlidingWindowLimit } from './sliding-window.ts';
import { LimiterStats } from './stats.ts';
import {
  GROUPS,
  type Group,
  LANES,
  type Lane,
  type LaneStats,
  LimiterClosedError,
  type OutboundRateLimiter,
  type PermitRequest,
  type Plan,
  type RateLimiterStats,
  RateLimitTimeoutError,
  type ReservationSource,
  type RouteGroup,
  type WaitEstimateRequest,
} from './types.ts';
import { BROADCAST_EVERY, estimateGrantTime } from './wait-estimate.ts';
import { realTimer, type SetTimer, WakeTimer } from './wake-timer.ts';

export interface RateLimiterOptions {
  /** MATON_RATE_PER_SECOND; 100,000 and more: no limit at all. */
  perSecond: number;
  plan: Plan;
  /** Absent: this process has the account for itself. */
  reservations?: ReservationSource;
  /** Steady milliseconds. */
  clock?: () => number;
  setTimer?: SetTimer;
}

/**
 * How long a permit stays valid. At ten requests a second, eleven calls are spaced over 1,099 ms, so one may start up to 98 ms late
 * without exceeding the limit; the rest is left for network jitter. A commit on a busy disk can outlive it.
 */
const PERMIT_TTL_MS = 40;

/** After so many slots for others the next one is a broadcast's. */
const OTHERS_BEFORE_BROADCAST = BROADCAST_EVERY - 1;

export function createRateLimiter(options: RateLimiterOptions): OutboundRateLimiter {
  return new OutboundLimiter(options);
}

class OutboundLimiter implements OutboundRateLimiter {
  readonly #clock: () => number;
  readonly #timer: WakeTimer;
  readonly #rate: AimdRate;
  readonly #pacer: Pacer;
  readonly #windows: Record<Group, SlidingWindowLimit>;
  readonly #queues = { urgent: new FairQueue(), interactive: new FairQueue(), broadcast: new FairQueue() };
  readonly #deadlines = new IndexedHeap<PendingPermit>((a, b) => a.untilMs < b.untilMs);
  readonly #stats = new LimiterStats();
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

  constructor({
    perSecond,
    plan,
    reservations,
    clock = () => performance.now(),
    setTimer = realTimer,
  }: RateLimiterOptions) {
    this.#clock = clock;
    this.#timer = new WakeTimer(setTimer, () => this.#dispatch());
    this.#rate = new AimdRate(perSecond);
    this.#pacer =
      reservations === undefined ? new LocalPacer() : new SharedPacer(reservations, clock, () => this.#dispatch());
    const window = (group: Group): SlidingWindowLimit => new SlidingWindowLimit(planLimit(plan, group), perSecond);
    this.#windows = {
      other: window('other'),
      contacts: window('contacts'),
      messages: window('messages'),
      templates: window('templates'),
    };
  }

  acquire(ask: PermitRequest): Promise<void> {
    const { lane, caller, group = 'other', untilMs, signal } = ask;
    if (this.#closed) return Promise.reject(new LimiterClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const now = this.#clock();
    const weight = weightOf(ask.weight);
    const wait = this.#expectedWaitMs({ lane, caller, group, weight });
    if (!(now + wait <= untilMs)) {
      this.#stats.lanes[lane].rejected++;
      // The same patience, asked later, meets a queue that is shorter by as much.
      return Promise.reject(new RateLimitTimeoutError(Math.max(1, now + wait - Math.max(now, untilMs))));
    }
    return new Promise((resolve, reject) => {
      const left = (): void => {
        this.#remove(waiter);
        reject(signal?.reason);
      };
      const waiter: PendingPermit = {
        lane,
        caller,
        group,
        weight,
        sinceMs: now,
        untilMs,
        heapIndex: -1,
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
      this.#queues[lane].add(waiter);
      if (untilMs !== Number.POSITIVE_INFINITY) this.#deadlines.add(waiter);
      this.#dispatch();
    });
  }

  isPermitValid(permitGrantedAt: number): boolean {
    const now = this.#clock();
    return now - permitGrantedAt <= PERMIT_TTL_MS && now >= this.#pausedUntil;
  }

  expectedWaitMs({ lane, caller, group, weight, callsBefore = 0 }: WaitEstimateRequest): number {
    return this.#expectedWaitMs({ lane, caller, group: group ?? 'other', weight: weightOf(weight), callsBefore });
  }

  #expectedWaitMs(ask: { lane: Lane; caller: string; group: Group; weight: number; callsBefore?: number }): number {
    const now = this.#clock();
    const perSecond = this.#rate.at(now);
    const outlook = {
      now,
      slotAt: Math.max(this.#pausedUntil, this.#pacer.expectedAt(now, perSecond)),
      gapMs: this.#pacer.gapMs(perSecond),
      lanes: this.#queues,
      windows: this.#windows,
      sinceBroadcast: this.#sinceBroadcast,
    };
    return estimateGrantTime(ask, outlook) - now;
  }

  reportTooManyRequests(group: RouteGroup | undefined, retryAfterMs: number | undefined): void {
    const now = this.#clock();
    this.#stats.tooManyRequests++;
    const ms = cooldownMs(retryAfterMs);
    if (group !== undefined) this.#windows[group].reportTooManyRequests(now, ms);
    else {
      const until = Math.max(this.#pausedUntil, now + ms);
      // One that comes in the silence was on its way already, and teaches nothing new.
      if (now >= this.#pausedUntil) this.#rate.decrease(now, until);
      this.#pausedUntil = until;
      this.#pacer.blockUntil(until);
    }
    this.#dispatch();
  }

  stats(): RateLimiterStats {
    const now = this.#clock();
    const rate = this.#rate.at(now);
    const laneStats = (lane: Lane): LaneStats => ({ queued: this.#queues[lane].size, ...this.#stats.lanes[lane] });
    const groups: RateLimiterStats['groups'] = {};
    for (const group of GROUPS) {
      const window = this.#windows[group];
      const limit = window.limit(now);
      if (group === 'other' || limit === Number.POSITIVE_INFINITY) continue;
      groups[group] = { limit, used: window.used(now), pausedMs: window.pausedMs(now) };
    }
    return {
      rate,
      used: this.#stats.perSecond(now) / this.#rate.full,
      pausedMs: Math.max(0, this.#pausedUntil - now),
      mode: this.#pacer.mode,
      replicas: this.#pacer.replicas,
      tooManyRequests: this.#stats.tooManyRequests,
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
    this.#timer.clear();
    const reason = new LimiterClosedError();
    for (const lane of LANES) {
      for (;;) {
        const waiter = this.#queues[lane].next(() => true);
        if (waiter === undefined) break;
        this.#remove(waiter);
        waiter.failed(reason);
      }
    }
  }

  /** Gives out what may go now, turns away whose time is over, and sets the one timer for whatever comes next. */
  #dispatch(): void {
    if (this.#closed) return;
    const now = this.#clock();
    this.#now = now;
    for (const group of GROUPS) this.#windows[group].replicas = this.#pacer.replicas;
    this.#expire(now, false);
    const next = this.#grant(now);
    this.#expire(now, true);
    this.#timer.schedule(Math.min(next, this.#deadlines.first?.untilMs ?? Number.POSITIVE_INFINITY), now);
  }

  /** Answers when to look again. */
  #grant(now: number): number {
    for (;;) {
      const waiter = this.#next();
      if (waiter === undefined) return this.#nextAvailableAt(now);
      if (now < this.#pausedUntil) return this.#pausedUntil;
      const perSecond = this.#rate.at(now);
      const at = this.#pacer.nextSlotAt(now, perSecond);
      if (at > now) return at;
      this.#pacer.use(now, perSecond);
      this.#windows[waiter.group].record(now, waiter.lane);
      if (waiter.lane === 'broadcast') this.#sinceBroadcast = 0;
      else if (this.#queues.broadcast.size > 0)
        this.#sinceBroadcast = Math.min(this.#sinceBroadcast + 1, OTHERS_BEFORE_BROADCAST);
      this.#queues[waiter.lane].charge(waiter);
      this.#remove(waiter);
      this.#stats.granted(waiter.lane, now, now - waiter.sinceMs);
      waiter.granted();
    }
  }

  #next(): PendingPermit | undefined {
    const next = (lane: Lane): PendingPermit | undefined => this.#queues[lane].next(this.#isOpen[lane]);
    const order = ['interactive', 'broadcast'] as const;
    const [first, second] = this.#sinceBroadcast === OTHERS_BEFORE_BROADCAST ? order.toReversed() : order;
    return next('urgent') ?? next(first) ?? next(second);
  }

  /** When the next group opens that has calls waiting. */
  #nextAvailableAt(now: number): number {
    let at = Number.POSITIVE_INFINITY;
    for (const group of GROUPS) {
      for (const lane of LANES) {
        if (this.#queues[lane].queued[group] > 0) at = Math.min(at, this.#windows[group].availableAt(now, lane));
      }
    }
    return at;
  }

  #expire(now: number, atOnce: boolean): void {
    for (;;) {
      const waiter = this.#deadlines.first;
      if (waiter === undefined || waiter.untilMs > now || (waiter.untilMs === now && !atOnce)) return;
      this.#remove(waiter);
      this.#stats.lanes[waiter.lane].expired++;
      const again = this.#expectedWaitMs(waiter);
      waiter.failed(new RateLimitTimeoutError(Math.max(1, again - (waiter.untilMs - waiter.sinceMs))));
    }
  }

  #remove(waiter: PendingPermit): void {
    this.#queues[waiter.lane].remove(waiter);
    if (waiter.heapIndex < 0) return;
    this.#deadlines.remove(waiter);
  }
}

function weightOf(weight: number | undefined): number {
  return weight !== undefined && weight > 0 && weight < Number.POSITIVE_INFINITY ? weight : 1;
}
