import type { CallContext } from '../../upstream/client.ts';
import type { SendCalls, WatiReceiver } from '../../upstream/messages.ts';
import type { Attempt, Transport } from '../../upstream/transport.ts';
import { judge, judgeReceivers, type Verdict } from '../../upstream/verdict.ts';
import { type PlannedCall, receiverOf } from '../send-content.ts';
import { sendInHalves } from './bisect-batch.ts';
import type { LiveSend } from './deliver.ts';

/** One call upstream that carries one send, or template sends that agree in all but the receiver. */
export interface Passage {
  /** The operation of WATI's, whose limit counts. */
  operation: string;
  /** Makes the call, and says of each send what it proves. `mayStart` is asked right before the first byte. */
  go(sends: readonly LiveSend[], mayStart: () => boolean): Promise<readonly Verdict[]>;
  /** Of a broadcast: what is refused for all of it goes back to those who wait, once this has stopped them. */
  holdAll?: (reason: string) => Promise<void>;
  /** Its bytes come from the caller as they go: it can be made once. */
  streamed?: StreamedSend;
}

/** A send whose body flows from the caller to WATI: it can be made once, and its bytes are kept nowhere. */
export interface StreamedSend {
  /** `mayStart` is asked right before the first byte. */
  open(mayStart: () => boolean): Promise<Attempt>;
  /** Whether the last boundary is on its way. Until then nobody has the whole body (delivery.md 2.7). */
  complete(): boolean;
  /** Settles when the caller's part is over; the wait for the outcome begins then. */
  received: Promise<unknown>;
  /** Nobody will read it any more. */
  abandon(): void;
  /** As it goes to WATI. */
  fileName: string;
  expected: PlannedCall['expected'];
  /** Of WATI, whose limit counts. */
  operation: string;
  /** After an end without a word of the upstream: what was wrong with the caller's body, if anything. */
  fault(): Promise<unknown>;
  /** Of the content, once it has come in whole. */
  fingerprint(): Promise<string | undefined>;
}

/** A call that is known from the start. */
export function plannedPassage({ call, expected }: PlannedCall, context: CallContext, transport: Transport): Passage {
  const { connection, channel, onAttempt } = context;
  return {
    operation: call.operation,
    go: async (_sends, mayStart) => {
      const attempt = { ...call, host: 'gateway' as const, connection, channel, mayStart, turn: 'taken' as const };
      return [judge(await transport.attempt(attempt, undefined, onAttempt), expected)];
    },
  };
}

export function streamedPassage(streamed: StreamedSend): Passage {
  return {
    operation: streamed.operation,
    streamed,
    go: async (_sends, mayStart) => {
      const answer = await streamed.open(mayStart);
      return [judge(answer, { ...streamed.expected, cut: !streamed.complete() })];
    },
  };
}

interface GroupServices {
  sendCalls: SendCalls;
  transport: Transport;
  /** Whether a 2xx that refuses the whole call is followed by calls of its halves. */
  splitsGroups: boolean;
  /** Resolves when one more call may go out; rejects when the process ends. */
  takeTurn: () => Promise<unknown>;
}

/**
 * Template sends of one connection, channel, template and broadcast name, as one bulk call. Where that is refused for something that
 * one of them may carry, its halves are tried: nothing of a call that was refused as a whole went out.
 */
export function groupPassage(
  template: { name: string; broadcastName: string },
  context: CallContext,
  { sendCalls, transport, splitsGroups, takeTurn }: GroupServices,
): Passage {
  const { connection, channel, onAttempt } = context;
  return {
    operation: 'sendTemplateMessages',
    go: async (sends, mayStart) => {
      const receivers = sends.map(({ stored }) => receiverOf(stored));
      const send = async (some: readonly WatiReceiver[]) => {
        const call = sendCalls.template(template, [...some]);
        const through = { host: 'gateway' as const, connection, channel, mayStart, turn: 'taken' as const };
        const attempt = { ...call, ...through };
        return judgeReceivers(await transport.attempt(attempt, undefined, onAttempt), some);
      };
      return sendInHalves(receivers, { send, takeTurn, splitsGroups });
    },
  };
}
