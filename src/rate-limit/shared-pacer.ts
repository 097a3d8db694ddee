import type { Reservation, ReservationStore } from '../store/coordination-store.ts';
import { intervalMs, type Pacer } from './pacer.ts';

/** How late a reservation may still be used. Two calls of two replicas may be closer together by this much. */
const LATE_TOLERANCE_MS = 20;
/** Processes know their common clock less precisely than their own, so the spacing is wider: eleven of their calls take 1,123 ms. */
const USED_SHARE = 0.89;
const sharedIntervalMs = (perSecond: number): number => intervalMs(perSecond, USED_SHARE);
/** A source that takes longer counts as failed. */
const SOURCE_TIMEOUT_MS = 250;
/** A timer that fires later than this shows that the event loop was blocked. */
const TIMER_LATE_MS = 20;
/** Time for a blocked process to read answers that are already on its sockets. */
const CATCH_UP_MS = 50;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;
/** Interval in which the offset to the source's clock is measured again, because clocks drift. */
const CLOCK_OFFSET_TTL_MS = 60_000;
/** With a larger uncertainty of the source's clock, reservations would be missed. Then a few more samples are taken. */
const CLOCK_UNCERTAINTY_MAX_MS = 25;
const CLOCK_SAMPLES_MAX = 3;
/** After the source recovers, other replicas may still be using their fallback share for this long. */
const RECOVERY_MS = 2_000;

interface PendingReservation {
  readonly sinceMs: number;
  /** When the source counts as failed. */
  until: number;
  isExtended: boolean;
  readonly shareMs: number;
}

/**
 * Paces calls by reservations from a source that all replicas share. A reservation is requested only if a call is queued, so an
 * idle replica holds none; one that is used too late is lost. While the source fails, each replica uses its share of the limit,
 * and at most half of it.
 */
export class SharedPacer implements Pacer {
  replicas = 1;
  readonly #source: ReservationStore;
  readonly #clock: () => number;
  readonly #wake: () => void;
  #pending: PendingReservation | undefined;
  #slot: number | undefined;
  #blockedUntil = Number.NEGATIVE_INFINITY;
  #lastCallAt = Number.NEGATIVE_INFINITY;
  #offset = { atLeast: Number.NEGATIVE_INFINITY, atMost: Number.POSITIVE_INFINITY, since: Number.NEGATIVE_INFINITY };
  #clockSamples = 0;
  #averageGapMs = 0;
  #fallback: { startsAt: number; retryAt: number; retryMs: number } | undefined;
  #recoveringUntil = Number.NEGATIVE_INFINITY;

  constructor(source: ReservationStore, clock: () => number, wake: () => void) {
    this.#source = source;
    this.#clock = clock;
    this.#wake = wake;
  }

  get mode(): 'shared' | 'fallback' {
    return this.#fallback === undefined ? 'shared' : 'fallback';
  }

