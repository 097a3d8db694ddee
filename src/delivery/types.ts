import type { MessageFilter, MessageKind, MessageStore, StoredMessage } from '../store/message-store.ts';
import type { QuotaLimits } from '../store/quota-store.ts';
import type { CallContext } from '../upstream/client.ts';
import type { StreamedUpload } from './dispatch/types.ts';
import type { Content } from './send-content.ts';

/** The caller, and the scope within which an idempotency key is unique. */
export interface RequestScope {
  caller: string;
  /** Method and route pattern: a key counts for one route. */
  route: string;
  key?: string;
  /** Messages that the caller may have recorded; absent: it has no quota. */
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

/** Time that the client waits for the outcome; 0: not at all. */
export type WaitMs = number;

export interface SendRequest {
  scope: RequestScope;
  content: Content;
  context: CallContext;
  waitMs: WaitMs;
}

export interface StreamRequest {
  scope: RequestScope;
  draft: StreamDraft;
  streamed: StreamedUpload;
  context: CallContext;
  waitMs: WaitMs;
}

/** The part of a file or CSV that is known before its bytes. */
export interface StreamDraft {
  kind: Extract<MessageKind, 'file' | 'csv'>;
  to?: string;
  template?: string;
}

/**
 * The context of a resend and its remaining wait, decided once its content is known. Throws the Problem of content that may not
 * go out now.
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
    scope: RequestScope,
    fingerprint: () => string | undefined | Promise<string | undefined>,
    stream?: StreamDraft,
  ): Promise<SendResult | undefined>;
  send(request: SendRequest): Promise<SendResult>;
  stream(request: StreamRequest): Promise<SendResult>;
  /** Sends the content of an earlier message again, as a new one, on explicit request. Throws `message-not-resendable`. */
  resend(scope: RequestScope, id: string, context: ResendContext): Promise<SendResult>;
  /** Counts further messages of a request that has one record for many. Throws `quota-spent`. */
  spend(scope: RequestScope, messages: number): Promise<void>;
  find(caller: string, id: string): Promise<StoredMessage | undefined>;
  list(
    caller: string,
    filter: MessageFilter,
    page: { limit: number; cursor?: string },
  ): ReturnType<MessageStore['list']>;
  /** Ends the attempts of dead processes; what those left queued is found by `feed`. */
  recover(): Promise<void>;
  /** Resumes queued messages that may go out now, as far as there is capacity. */
  feed(): Promise<void>;
  /** Messages that this process is delivering. */
  readonly underWay: number;
  /** After `closing`: waits for attempts in flight; messages without one stay queued. */
  close(): Promise<void>;
}
