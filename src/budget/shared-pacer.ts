import { intervalMs, type Pacer } from './pacer.ts';
import type { Slot, SlotSource } from './words.ts';

/** How late a slot may still be used: two calls of two replicas come closer by no more. */
const GRACE_MS = 20;
/** Two processes know their common clock less well than one knows its own: eleven of their calls are 1,123 ms apart. */
const SHARED_USE = 0.89;
const sharedMs = (perSecond: number): number => intervalMs(perSecond, SHARED_USE);
/** A source that takes longer is one that fails. */
const PATIENCE_MS = 250;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;
/** The offset to the source's clock is measured again after this time: clocks drift. */
const CLOCK_KNOWN_MS = 60_000;
/** With a larger uncertainty of the source's clock, slots would be missed: measure a few more times. */
const CLOCK_UNSURE_MS = 25;
const CLOCK_TRIES = 3;
/** After the source is back, other replicas may still use their fallback share. */
const GENTLE_MS = 2_000;

interface Asking {
  readonly sinceMs: number;
  readonly shareMs: number;
}

/**
 * Slots from a source that all replicas share. One is requested only when a call waits for it, so that an idle replica
 * holds none; a slot that is used too late is lost. While the source fails, each replica has a fallback share, of at least two.
 */
export class SharedPacer implements Pacer {
  replicas = 1;
  readonly #source: SlotSource;
  readonly #clock: () => number;
  readonly #wake: () => void;
  #asking: Asking | undefined;
  #slot: number | undefined;
  #heldUntil = Number.NEGATIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #offset = { atLeast: Number.NEGATIVE_INFINITY, atMost: Number.POSITIVE_INFINITY, since: Number.NEGATIVE_INFINITY };
  #unsureTries = 0;
  #gap = 0;
  #failing: { shareFrom: number; retryAt: number; retryMs: number } | undefined;
  #gentleUntil = Number.NEGATIVE_INFINITY;

  constructor(source: SlotSource, clock: () => number, wake: () => void) {
    this.#source = source;
    this.#clock = clock;
    this.#wake = wake;
  }

  get pace(): 'shared' | 'share' {
    return this.#failing === undefined ? 'shared' : 'share';
  }

  slotAt(now: number, perSecond: number): number {
    if (this.#slot !== undefined) {
      if (now <= this.#slot + GRACE_MS) return this.#slot;
      this.#slot = undefined;
    }
    if (this.#asking !== undefined) {
      const until = this.#asking.sinceMs + PATIENCE_MS;
      if (now < until) return until;
      this.#fail(now);
    }
    if (this.#failing !== undefined && now < this.#failing.retryAt) {
      const next = this.#shareAt(this.#failing.shareFrom, perSecond);
      return next <= now ? next : Math.min(next, this.#failing.retryAt);
    }
    this.#ask(now, perSecond);
    return now + PATIENCE_MS;
  }

  expectedAt(now: number, perSecond: number): number {
    if (this.#failing !== undefined) return this.#shareAt(this.#failing.shareFrom, perSecond);
    if (this.#slot !== undefined && now <= this.#slot + GRACE_MS) return this.#slot;
    return Math.max(this.#heldUntil, (this.#asking?.sinceMs ?? this.#last) + this.gapMs(perSecond));
  }

  use(now: number): void {
    this.#slot = undefined;
    this.#last = now;
  }

  hold(until: number): void {
    const now = this.#clock();
    this.#heldUntil = Math.max(this.#heldUntil, until);
    if (this.#slot !== undefined && this.#slot < until) this.#slot = undefined;
    this.#source.holdSlots(until - now).catch(() => undefined); // we keep to it, and the source will fail for itself
  }

  gapMs(perSecond: number): number {
    if (this.#failing !== undefined) return this.#shareMs(perSecond) + 1;
    const interval = sharedMs(perSecond);
    return Math.min(Math.max(this.#gap, interval), interval * this.replicas) + 1;
  }

  #shareAt(from: number, perSecond: number): number {
    return Math.max(from, this.#heldUntil, this.#last + this.#shareMs(perSecond));
  }

  #shareMs(perSecond: number): number {
    return sharedMs(perSecond / Math.max(2, this.replicas));
  }

  #ask(now: number, perSecond: number): void {
    const shareMs = this.#shareMs(perSecond);
    const asking = { sinceMs: now, shareMs };
    this.#asking = asking;
    const gentle = this.#failing !== undefined || now < this.#gentleUntil;
    this.#source.reserveSlot(gentle ? shareMs : sharedMs(perSecond)).then(
      (slot) => this.#answered(asking, slot),
      () => {
        if (this.#asking !== asking) return;
        this.#fail(this.#clock());
        this.#wake();
      },
    );
  }

  #answered(asking: Asking, slot: Slot): void {
    if (this.#asking !== asking) return; // we did not wait for it; its slot is lost
    const now = this.#clock();
    this.#asking = undefined;
    if (!Number.isFinite(slot.waitMs + slot.nowMs)) this.#fail(now);
    else {
      this.replicas = Math.max(1, Math.floor(slot.replicas) || 1);
      const at = slot.nowMs + slot.waitMs - this.#offsetTo(slot.nowMs, asking.sinceMs, now);
      this.#gap += 0.2 * (Math.max(0, at - asking.sinceMs) - this.#gap);
      const earliest = Math.max(this.#heldUntil, this.#backFrom(now, asking.shareMs));
      this.#slot = at < earliest || this.#isUnsure() ? undefined : at;
    }
    this.#wake();
  }

  /** After a failure, the first slot keeps its distance from our last call, which the source knows nothing of. */
  #backFrom(now: number, shareMs: number): number {
    if (this.#failing === undefined) return Number.NEGATIVE_INFINITY;
    this.#failing = undefined;
    this.#gentleUntil = now + GENTLE_MS;
    return this.#last + shareMs;
  }

  /**
   * The clock of the source less ours. It read its own between our question and its answer, so each exchange narrows down
   * the offset, and the quickest ones tell it best. How long a single answer took on its way then does not matter.
   */
  #offsetTo(theirs: number, asked: number, answered: number): number {
    const seen = { atLeast: theirs - answered, atMost: theirs - asked };
    const atLeast = Math.max(this.#offset.atLeast, seen.atLeast);
    const atMost = Math.min(this.#offset.atMost, seen.atMost);
    const fits = atLeast <= atMost && answered < this.#offset.since + CLOCK_KNOWN_MS;
    this.#offset = fits ? { ...this.#offset, atLeast, atMost } : { ...seen, since: answered };
    return this.#offset.atLeast;
  }

  /** A slot that was given meanwhile is lost; where the source is far away, it is used all the same after a few. */
  #isUnsure(): boolean {
    const { atLeast, atMost } = this.#offset;
    if (atMost - atLeast > CLOCK_UNSURE_MS) return this.#unsureTries++ < CLOCK_TRIES;
    this.#unsureTries = 0;
    return false;
  }

  /** One second of nothing: by then, the slots given out before are used up. */
  #fail(now: number): void {
    this.#asking = undefined;
    this.#slot = undefined;
    const retryMs = Math.min(RETRY_MAX_MS, this.#failing === undefined ? RETRY_MIN_MS : 2 * this.#failing.retryMs);
    this.#failing = { shareFrom: this.#failing?.shareFrom ?? now + 1_000, retryAt: now + retryMs, retryMs };
  }
}
