import type { ActiveDelivery } from '../delivery/dispatch/upstream-request.ts';
import type { BroadcastStore, RunningBroadcast } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import type { AttemptRef, MessageStore, StoredMessage } from '../store/message-store.ts';
import { retryWhileStoreFails } from '../store/retry-while-store-fails.ts';

export type { RunningBroadcast };

interface ClaimsServices {
  store: BroadcastStore & Pick<MessageStore, 'requeueAll'>;
  closing: AbortSignal;
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

  /** Claims at most `limit` messages. Empty: nothing is left, or the store fails; the next poll tries again. */
  async take(broadcast: RunningBroadcast, limit: number): Promise<StoredMessage[]> {
    try {
      return await this.#services.store.claimBatch(broadcast.id, limit);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (!error.notCommitted) {
        this.#inDoubt.set(broadcast.id, broadcast);
        await this.requeueUnsentWithRetry(broadcast.id);
      }
      return [];
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
