import type { MessageFilter, MessageKind, MessageStore, Schedule, StoredMessage } from '../store/message-store.ts';
import type { QuotaLimits } from '../store/quota-store.ts';
import type { CallContext } from '../upstream/client.ts';
import type { StreamedUpload } from './dispatch/upstream-request.ts';
import type { Content } from './send-content.ts';

/** Who asks: the caller with its quota, and its idempotency key. */
export interface Requester extends Schedule {
  caller: string;
  /** Method and route pattern. A key is unique within one route. */
  route: string;
  key?: string;
  /** The caller's own name for the message. Not part of the content: WATI cannot tell apart two messages that differ only in it. */
  reference?: string;
  /** The messages that the caller may record per hour and day; absent: no quota. */
  quota?: QuotaLimits;
}

/** A message as its caller sees it now. */
export interface SendResult {
  stored: StoredMessage;
  /** Answered from the record of an earlier request with the same key. */
  replayed?: true;
  /** The outcome is certain but not yet in the store. */
  pendingWrite?: true;
}

/** How long the client waits for the outcome, ms; 0: not at all. */
export type WaitMs = number;

export interface SendRequest {
  requester: Requester;
  content: Content;
  context: CallContext;
  waitMs: WaitMs;
}

export interface StreamRequest {
  requester: Requester;
  draft: StreamDraft;
  streamed: StreamedUpload;
  context: CallContext;
  waitMs: WaitMs;
}

/** What is known of a file or CSV before its bytes. */
export interface StreamDraft {
  kind: Extract<MessageKind, 'file' | 'csv'>;
  to?: string;
  template?: string;
}

/**
 * Decides the context of a resend and how long its client waits, once the content is known. Throws the Problem of content that
 * may not be sent now.
 */
export type ResendContext = (
  original: Pick<StoredMessage, 'connectionId' | 'channel'>,
  content: Content,
) => Promise<{ context: CallContext; waitMs: WaitMs }>;

/**
 * Every request that can send a message passes through here. The message is recorded first, is transmitted at most once
 * after a point where it could have been processed, and ends in one of four outcomes: accepted, rejected, not_sent, unknown.
 */
export interface Delivery {
  /** The earlier message under this key, if there is one. Throws `idempotency-mismatch` or `idempotency-in-progress`. */
  findReplay(
    requester: Requester,
    fingerprint: () => string | undefined | Promise<string | undefined>,
    stream?: StreamDraft,
  ): Promise<SendResult | undefined>;
  send(request: SendRequest): Promise<SendResult>;
  stream(request: StreamRequest): Promise<SendResult>;
  /** Sends the content of an earlier message again, as a new one, on explicit request. Throws `message-not-resendable`. */
  resend(requester: Requester, id: string, context: ResendContext): Promise<SendResult>;
  /** Charges further messages for a request with one record for many. Throws `quota-spent`. */
  spend(requester: Requester, messages: number): Promise<void>;
  /** Cancels a queued message. Throws `not-found`, and `message-over` for one that is being sent or has ended. */
  cancel(caller: string, id: string): Promise<StoredMessage>;
  find(caller: string, id: string): Promise<StoredMessage | undefined>;
  list(
    caller: string,
    filter: MessageFilter,
    page: { limit: number; cursor?: string },
  ): ReturnType<MessageStore['list']>;
  /** Completes the attempts of dead processes. `feed` finds what they left queued. */
  recover(): Promise<void>;
  /** Resumes queued messages that may go out now, as far as there is capacity. */
  feed(): Promise<void>;
  /** Looks for queued messages in the store, and resumes them. */
  resumeQueued(): Promise<void>;
  /** Returns whether this process is delivering the message. */
  isUnderWay(id: string): boolean;
  /** The wall clock of the store, ms: messages are scheduled and expire by it. */
  wallNow(): number;
  /** The number of messages that this process is delivering. */
  readonly underWay: number;
  /** Call after `closing`: waits for attempts in flight. Messages without one stay queued. */
  close(): Promise<void>;
}
