import type { Holds } from '../../holds/holds.ts';
import type { RateLimiter } from '../../rate-limit/types.ts';
import type { MessageStore, StoredMessage } from '../../store/message-store.ts';
import type { AttemptResult } from '../../upstream/classify-response.ts';
import type { AuthDiagnosis, CallContext } from '../../upstream/client.ts';
import type { HttpResult } from '../../upstream/types.ts';
import type { UpstreamCall } from '../send-content.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';

export interface DispatchServices {
  store: MessageStore;
  diagnosis: AuthDiagnosis;
  breaker: CircuitBreaker;
  /** Whether a caller may still send; asked before each attempt. */
  holds: Holds;
  /** Ends pauses, and lets no new attempt begin. */
  closing: AbortSignal;
  /** Absent: there is no limit, and every message has a call of its own. */
  rateLimiter?: RateLimiter;
  /** Wall clock in ms, for the times in records. */
  now: () => number;
  /** A webhook proved that it was sent, while its attempt ended with the status `said`. */
  onProved?: (stored: StoredMessage, said: StoredMessage['status']) => void;
}

/** A message that this process is delivering; changes in place. */
export interface ActiveDelivery {
  stored: StoredMessage;
  /** No further attempt begins later (performance.now()). */
  deadline: number;
  /** Its attempts by this process that were not sent, the last one included; of a broadcast, since its last pause. */
  failures?: number;
  /** Its call was refused with no other recipient in it, and the broadcast paused, as the cause may concern all of it. */
  refusedAlone?: true;
  /** No client is waiting: while the upstream refuses the credentials the message stays queued. */
  detached?: true;
  /**
   * The outcome is known and the store could not take it yet; it is written as soon as possible. Resolves when that is over:
   * absent if it was written, still there if the process ends first.
   */
  pendingWrite?: Promise<void>;
}

/** Input of every step of an attempt: the call, its context and the services. */
export interface Dispatch {
  request: UpstreamRequest;
  context: CallContext;
  services: DispatchServices;
}

/** A message that is queued again; its next attempt comes after the delay. */
export interface RetryLater {
  delivery: ActiveDelivery;
  delayMs: number;
}

export interface ClassifiedAttempt {
  delivery: ActiveDelivery;
  result: AttemptResult;
}

/** One call upstream that carries one message, or template messages that differ in the receiver alone. */
export interface UpstreamRequest {
  /** WATI's operation; its rate limit applies. */
  operation: string;
  /** Makes the call and returns what it proves of each message, in order. `canSend` is asked right before the first byte. */
  execute(deliveries: readonly ActiveDelivery[], canSend: () => boolean): Promise<readonly AttemptResult[]>;
  /** Broadcasts only: pauses the broadcast, before what was refused for all of it is queued again. */
  pauseBroadcast?: (reason: string) => Promise<void>;
  /** Present: the body comes from the client as it is sent, so the call can be made only once. */
  streamed?: StreamedUpload;
}

/** A message whose body flows from the client to WATI. Its bytes are stored nowhere. */
export interface StreamedUpload {
  /** `canSend` is asked right before the first byte. */
  open(canSend: () => boolean): Promise<HttpResult>;
  /** Whether the final boundary is on its way. Until then the upstream cannot have the whole body. */
  complete(): boolean;
  /** Settles when the client has sent everything; the wait for the outcome begins then. */
  bodyReceived: Promise<unknown>;
  /** The body will not be read any further. */
  cancel(): void;
  /** As it goes to WATI. */
  fileName: string;
  expected: UpstreamCall['expected'];
  /** WATI's operation; its rate limit applies. */
  operation: string;
  /** After an end without an answer of the upstream: what was wrong with the client's body, if anything. */
  clientError(): Promise<unknown>;
  /** Fingerprint of the content, once it has arrived in full. */
  fingerprint(): Promise<string | undefined>;
}
