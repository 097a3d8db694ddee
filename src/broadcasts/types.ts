import type { BroadcastStore, ResendableStatus, StoredBroadcast } from '../store/broadcast-store.ts';
import type { Schedule } from '../store/message-store.ts';
import type { QuotaLimits } from '../store/quota-store.ts';
import type { DeliveryCounts } from '../store/tracking-store.ts';
import type { ReconcileProgress } from './reconcile-progress.ts';

/** The caller and the idempotency key: broadcasts always have one. */
export interface BroadcastRequester extends Schedule {
  caller: string;
  route: string;
  key: string;
  /** Messages that the caller may have recorded; absent: it has no quota. */
  quota?: QuotaLimits;
  /** The caller's own name for the broadcast. */
  reference?: string;
}

export interface BroadcastDraft {
  template: string;
  broadcastName: string;
  connection: string;
  /** The company number. */
  channel?: string | undefined;
  /** The company number, only if the request named it: then it is part of each message's content. */
  asked?: string | undefined;
  /** Id of the broadcast of which this one is a resend. */
  resendOf?: string;
  /** Maximum number of recipients per minute. */
  perMinute?: number | undefined;
  /** Visible to its caller while it is recording. */
  shownEarly?: boolean;
}

export interface BroadcastRecipient {
  to: string;
  reference?: string;
  /** Id of the message of which this one is a resend. */
  resendOf?: string;
  parameters?: Readonly<Record<string, string>>;
}

/** Adds valid recipients as they are read; resolves when more can be added. */
export type AddRecipients = (recipients: readonly BroadcastRecipient[]) => Promise<void>;

export interface Filled {
  fingerprint: string;
  /** Of a resend: the number of recipients of the original in the chosen states. */
  chosen?: number;
}

/** A broadcast with its reasons of rejection, the progress of reconciling its unknown messages, and the delivery of accepted ones. */
export type KnownBroadcast = StoredBroadcast & {
  delivery?: DeliveryCounts;
  estimatedEndAt?: string;
  /** How many recipients a call may have now. */
  batchSize?: number;
  rejections?: Readonly<Record<string, number>>;
  looks?: ReconcileProgress;
};

export interface Started {
  broadcast: KnownBroadcast;
  /** Answered from the record of an earlier request with the same key. */
  replayed?: true;
}

/** The expected pace of a broadcast, and the caller's remaining quota. */
export interface Outlook {
  /** Messages that the caller may still record; absent: no quota. */
  quotaLeft?: number;
  /** Recipients a minute. */
  perMinute: number;
  estimatedDurationS: number;
}

export interface BroadcastResend {
  original: StoredBroadcast;
  statuses: readonly ResendableStatus[];
  /** Called with each page of recipients before any of them is recorded. Throws a Problem if one may not be sent to now. */
  check: (recipients: readonly BroadcastRecipient[]) => void | Promise<void>;
}

/** Broadcasts. Each recipient is a message like any other, in the broadcast lane. */
export interface Broadcasts {
  /** The earlier broadcast under this key. Throws `idempotency-mismatch` or `idempotency-in-progress`. */
  findReplay(requester: BroadcastRequester, fingerprint: () => string | Promise<string>): Promise<Started | undefined>;
  /**
   * Calls `fill`, inserts all recipients that it adds, and publishes them when it resolves with the fingerprint of the request.
   * If it throws, nothing is stored and nothing was sent.
   */
  start(
    requester: BroadcastRequester,
    draft: BroadcastDraft,
    fill: (add: AddRecipients) => Promise<Filled>,
  ): Promise<Started>;
  /** Throws `message-not-resendable` if no recipient can be sent to again. */
  resend(requester: BroadcastRequester, resend: BroadcastResend): Promise<Started>;
  /** Returns the pace to expect, and the remaining quota. */
  outlook(
    requester: Pick<BroadcastRequester, 'caller' | 'quota'>,
    planned: { connection: string; recipients: number; perMinute: number | undefined },
  ): Promise<Outlook>;
  /** See `BroadcastStore.countOptedOut`. */
  countOptedOut(caller: string, numbers: readonly string[]): Promise<number>;
  find(caller: string, id: string): Promise<KnownBroadcast>;
  /** Schedules the reconciliation of all unknown messages of a broadcast. Throws `not-found`. */
  reconcileUnknown(caller: string, id: string, mayUse: (connection: string) => boolean): Promise<KnownBroadcast>;
  list(caller: string, page: { limit: number; cursor?: string }): ReturnType<BroadcastStore['listBroadcasts']>;
  /** Returns the broadcasts that the caller started under this key, by any route; one that is recording only if it is `shownEarly`. */
  listByKey(caller: string, key: string): Promise<StoredBroadcast[]>;
  /** The wall clock of the store, ms. */
  wallNow(): number;
  /** Throws `not-found`, and `broadcast-over` if it has ended. A resumed broadcast is `scheduled` until its `sendAt`. */
  changeStatus(caller: string, id: string, to: 'running' | 'paused' | 'cancelled'): Promise<StoredBroadcast>;
}
