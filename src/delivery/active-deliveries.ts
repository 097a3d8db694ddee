import { StoreError } from '../store/errors.ts';
import type { StoredMessage } from '../store/message-store.ts';
import { untilLate } from './dispatch/expiry.ts';
import type { ActiveDelivery, DispatchServices } from './dispatch/upstream-request.ts';
import { storedOutcome } from './outcome.ts';

interface ActiveDeliveriesOptions extends Pick<DispatchServices, 'closing' | 'store' | 'now'> {
  /** A message has reached a final state. */
  onEnd: ((stored: StoredMessage) => void) | undefined;
  /** A message stays queued in the store, from which it is resumed later. */
  onLeft: () => void;
}

/** The messages that this process is delivering or inserting, each at most once. */
export class ActiveDeliveries {
  readonly #options: ActiveDeliveriesOptions;
  readonly #running = new Map<string, Promise<ActiveDelivery>>();
  readonly #inserting = new Set<string>();

  constructor(options: ActiveDeliveriesOptions) {
    this.#options = options;
  }

  /** Messages in delivery. */
  get size(): number {
    return this.#running.size;
  }

  has(id: string): boolean {
    return this.#running.has(id) || this.#inserting.has(id);
  }

  ids(): string[] {
    return [...this.#running.keys(), ...this.#inserting];
  }

  /** Counts a message as active while its record is inserted, so that the queue feeder does not resume it at the same time. */
  async inserting<Value>(id: string, insert: () => Promise<Value>): Promise<Value> {
    this.#inserting.add(id);
    try {
      return await insert();
    } finally {
      this.#inserting.delete(id);
    }
  }

  /** Runs `deliver` in the background. Returns the running delivery if the queue feeder has started one for this message already. */
  start(delivery: ActiveDelivery, deliver: () => Promise<ActiveDelivery>): Promise<ActiveDelivery> {
    const { id } = delivery.stored;
    const existing = this.#running.get(id);
    if (existing !== undefined) return existing;
    const run = this.#run(delivery, deliver);
    const untrack = () => {
      if (this.#running.get(id) === run) this.#running.delete(id);
    };
    run.then(untrack, untrack);
    this.#running.set(id, run);
    return run;
  }

  async #run(delivery: ActiveDelivery, deliver: () => Promise<ActiveDelivery>): Promise<ActiveDelivery> {
    const { closing, onEnd, onLeft } = this.#options;
    const ended = await untilLate(delivery, deliver(), this.#options).catch((error: unknown) => {
      // The record is durable: if the store fails during shutdown, the next process continues from it.
      if (error instanceof StoreError && closing.aborted) return delivery;
      throw error;
    });
    if (storedOutcome(ended.stored)) onEnd?.(ended.stored);
    else onLeft();
    return ended;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }
}
