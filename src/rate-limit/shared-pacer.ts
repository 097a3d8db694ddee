import { intervalMs, type Pacer } from './pacer.ts';
import type { Reservation, ReservationSource } from './types.ts';

/** How late a slot may still be used: two calls of two replicas come closer by no more. */
const LATE_TOLERANCE_MS = 20;
/** Two processes know their common clock less well than one knows its own: eleven of their calls are 1,123 ms apart. */
const USED_SHARE = 0.89;
const sharedIntervalMs = (perSecond: number): number => intervalMs(perSecond, USED_SHARE);
/** A source that takes longer is one that fails. */
const SOURCE_TIMEOUT_MS = 250;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;
/** The offset to the source's clock is measured again after this time: clocks drift. */
const CLOCK_OFFSET_TTL_MS = 60_000;
/** With a larger uncertainty of the source's clock, slots would be missed: measure a few more times. */
const CLOCK_UNCERTAINTY_MAX_MS = 25;
const CLOCK_SAMPLES_MAX = 3;
/** After the source is back, other replicas may still use their fallback share. */
const RECOVERY_MS = 2_000;

interface PendingReservation {
  readonly sinceMs: number;
  readonly shareMs: number;
}

/**
 * Slots from a source that all replicas share. One is requested only when a call waits for it, so that an idle replica
 * holds none; a slot that is used too late is lost. While the source fails, each replica has a fallback share, of at least two.
 */
export class SharedPacer implements Pacer {
  replicas = 1;
  readonly #source: ReservationSource;
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

  constructor(source: ReservationSource, clock: () => number, wake: () => void) {
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
      const until = this.#pending.sinceMs + SOURCE_TIMEOUT_MS;
      if (now < until) return until;
      this.#startFallback(now);
    }
    if (this.#fallback !== undefined && now < this.#fallback.retryAt) {
      const next = this.#fallbackSlotAt(this.#fallback.startsAt, perSecond);
      return next <= now ? next : Math.min(next, this.#fallback.retryAt);
    }
    this.#requestReservation(now, perSecond);
    return now + SOURCE_TIMEOUT_MS;
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
    this.#source.blockReservations(until - now).catch(() => undefined); // we keep to it, and the source will fail for itself
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
    const asking = { sinceMs: now, shareMs };
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
    if (this.#pending !== asking) return; // we did not wait for it; its slot is lost
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

  /** After a failure, the first slot keeps its distance from our last call, which the source knows nothing of. */
  #recover(now: number, shareMs: number): number {
    if (this.#fallback === undefined) return Number.NEGATIVE_INFINITY;
    this.#fallback = undefined;
    this.#recoveringUntil = now + RECOVERY_MS;
    return this.#lastCallAt + shareMs;
  }

  /**
   * The clock of the source less ours. It read its own between our question and its answer, so each exchange narrows down
   * the offset, and the quickest ones tell it best. How long a single answer took on its way then does not matter.
   */
  #measureOffset(theirs: number, asked: number, answered: number): number {
    const seen = { atLeast: theirs - answered, atMost: theirs - asked };
    const atLeast = Math.max(this.#offset.atLeast, seen.atLeast);
    const atMost = Math.min(this.#offset.atMost, seen.atMost);
    const fits = atLeast <= atMost && answered < this.#offset.since + CLOCK_OFFSET_TTL_MS;
    this.#offset = fits ? { ...this.#offset, atLeast, atMost } : { ...seen, since: answered };
    return this.#offset.atLeast;
  }

  /** A slot that was given meanwhile is lost; where the source is far away, it is used all the same after a few. */
  #needsMoreClockSamples(): boolean {
    const { atLeast, atMost } = this.#offset;
    if (atMost - atLeast > CLOCK_UNCERTAINTY_MAX_MS) return this.#clockSamples++ < CLOCK_SAMPLES_MAX;
    this.#clockSamples = 0;
    return false;
  }

  /** One second of nothing: by then, the slots given out before are used up. */
  #startFallback(now: number): void {
    this.#pending = undefined;
    this.#slot = undefined;
    const retryMs = Math.min(RETRY_MAX_MS, this.#fallback === undefined ? RETRY_MIN_MS : 2 * this.#fallback.retryMs);
    this.#fallback = { startsAt: this.#fallback?.startsAt ?? now + 1_000, retryAt: now + retryMs, retryMs };
  }
}
