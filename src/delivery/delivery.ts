import { randomUUID } from 'node:crypto';
import type { Message } from '../schemas/message.ts';
import type { CallContext, Diagnosis } from '../upstream/client.ts';
import type { SendCall } from '../upstream/messages.ts';
import type { Attempt, Transport } from '../upstream/transport.ts';
import { type Expectation, judge, type Verdict } from '../upstream/verdict.ts';

/**
 * The life of a send (delivery.md 2.2): every route that can put a message before a person comes through here, and every
 * send ends in one of the four outcomes.
 */
export interface Delivery {
  /** Resolves with the outcome, or with the send as it stands when `waitMs` is over; it then goes on by itself. */
  send(draft: Draft, waitMs: number): Promise<Send>;
  /** Resolves when no send is under way. */
  settled(): Promise<void>;
}

export interface Draft {
  kind: Message['kind'];
  /** Absent where one call has many recipients. */
  to?: string;
  template?: string;
  /** Carried by the call where WATI takes it. */
  localMessageId?: string;
  context: CallContext;
  transmission: SendCall | StreamedSend;
  expected?: Expectation;
}

/** A send whose body flows from the caller to WATI: it can be made once, and its bytes are kept nowhere. */
export interface StreamedSend {
  open(): Promise<Attempt>;
  /** Whether the last boundary is on its way. Until then nobody has the whole body (delivery.md 2.7). */
  complete(): boolean;
  /** Settles when the caller's part is over; the wait for the outcome begins then. */
  received: Promise<unknown>;
}

/** A send and what is known of it. `verdict` is absent while it runs. */
export interface Send {
  message: Message;
  verdict?: Verdict;
  /** Set where the gateway's refusal is about the connection, not about the message. */
  connectionFault?: string;
  /** How long the caller should wait before a new try, s. */
  retryAfterS?: number;
}

interface DeliveryServices {
  transport: Transport;
  diagnosis: Diagnosis;
  onSettled?: (send: Send) => void;
}

/** Tries of a send that is proved not sent (delivery.md 2.2). */
const triesMax = 3;

export function createDelivery({ transport, diagnosis, onSettled }: DeliveryServices): Delivery {
  const running = new Set<Promise<Send>>();

  return {
    send: async (draft, waitMs) => {
      const createdAt = new Date().toISOString();
      const started: Message = {
        id: randomUUID(),
        kind: draft.kind,
        ...(draft.to !== undefined && { to: draft.to }),
        connectionId: draft.context.connection,
        status: 'sending',
        ...(draft.localMessageId !== undefined && { localMessageId: draft.localMessageId }),
        ...(draft.template !== undefined && { template: draft.template }),
        attempts: 0,
        createdAt,
        updatedAt: createdAt,
      };
      const run = transmit(draft, started, waitMs, transport, diagnosis).then((send) => {
        onSettled?.(send);
        return send;
      });
      running.add(run);
      const forget = () => running.delete(run);
      // Not finally(): a fault of ours is told to the caller, once.
      run.then(forget, forget);
      if ('received' in draft.transmission) await Promise.race([run, draft.transmission.received.catch(() => {})]);
      return within(waitMs, run, { message: started });
    },
    settled: async () => {
      await Promise.allSettled(running);
    },
  };
}

async function transmit(
  draft: Draft,
  started: Message,
  waitMs: number,
  transport: Transport,
  diagnosis: Diagnosis,
): Promise<Send> {
  const { context, transmission } = draft;
  const end = performance.now() + waitMs;
  for (let attempts = 1; ; attempts++) {
    const verdict = await tryOnce(draft, transport);
    const again = verdict.outcome === 'not_sent' && verdict.heals && attempts < triesMax;
    if (again && !('received' in transmission)) {
      const pauseMs = verdict.retryAfterMs ?? 200 * attempts + Math.random() * 200;
      if (performance.now() + pauseMs < end) {
        await new Promise((resume) => setTimeout(resume, pauseMs));
        continue;
      }
    }
    const message = settle(started, verdict, attempts);
    if (verdict.outcome === 'rejected') return refuse(message, verdict, context, diagnosis);
    if (verdict.outcome !== 'not_sent') return { message, verdict };
    return { message, verdict, retryAfterS: Math.max(1, Math.ceil((verdict.retryAfterMs ?? 2_000) / 1000)) };
  }
}

async function tryOnce({ context, transmission, expected }: Draft, transport: Transport): Promise<Verdict> {
  if ('received' in transmission) {
    const attempt = await transmission.open();
    return judge(attempt, { ...expected, cut: !transmission.complete() });
  }
  const call = { ...transmission, host: 'gateway' as const, connection: context.connection };
  return judge(await transport.attempt(call, undefined, context.onAttempt), expected);
}

/** A 400 or 401 of the gateway can be about the key or the connection: the control API tells (upstream.md 1.5). */
async function refuse(
  message: Message,
  verdict: Verdict & { outcome: 'rejected' },
  context: CallContext,
  diagnosis: Diagnosis,
): Promise<Send> {
  if (verdict.refusal === 'credentials') {
    const detail = await diagnosis.unauthorized();
    return { message: withFailure(message, 'credentials', detail), verdict: { ...verdict, detail } };
  }
  const connectionFault =
    verdict.status === 400 ? await diagnosis.connectionFault(context.connection, verdict.detail) : undefined;
  if (connectionFault === undefined) return { message, verdict };
  return { message: withFailure(message, 'connection-unusable', connectionFault), verdict, connectionFault };
}

const withFailure = (message: Message, code: string, detail: string): Message => ({
  ...message,
  failure: { code, detail },
});

function settle(started: Message, verdict: Verdict, attempts: number): Message {
  const message: Message = { ...started, status: verdict.outcome, attempts, updatedAt: new Date().toISOString() };
  if (verdict.outcome !== 'accepted') {
    return withFailure(message, verdict.outcome === 'rejected' ? verdict.refusal : verdict.outcome, verdict.detail);
  }
  const { whatsappMessageId, localMessageId = started.localMessageId, asText, partly } = verdict;
  const known = {
    ...message,
    ...(localMessageId !== undefined && { localMessageId }),
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
  };
  if (partly !== undefined) return withFailure(known, 'partly-refused', partly);
  return asText ? withFailure(known, 'media-sent-as-text', 'WATI sent the address as a text, not the file') : known;
}

/** The value of `run`, or `meanwhile` if it takes longer. */
function within<Value>(ms: number, run: Promise<Value>, meanwhile: Value): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, meanwhile);
    run.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