  nextSlotAt(now: number, perSecond: number): number {
    if (this.#slot !== undefined) {
      if (now <= this.#slot + LATE_TOLERANCE_MS) return this.#slot;
      this.#slot = undefined;
    }
    if (this.#pending !== undefined) {
      if (this.#isAwaited(this.#pending, now)) return this.#pending.until;
      this.#startFallback(now);
    }
    if (this.#fallback !== undefined && now < this.#fallback.retryAt) {
      const next = this.#fallbackSlotAt(this.#fallback.startsAt, perSecond);
      return next <= now ? next : Math.min(next, this.#fallback.retryAt);
    }
    this.#requestReservation(now, perSecond);
    return now + SOURCE_TIMEOUT_MS;
  }

  /** A blocked event loop runs late timers before it reads its sockets, so an answer may be there when its timeout fires. */
  #isAwaited(pending: PendingReservation, now: number): boolean {
    if (now < pending.until) return true;
    if (pending.isExtended || now < pending.until + TIMER_LATE_MS) return false;
    pending.isExtended = true;
    pending.until = now + CATCH_UP_MS;
    return true;
  }

  expectedAt(now: number, perSecond: number): number {
    if (this.#fallback !== undefined) return this.#fallbackSlotAt(this.#fallback.startsAt, perSecond);
    if (this.#slot !== undefined && now <= this.#slot + LATE_TOLERANCE_MS) return this.#slot;
    return Math.max(this.#blockedUntil, (this.#pending?.sinceMs ?? this.#lastCallAt) + this.gapMs(perSecond));
  }

  use(now: number): void {
    this.#slot = undefined;
    this.#lastCallAt = now;
  }

  blockUntil(until: number): void {
    const now = this.#clock();
    this.#blockedUntil = Math.max(this.#blockedUntil, until);
    if (this.#slot !== undefined && this.#slot < until) this.#slot = undefined;
    this.#source.blockReservations(until - now).catch(() => undefined); // this process blocks itself in any case
  }

  gapMs(perSecond: number): number {
    if (this.#fallback !== undefined) return this.#fallbackIntervalMs(perSecond) + 1;
    const interval = sharedIntervalMs(perSecond);
    return Math.min(Math.max(this.#averageGapMs, interval), interval * this.replicas) + 1;
  }

  #fallbackSlotAt(from: number, perSecond: number): number {
    return Math.max(from, this.#blockedUntil, this.#lastCallAt + this.#fallbackIntervalMs(perSecond));
  }

  #fallbackIntervalMs(perSecond: number): number {
    return sharedIntervalMs(perSecond / Math.max(2, this.replicas));
  }

  #requestReservation(now: number, perSecond: number): void {
    const shareMs = this.#fallbackIntervalMs(perSecond);
    const asking = { sinceMs: now, until: now + SOURCE_TIMEOUT_MS, isExtended: false, shareMs };
    this.#pending = asking;
    const gentle = this.#fallback !== undefined || now < this.#recoveringUntil;
    this.#source.reservePermit(gentle ? shareMs : sharedIntervalMs(perSecond)).then(
      (slot) => this.#onReservation(asking, slot),
      () => {
        if (this.#pending !== asking) return;
        this.#startFallback(this.#clock());
        this.#wake();
      },
    );
  }

  #onReservation(asking: PendingReservation, slot: Reservation): void {
    if (this.#pending !== asking) return; // too late: the reservation is lost
    const now = this.#clock();
    this.#pending = undefined;
    if (!Number.isFinite(slot.waitMs + slot.nowMs)) this.#startFallback(now);
    else {
      this.replicas = Math.max(1, Math.floor(slot.replicas) || 1);
      const at = slot.nowMs + slot.waitMs - this.#measureOffset(slot.nowMs, asking.sinceMs, now);
      this.#averageGapMs += 0.2 * (Math.max(0, at - asking.sinceMs) - this.#averageGapMs);
      const earliest = Math.max(this.#blockedUntil, this.#recover(now, asking.shareMs));
      this.#slot = at < earliest || this.#needsMoreClockSamples() ? undefined : at;
    }
    this.#wake();
  }

  /**
   * The source does not know about calls in fallback mode, so the first reservation afterwards keeps its distance from the last
   * of them.
   */
  #recover(now: number, shareMs: number): number {
    if (this.#fallback === undefined) return Number.NEGATIVE_INFINITY;
    this.#fallback = undefined;
    this.#recoveringUntil = now + RECOVERY_MS;
    return this.#lastCallAt + shareMs;
  }

  /**
   * The source's clock minus the local one. The source reads its clock between request and response, so each exchange narrows
   * the bounds of the offset, and quick ones most; one exchange's latency does not distort the result.
   */
  #measureOffset(theirs: number, asked: number, answered: number): number {
    const seen = { atLeast: theirs - answered, atMost: theirs - asked };
    const atLeast = Math.max(this.#offset.atLeast, seen.atLeast);
    const atMost = Math.min(this.#offset.atMost, seen.atMost);
    const fits = atLeast <= atMost && answered < this.#offset.since + CLOCK_OFFSET_TTL_MS;
    this.#offset = fits ? { ...this.#offset, atLeast, atMost } : { ...seen, since: answered };
    return this.#offset.atLeast;
  }

  /**
   * A reservation that was made meanwhile is not used. If the source is far away the bounds stay wide, and are accepted after a
   * few samples.
   */
  #needsMoreClockSamples(): boolean {
    const { atLeast, atMost } = this.#offset;
    if (atMost - atLeast > CLOCK_UNCERTAINTY_MAX_MS) return this.#clockSamples++ < CLOCK_SAMPLES_MAX;
    this.#clockSamples = 0;
    return false;
  }

  /** Starts after a second, when earlier reservations are used up. */
  #startFallback(now: number): void {
    this.#pending = undefined;
    this.#slot = undefined;
    const retryMs = Math.min(RETRY_MAX_MS, this.#fallback === undefined ? RETRY_MIN_MS : 2 * this.#fallback.retryMs);
    this.#fallback = { startsAt: this.#fallback?.startsAt ?? now + 1_000, retryAt: now + retryMs, retryMs };
  }
}
