import { FairQueue, type PendingPermit, weightOf } from './fair-queue.ts';
import { IndexedHeap } from './indexed-heap.ts';
import type { RateLimiterOptions } from './options.ts';
import { LocalPacer, type Pacer } from './pacer.ts';
import { SharedPacer } from './shared-pacer.ts';
import { AimdRate, cooldownMs, createWindows, type SlidingWindowLimit } from './sliding-window.ts';
import { LimiterStats, statsOfGroups } from './stats.ts';
import {
  GROUPS,
  type Group,
  LANES,
  type Lane,
  LimiterClosedError,
  type OutboundRateLimiter,
  type PermitRequest,
  type RateLimiterStats,
  RateLimitTimeoutError,
  type RouteGroup,
  type WaitEstimateRequest,
} from './types.ts';
import { BROADCAST_EVERY, estimateGrantTime, type WaitEstimate } from './wait-estimate.ts';
import { realTimer, WakeTimer } from './wake-timer.ts';

/**
 * How long a permit stays valid. At ten requests a second, eleven calls are spaced over 1,099 ms, so a call may start up to 98
 * ms late without exceeding the limit; the difference is reserved for network jitter. A commit on a busy disk may take longer
 * than this.
 */
const PERMIT_TTL_MS = 40;

/** After this many permits for other lanes, the next one goes to a broadcast. */
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
  readonly #deadlines = new IndexedHeap<PendingPermit>((a, b) => a.deadline < b.deadline);
  readonly #stats = new LimiterStats();
  readonly #isOpen = {
    urgent: (group: Group): boolean => this.#windows[group].isOpen(this.#now, 'urgent'),
    interactive: (group: Group): boolean => this.#windows[group].isOpen(this.#now, 'interactive'),
    broadcast: (group: Group): boolean => this.#windows[group].isOpen(this.#now, 'broadcast'),
  };
  #now = 0;
  /** Permits granted to other lanes while a broadcast waited. */
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
    this.#windows = createWindows(plan, perSecond);
  }

  acquire(ask: PermitRequest): Promise<void> {
    const { lane, caller, group = 'other', deadline, signal } = ask;
    if (this.#closed) return Promise.reject(new LimiterClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const now = this.#clock();
    const weight = weightOf(ask.weight);
    const wait = this.#expectedWaitMs({ lane, caller, group, weight });
    if (!(now + wait <= deadline)) {
      this.#stats.lanes[lane].rejected++;
      // By how much shorter the queue is for a later request with the same timeout.
      return Promise.reject(new RateLimitTimeoutError(Math.max(1, now + wait - Math.max(now, deadline))));
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#remove(pending);
      reject(signal?.reason);
    };
    const settle = (end: () => void): void => {
      signal?.removeEventListener('abort', leave);
      end();
    };
    const pending: PendingPermit = {
      lane,
      caller,
      group,
      weight,
      sinceMs: now,
      deadline,
      heapIndex: -1,
      seq: 0,
      granted: () => settle(resolve),
      failed: (reason) => settle(() => reject(reason)),
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#queues[lane].add(pending);
    if (deadline !== Number.POSITIVE_INFINITY) this.#deadlines.add(pending);
    this.#dispatch();
    return promise;
  }

  isPermitValid(permitGrantedAt: number): boolean {
    const now = this.#clock();
    return now - permitGrantedAt <= PERMIT_TTL_MS && now >= this.#pausedUntil;
  }

  expectedWaitMs({ group, weight, ...ask }: WaitEstimateRequest): number {
    return this.#expectedWaitMs({ ...ask, group: group ?? 'other', weight: weightOf(weight) });
  }

  #expectedWaitMs(ask: WaitEstimate): number {
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
      // A 429 during the cooldown belongs to an earlier call and is no new information.
      if (now >= this.#pausedUntil) this.#rate.decrease(now, until);
      this.#pausedUntil = until;
      this.#pacer.blockUntil(until);
    }
    this.#dispatch();
  }

  stats(): RateLimiterStats {
    const now = this.#clock();
    const rate = this.#rate.at(now);
    return {
      rate,
      used: this.#stats.perSecond(now) / this.#rate.full,
      pausedMs: Math.max(0, this.#pausedUntil - now),
      mode: this.#pacer.mode,
      replicas: this.#pacer.replicas,
      tooManyRequests: this.#stats.tooManyRequests,
      lanes: this.#stats.ofLanes(this.#queues),
      groups: statsOfGroups(this.#windows, now),
    };
  }

  close(): void {
    this.#closed = true;
    this.#timer.clear();
    const reason = new LimiterClosedError();
    for (const lane of LANES) {
      for (;;) {
        const pending = this.#queues[lane].next(() => true);
        if (pending === undefined) break;
        this.#remove(pending);
        pending.failed(reason);
      }
    }
  }

  /** Grants what is due, rejects what has expired, and sets the one timer for the next change. */
  #dispatch(): void {
    if (this.#closed) return;
    const now = this.#clock();
    this.#now = now;
    for (const group of GROUPS) this.#windows[group].replicas = this.#pacer.replicas;
    this.#expire(now, false);
    const next = this.#grant(now);
    this.#expire(now, true);
    this.#timer.schedule(Math.min(next, this.#deadlines.first?.deadline ?? Number.POSITIVE_INFINITY), now);
  }

  /** Returns when to check again. */
  #grant(now: number): number {
    for (;;) {
      const pending = this.#next();
      if (pending === undefined) return this.#nextAvailableAt(now);
      if (now < this.#pausedUntil) return this.#pausedUntil;
      const perSecond = this.#rate.at(now);
      const at = this.#pacer.nextSlotAt(now, perSecond);
      if (at > now) return at;
      this.#pacer.use(now, perSecond);
      this.#windows[pending.group].record(now, pending.lane);
      if (pending.lane === 'broadcast') this.#sinceBroadcast = 0;
      else if (this.#queues.broadcast.size > 0)
        this.#sinceBroadcast = Math.min(this.#sinceBroadcast + 1, OTHERS_BEFORE_BROADCAST);
      this.#queues[pending.lane].charge(pending);
      this.#remove(pending);
      this.#stats.granted(pending.lane, now, now - pending.sinceMs);
      pending.granted();
    }
  }

  #next(): PendingPermit | undefined {
    const next = (lane: Lane): PendingPermit | undefined => this.#queues[lane].next(this.#isOpen[lane]);
    const order = ['interactive', 'broadcast'] as const;
    const [first, second] = this.#sinceBroadcast === OTHERS_BEFORE_BROADCAST ? order.toReversed() : order;
    return next('urgent') ?? next(first) ?? next(second);
  }

  /** When the next route group with queued calls has capacity. */
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
      const pending = this.#deadlines.first;
      if (pending === undefined || pending.deadline > now || (pending.deadline === now && !atOnce)) return;
      this.#remove(pending);
      this.#stats.lanes[pending.lane].expired++;
      const again = this.#expectedWaitMs(pending);
      pending.failed(new RateLimitTimeoutError(Math.max(1, again - (pending.deadline - pending.sinceMs))));
    }
  }

  #remove(pending: PendingPermit): void {
    this.#queues[pending.lane].remove(pending);
    if (pending.heapIndex < 0) return;
    this.#deadlines.remove(pending);
  }
}
