import { classify, classifyBatch } from '../../upstream/classify-response.ts';
import type { CallContext } from '../../upstream/client.ts';
import type { SendCalls, WatiReceiver } from '../../upstream/send-calls.ts';
import type { Transport } from '../../upstream/transport.ts';
import { receiverOf, type UpstreamCall } from '../send-content.ts';
import { bisectIfRefused } from './bisect-batch.ts';
import type { StreamedUpload, UpstreamRequest } from './types.ts';

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
        priority: 'permit-held' as const,
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
        const through = { host: 'gateway' as const, connection, channel, canSend, priority: 'permit-held' as const };
        const attempt = { ...call, ...through };
        return classifyBatch(await transport.execute(attempt, undefined, onAttempt), some);
      };
      return bisectIfRefused(receivers, await send(receivers), { send, acquirePermit, splitsBatches });
    },
  };
}
