import { BATCH_TEXT_MAX } from '../delivery/dispatch/batch-queue.ts';
import type { ActiveDelivery } from '../delivery/dispatch/upstream-request.ts';
import { parameterLength } from '../delivery/send-content.ts';
import type { BroadcastStore, RunningBroadcast } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import type { AttemptRef, MessageStore, StoredMessage } from '../store/message-store.ts';
import { retryWhileStoreFails } from '../store/retry-while-store-fails.ts';

export type { RunningBroadcast };

interface ClaimsServices {
  store: BroadcastStore & Pick<MessageStore, 'requeueAll'>;
  closing: AbortSignal;
}

/** Rows per claim. Marks of other messages wait for the commit of each. */
const ROWS_MAX = 250;

interface Taken {
  stored: readonly StoredMessage[];
  /** Nothing is left to claim, or the store fails. */
  isLast: boolean;
}

/** The messages of broadcasts that this process has claimed, and the claims whose acknowledgement was lost. */
export class Claims {
  readonly #services: ClaimsServices;
  /** Attempts that may have been sent and whose outcome is not stored yet. */
  readonly #inFlight = new Map<ActiveDelivery, AttemptRef>();
  /**
   * Broadcasts with a claim in doubt: its acknowledgement was lost, and the database may still commit it. They are checked until
   * the broadcast has ended and nothing of it is left to be claimed.
   */
  readonly #inDoubt = new Map<string, RunningBroadcast>();

  constructor(services: ClaimsServices) {
    this.#services = services;
  }

  get inDoubt(): RunningBroadcast[] {
    return [...this.#inDoubt.values()];
  }

  isInDoubt(id: string): boolean {
    return this.#inDoubt.has(id);
  }

  /**
   * Claims at most `limit` messages, and no more than fit into one call. Empty: nothing is left, or the store fails; the next poll
   * tries again.
   */
  async take(broadcast: RunningBroadcast, limit: number): Promise<Taken> {
    const stored: StoredMessage[] = [];
    let characters = 0;
    while (stored.length < limit && characters < BATCH_TEXT_MAX) {
      const rows = Math.min(ROWS_MAX, limit - stored.length);
      const claimed = await this.#claim(broadcast, rows);
      // The claim is in doubt, and all that is not sent yet was queued again.
      if (claimed === undefined) return { stored: [], isLast: true };
      for (const message of claimed) characters += parameterLength(message);
      stored.push(...claimed);
      if (claimed.length < rows) return { stored, isLast: true };
    }
    return { stored, isLast: false };
  }

  /** Empty also if the store fails. Undefined: the acknowledgement was lost. */
  async #claim(broadcast: RunningBroadcast, rows: number): Promise<StoredMessage[] | undefined> {
    try {
      return await this.#services.store.claimBatch(broadcast.id, rows);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.notCommitted) return [];
      this.#inDoubt.set(broadcast.id, broadcast);
      await this.requeueUnsentWithRetry(broadcast.id);
      return undefined;
    }
  }

  /** Call before the first byte. Messages stay tracked if sending fails unexpectedly, because they may have been sent. */
  track(deliveries: readonly ActiveDelivery[]): void {
    for (const each of deliveries) this.#inFlight.set(each, { id: each.stored.id, attempt: each.stored.attempts });
  }

  /** Until the outcome is written, the record says that the message is being sent. */
  untrack(delivery: ActiveDelivery): void {
    const { pendingWrite } = delivery;
    if (pendingWrite === undefined) this.#inFlight.delete(delivery);
    else void pendingWrite.then(() => delivery.pendingWrite === undefined && this.#inFlight.delete(delivery));
  }

  async recheck({ id, caller }: RunningBroadcast): Promise<void> {
    const broadcast = await this.#services.store.findBroadcast(caller, id);
    if (!broadcast || broadcast.finishedAt !== undefined) this.#inDoubt.delete(id);
    else await this.#requeueUnsent(id);
  }

  async requeueUnsentWithRetry(id: string): Promise<void> {
    await retryWhileStoreFails(() => this.#requeueUnsent(id), this.#services.closing).catch((failure) => {
      // The process ends first. Recovery then makes the messages `unknown`.
      if (!(failure instanceof StoreError)) throw failure;
    });
  }

  /**
   * Requeues the messages of a claim whose acknowledgement was lost: they belong to this process, and it has not sent them.
   * Never runs during another claim of the broadcast, because the messages of that one are about to be sent.
   */
  async #requeueUnsent(id: string): Promise<void> {
    const { store } = this.#services;
    const claimed = await store.listClaimed(id);
    const sent = new Set(Array.from(this.#inFlight.values(), keyOf));
    await store.requeueAll(claimed.filter((attempt) => !sent.has(keyOf(attempt))));
  }
}

const keyOf = ({ id, attempt }: AttemptRef): string => `${id} ${attempt}`;
