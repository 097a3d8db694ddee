import type { Holds } from '../../holds/holds.ts';
import type { RateLimiter } from '../../rate-limit/types.ts';
import type { MessageStore, StoredMessage } from '../../store/message-store.ts';
import type { AttemptLog } from '../../store/operator-message-store.ts';
import type { ScheduleStore } from '../../store/schedule-store.ts';
import type { AttemptResult } from '../../upstream/attempt-result.ts';
import { classify, classifyBatch } from '../../upstream/classify-response.ts';
import type { AuthDiagnosis, CallContext } from '../../upstream/client.ts';
import type { SendCalls, WatiReceiver } from '../../upstream/send-calls.ts';
import type { Transport } from '../../upstream/transport.ts';
import type { HttpResult } from '../../upstream/types.ts';
import { receiverOf, type UpstreamCall } from '../send-content.ts';
import { bisectIfRefused } from './bisect-batch.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';

export interface DispatchServices {
  store: MessageStore & Pick<ScheduleStore, 'wallNow' | 'expire'> & AttemptLog;
  diagnosis: AuthDiagnosis;
  breaker: CircuitBreaker;
  /** Whether a caller may still send. Checked before each attempt, and right before its first byte. */
  holds: Holds;
  /** Aborts at shutdown: pauses end, and no further attempt begins. */
  closing: AbortSignal;
  /** Absent: there is no rate limit, and every message is sent in a call of its own. */
  rateLimiter?: RateLimiter;
  /** Wall clock in ms, for the times in records. */
  now: () => number;
  /** Webhooks have proved that the message was sent, but its attempt ended with the status `said`. */
  onProved?: (stored: StoredMessage, said: StoredMessage['status']) => void;
}

/** A message that this process is delivering. Its fields change during delivery. */
export interface ActiveDelivery {
  stored: StoredMessage;
  /** No attempt is repeated after this (performance.now()). */
  deadline: number;
  /** Attempts by this process that failed unsent, the latest included. For a broadcast: since it was last paused. */
  failures?: number;
  /** The message was refused in a call without other recipients, and its broadcast was paused because the cause may concern all of it. */
  refusedAlone?: true;
  /** No client is waiting. While the upstream refuses the credentials, the message stays queued. */
  detached?: true;
  /**
   * The outcome is known and the store could not take it yet; the write is repeated. The promise resolves when the write
   * succeeded (the field is then absent) or the process ends (it is still present).
   */
  pendingWrite?: Promise<void>;
}

/** Input of every step of an attempt: the call, its context and the services. */
export interface Dispatch {
  request: UpstreamRequest;
  context: CallContext;
  services: DispatchServices;
}

/** A message that is queued again, and the pause before its next attempt. */
export interface RetryLater {
  /** The result that requires another attempt; absent: the message was not claimed. */
  result?: AttemptResult;
  delivery: ActiveDelivery;
  delayMs: number;
}

export interface ClassifiedAttempt {
  delivery: ActiveDelivery;
  result: AttemptResult;
}

/** One upstream call for one message, or for template messages that differ only in the receiver. */
export interface UpstreamRequest {
  /** The name of WATI's operation, which decides the rate limit. */
  operation: string;
  /** Makes the call. Returns what it proves about each message, in order. Calls `canSend` right before the first byte. */
  execute(deliveries: readonly ActiveDelivery[], canSend: () => boolean): Promise<readonly AttemptResult[]>;
  /** Only for broadcasts: pauses the broadcast. Called before messages that were refused for a shared cause are queued again. */
  pauseBroadcast?: (reason: string) => Promise<void>;
  /** Present: the body is streamed from the client, so the call can be made only once. */
  streamed?: StreamedUpload;
}

/** A message whose body is streamed from the client to WATI and stored nowhere. */
export interface StreamedUpload {
  /** Opens the upstream call. Calls `canSend` right before the first byte. */
  open(canSend: () => boolean): Promise<HttpResult>;
  /** Whether the final boundary was sent. Until then the upstream cannot have the whole body. */
  complete(): boolean;
  /** Settles when the client has sent its whole body. The wait for the outcome begins then. */
  bodyReceived: Promise<unknown>;
  /** Stops reading the body. */
  cancel(): void;
  /** The file name that WATI gets. */
  fileName: string;
  expected: UpstreamCall['expected'];
  /** The name of WATI's operation, which decides the rate limit. */
  operation: string;
  /** If the upstream gave no answer: what was wrong with the client's body; undefined: nothing. */
  clientError(): Promise<unknown>;
  /** Fingerprint of the content; undefined until all of it has arrived. */
  fingerprint(): Promise<string | undefined>;
}

/** A call of its own, whose body is known in advance. */
export function plannedRequest(
  { call, expected }: UpstreamCall,
  context: CallContext,
  transport: Transport,
): UpstreamRequest {
  const { connection, channel, onAttempt } = context;
  return {
    operation: call.operation,
    execute: async (_deliveries, canSend) => {
      const attempt = {
        ...call,
        host: 'gateway' as const,
        connection,
        channel,
        canSend,
        hasPermit: true,
      };
      return [classify(await transport.execute(attempt, undefined, onAttempt), expected)];
    },
  };
}

/** A call whose body is read from the client as it is sent. */
export function uploadRequest(streamed: StreamedUpload): UpstreamRequest {
  return {
    operation: streamed.operation,
    streamed,
    execute: async (_deliveries, canSend) => {
      const answer = await streamed.open(canSend);
      return [classify(answer, { ...streamed.expected, incompleteBody: !streamed.complete() })];
    },
  };
}

interface BatchServices {
  sendCalls: SendCalls;
  transport: Transport;
  /** Whether a 2xx that refuses the whole call is followed by calls of its halves. */
  splitsBatches: boolean;
  /** Resolves when one more call may go out; rejects when the process ends. */
  acquirePermit: () => Promise<unknown>;
}

/**
 * Template messages of one connection, channel, template and broadcast name in one bulk call. If it is refused for something
 * that one receiver may have caused, its halves are tried: a call refused as a whole sent nothing.
 */
export function batchRequest(
  template: { name: string; broadcastName: string },
  context: CallContext,
  { sendCalls, transport, splitsBatches, acquirePermit }: BatchServices,
): UpstreamRequest {
  const { connection, channel, onAttempt } = context;
  return {
    operation: 'sendTemplateMessages',
    execute: async (deliveries, canSend) => {
      const receivers = deliveries.map(({ stored }) => receiverOf(stored));
      const send = async (some: readonly WatiReceiver[]) => {
        const call = sendCalls.template(template, [...some]);
        const through = { host: 'gateway' as const, connection, channel, canSend, hasPermit: true };
        const attempt = { ...call, ...through };
        return classifyBatch(await transport.execute(attempt, undefined, onAttempt), some);
      };
      return bisectIfRefused(receivers, await send(receivers), { send, acquirePermit, splitsBatches });
    },
  };
}
