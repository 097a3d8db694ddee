import type { CallContext } from '../../upstream/client.ts';
import type { SendCalls, WatiReceiver } from '../../upstream/messages.ts';
import type { Attempt, Transport } from '../../upstream/transport.ts';
import { judge, judgeReceivers, type Verdict } from '../../upstream/verdict.ts';
import { receiverOf, type UpstreamCall } from '../send-content.ts';
import { sendWithBisection } from './bisect-batch.ts';
import type { ActiveDelivery } from './deliver.ts';

/** One call upstream that carries one send, or template sends that agree in all but the receiver. */
export interface UpstreamRequest {
  /** The operation of WATI's, whose limit counts. */
  operation: string;
  /** Makes the call, and says of each send what it proves. `mayStart` is asked right before the first byte. */
  execute(sends: readonly ActiveDelivery[], canSend: () => boolean): Promise<readonly Verdict[]>;
  /** Of a broadcast: what is refused for all of it goes back to those who wait, once this has stopped them. */
  pauseBroadcast?: (reason: string) => Promise<void>;
  /** Its bytes come from the caller as they go: it can be made once. */
  streamed?: StreamedUpload;
}

/** A send whose body flows from the caller to WATI: it can be made once, and its bytes are kept nowhere. */
export interface StreamedUpload {
  /** `mayStart` is asked right before the first byte. */
  open(canSend: () => boolean): Promise<Attempt>;
  /** Whether the last boundary is on its way. Until then nobody has the whole body (delivery.md 2.7). */
  complete(): boolean;
  /** Settles when the caller's part is over; the wait for the outcome begins then. */
  bodyReceived: Promise<unknown>;
  /** Nobody will read it any more. */
  cancel(): void;
  /** As it goes to WATI. */
  fileName: string;
  expected: UpstreamCall['expected'];
  /** Of WATI, whose limit counts. */
  operation: string;
  /** After an end without a word of the upstream: what was wrong with the caller's body, if anything. */
  clientError(): Promise<unknown>;
  /** Of the content, once it has come in whole. */
  fingerprint(): Promise<string | undefined>;
}

/** A call that is known from the start. */
export function plannedRequest(
  { call, expected }: UpstreamCall,
  context: CallContext,
  transport: Transport,
): UpstreamRequest {
  const { connection, channel, onAttempt } = context;
  return {
    operation: call.operation,
    execute: async (_sends, canSend) => {
      const attempt = {
        ...call,
        host: 'gateway' as const,
        connection,
        channel,
        mayStart: canSend,
        turn: 'taken' as const,
      };
      return [judge(await transport.attempt(attempt, undefined, onAttempt), expected)];
    },
  };
}

export function uploadRequest(streamed: StreamedUpload): UpstreamRequest {
  return {
    operation: streamed.operation,
    streamed,
    execute: async (_sends, canSend) => {
      const answer = await streamed.open(canSend);
      return [judge(answer, { ...streamed.expected, cut: !streamed.complete() })];
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
 * Template sends of one connection, channel, template and broadcast name, as one bulk call. Where that is refused for something that
 * one of them may carry, its halves are tried: nothing of a call that was refused as a whole went out.
 */
export function batchRequest(
  template: { name: string; broadcastName: string },
  context: CallContext,
  { sendCalls, transport, splitsBatches, acquirePermit }: BatchServices,
): UpstreamRequest {
  const { connection, channel, onAttempt } = context;
  return {
    operation: 'sendTemplateMessages',
    execute: async (sends, canSend) => {
      const receivers = sends.map(({ stored }) => receiverOf(stored));
      const send = async (some: readonly WatiReceiver[]) => {
        const call = sendCalls.template(template, [...some]);
        const through = { host: 'gateway' as const, connection, channel, mayStart: canSend, turn: 'taken' as const };
        const attempt = { ...call, ...through };
        return judgeReceivers(await transport.attempt(attempt, undefined, onAttempt), some);
      };
      return sendWithBisection(receivers, { send, acquirePermit, splitsBatches });
    },
  };
}
