import type { EventStore } from '../store/event-store.ts';
import { EventReader } from './event-reader.ts';
import type { EventSignal } from './types.ts';

/** Interval in which events with a lost notification and readers with revoked rights are found. */
const lookEveryMs = 1_000;
/** Number of events per query. */
const groupMax = 500;

interface HubServices {
  store: Pick<EventStore, 'eventPositions' | 'readNewEvents' | 'onForeignEvents'>;
  /** Signals events recorded by this process. */
  recorder: EventSignal;
  onFault: (error: unknown) => void;
}

/**
 * Hands new events to the streams and long polls of this process. It looks into the database once for all of them: when this
 * process has recorded events, when the database says that another process has, and once a second.
 *
 * A reader is behind when it joins (src/events/event-reader.ts). It reads from the database up to the last event, and is handed all
 * events that are recorded from then on. A look that was under way when it joined does not include it, so at the end of that look
 * the reader falls behind again and reads once more.
 */
export class EventHub implements EventSignal {
  readonly #store: HubServices['store'];
  readonly #onFault: HubServices['onFault'];
  readonly #readers = new Set<EventReader>();
  readonly #listeners = new Set<() => void>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #looksAgain = false;
  /** All events up to here were handed out; undefined before the first look. */
  #seenTo: number | undefined;
  #isReleased = false;
  #isClosed = false;

  constructor({ store, recorder, onFault }: HubServices) {
    this.#store = store;
    this.#onFault = onFault;
    const stops = [store.onForeignEvents(() => this.recorded()), recorder.subscribe(() => this.recorded())];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
  }

  /** Call when there may be new events. */
  recorded(): void {
    if (this.#isIdle || this.#isClosed) return;
    this.#looksAgain = true;
    this.#look ??= this.#lookWhileAsked();
  }

  /** Ends streams and answers long polls, because the service shuts down. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  release(): void {
    this.#isReleased = true;
    for (const reader of this.#readers) reader.wake();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#startLooking();
    return () => {
      this.#listeners.delete(listener);
      this.#restIfIdle();
    };
  }

  join(caller: string): EventReader {
    const reader = new EventReader(caller);
    this.#readers.add(reader);
    this.#startLooking();
    return reader;
  }

  leave(reader: EventReader): void {
    this.#readers.delete(reader);
    this.#restIfIdle();
  }

  async close(): Promise<void> {
    this.release();
    this.#isClosed = true;
    this.#stopListening();
    clearInterval(this.#timer);
    await this.#look;
  }

  get #isIdle(): boolean {
    return this.#readers.size === 0 && this.#listeners.size === 0;
  }

  #startLooking(): void {
    if (this.#isClosed || this.#timer) return;
    this.#timer = setInterval(() => {
      this.recorded();
      for (const reader of this.#readers) reader.wake();
    }, lookEveryMs).unref();
    this.recorded();
  }

  #restIfIdle(): void {
    if (!this.#isIdle) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#seenTo = undefined;
  }

  async #lookWhileAsked(): Promise<void> {
    try {
      while (this.#looksAgain && !this.#isClosed) {
        this.#looksAgain = false;
        await this.#lookOnce();
      }
    } catch (error) {
      this.#onFault(error);
    } finally {
      this.#look = undefined;
    }
  }

  async #lookOnce(): Promise<void> {
    const known = new Set(this.#readers);
    try {
      // The last number covers all callers, so the query names none. Events recorded after it are found by this look
      // or the next.
      const { last } = await this.#store.eventPositions('');
      const after = this.#seenTo;
      if (after !== undefined && last <= after) return;
      for (const listener of this.#listeners) listener();
      if (after === undefined) this.#beginAt(last, known);
      else await this.#handOut(known, { after, last });
    } finally {
      for (const reader of this.#readers) if (!known.has(reader)) reader.fallBehind();
    }
  }

  /** Events from before the first look are not handed out; readers query them. */
  #beginAt(last: number, readers: Iterable<EventReader>): void {
    if (this.#isIdle) return;
    this.#seenTo = last;
    for (const reader of readers) reader.fallBehind();
  }

  async #handOut(known: Iterable<EventReader>, { after, last }: { after: number; last: number }): Promise<void> {
    const byCaller = Map.groupBy(known, ({ caller }) => caller);
    const callers = [...byCaller.keys()];
    for (let seenTo = after, isLast = false; !isLast; ) {
      const events =
        callers.length === 0 ? [] : await this.#store.readNewEvents(callers, { after: seenTo, limit: groupMax });
      isLast = events.length < groupMax;
      seenTo = Math.max(events.at(-1)?.seq ?? 0, isLast ? last : 0);
      const own = Map.groupBy(events, ({ caller }) => caller);
      for (const [caller, readers] of byCaller)
        for (const reader of readers) reader.hand(own.get(caller) ?? [], seenTo);
      if (this.#isIdle) return;
      this.#seenTo = seenTo;
    }
  }
}
