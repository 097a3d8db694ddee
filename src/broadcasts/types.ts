import type { BroadcastStore, StoredBroadcast } from '../store/broadcast-store.ts';
import type { QuotaLimits } from '../store/quota-store.ts';
import type { DeliveryCounts } from '../store/tracking-store.ts';
import type { ReconcileProgress } from './reconcile-progress.ts';

/** The caller and the idempotency key: broadcasts always have one. */
export interface BroadcastScope {
  caller: string;
  route: string;
  key: string;
  /** Messages that the caller may have recorded; absent: it has no quota. */
  quota?: QuotaLimits;
}

export interface BroadcastDraft {
  template: string;
  broadcastName: string;
  connection: string;
  /** The company number. */
  channel?: string | undefined;
  /** The same if the request named it: then it is part of the content of each message. */
  asked?: string | undefined;
}

export interface BroadcastRecipient {
  to: string;
  parameters?: Readonly<Record<string, string>>;
}

/** Takes recipients as they are found valid; resolves when it can take more. */
export type AddRecipients = (recipients: readonly BroadcastRecipient[]) => Promise<void>;

/** With the reasons of rejected messages, the progress of reconciling the unknown ones, and what became of the accepted. */
export type KnownBroadcast = StoredBroadcast & {
  delivery?: DeliveryCounts;
  rejections?: Readonly<Record<string, number>>;
  looks?: ReconcileProgress;
};

export interface Started {
  broadcast: KnownBroadcast;
  /** Answered from the record of an earlier request with the same key. */
  replayed?: true;
}

/** Each recipient of a broadcast is a message like any other, in the broadcast lane. */
export interface Broadcasts {
  /** The earlier broadcast under this key. Throws `idempotency-mismatch` or `idempotency-in-progress`. */
  findReplay(scope: BroadcastScope, fingerprint: () => string | Promise<string>): Promise<Started | undefined>;
  /**
   * Inserts all recipients that `fill` adds, and publishes them when it resolves with the fingerprint of the request. If it
   * throws, nothing is stored and nothing was sent.
   */
  start(scope: BroadcastScope, draft: BroadcastDraft, fill: (add: AddRecipients) => Promise<string>): Promise<Started>;
  find(caller: string, id: string): Promise<KnownBroadcast>;
  /** Schedules the reconciliation of all its unknown messages, one after another. Throws `not-found`. */
  reconcileUnknown(caller: string, id: string, mayUse: (connection: string) => boolean): Promise<KnownBroadcast>;
  list(caller: string, page: { limit: number; cursor?: string }): ReturnType<BroadcastStore['listBroadcasts']>;
  /** Throws `not-found`, and `broadcast-over` if it has ended. */
  changeStatus(caller: string, id: string, to: 'running' | 'paused' | 'cancelled'): Promise<StoredBroadcast>;
}
