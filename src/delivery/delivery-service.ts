import type { TellHold } from '../holds/held-lanes.ts';
import type { Holds, StoppedSending } from '../holds/holds.ts';
import { assertMaySend } from '../holds/sending-stop.ts';
import type { SharedPool } from '../pools/shared-pool.ts';
import { Problem } from '../problem.ts';
import { digits } from '../schemas/words.ts';
import {
  type NewSend,
  type SendFilter,
  type SendKind,
  type SendStore,
  type StoredSend,
  StoreError,
} from '../store/port.ts';
import type { QuotaLimits, QuotaStore } from '../store/quota-port.ts';
import { throwInsertFailed, throwStoreUnreadable } from '../store-problems.ts';
import type { CallContext, Diagnosis } from '../upstream/client.ts';
import type { SendCalls } from '../upstream/messages.ts';
import { type Pace, type Turn, whoOf } from '../upstream/pace.ts';
import type { Transport } from '../upstream/transport.ts';
import { createAdmission, createSendsPool, type HoldCapacity } from './admission/admission.ts';
import { PendingInserts } from './admission/pending-inserts.ts';
import { channelOf } from './channel-of.ts';
import { batchKey } from './dispatch/batch-queue.ts';
import type { CircuitBreaker } from './dispatch/circuit-breaker.ts';
import { InvalidStream } from './dispatch/complete.ts';
import { deliver } from './dispatch/deliver.ts';
import { type BatchMax, createTemplateBatcher } from './dispatch/template-batcher.ts';
import type { ActiveDelivery, StreamedUpload } from './dispatch/types.ts';
import { batchRequest, plannedRequest, uploadRequest } from './dispatch/upstream-request.ts';
import { isRunning, keyInProgress, keyReused, locationOf, replay } from './idempotency.ts';
import { storedOutcome, toJson } from './outcome.ts';
import { createQueueFeeder } from './recovery/queue-feeder.ts';
import { alreadyResent, notResendable, resendable } from './resend.ts';
import {
  batchFieldsOf,
  type Content,
  contentFingerprint,
  contentOf,
  supportsClientId,
  toUpstreamCall,
} from './send-content.ts';

/** Who asks, and under which key (contract 4). */
export interface RequestScope {
  caller: string;
  /** Method and route pattern: a key counts for one route. */
  route: string;
  key?: string;
  /** How many messages the caller may have recorded; absent: it has no quota. */
  quota?: QuotaLimits;
}

/** A send as a caller sees it now. */
export interface SendResult {
  stored: StoredSend;
  /** Answered from the record of an earlier request with the same key. */
  replayed?: true;
  /** True as it is, but not yet in the store. */
  pendingWrite?: true;
}

/** How long the caller waits for the outcome; 0: not at all. */
export type WaitMs = number;

/**
 * Every request that can put a message before a person comes through here: it is recorded, made at most once after a
 * point where it could have been processed, and ends in one of the four outcomes (delivery.md 2.1).
 */
export interface Delivery {
  /** The earlier send under this key, if there is one. Throws `idempotency-mismatch` or `idempotency-in-progress`. */
  findReplay(
    scope: RequestScope,
    fingerprint: () => string | undefined | Promise<string | undefined>,
    stream?: StreamDraft,
  ): Promise<SendResult | undefined>;
  send(scope: RequestScope, content: Content, context: CallContext, waitMs: WaitMs): Promise<SendResult>;
  stream(
    scope: RequestScope,
    about: StreamDraft,
    streamed: StreamedUpload,
    context: CallContext,
    waitMs: WaitMs,
  ): Promise<SendResult>;
  /** A new send of what an earlier one carried, by the caller's explicit wish. Throws `message-not-resendable`. */
  resend(scope: RequestScope, id: string, context: ResendContext): Promise<SendResult>;
  /** Counts further messages of a send that has one record for many. Throws `quota-spent`. */
  spend(scope: RequestScope, messages: number): Promise<void>;
  find(caller: string, id: string): Promise<StoredSend | undefined>;
  list(caller: string, filter: SendFilter, page: { limit: number; cursor?: string }): ReturnType<SendStore['list']>;
  /** Ends what dead processes were sending; what they left queued is found by `feed`. */
  recover(): Promise<void>;
  /** Takes up what waits in the store and may go now, as far as there is room. */
  feed(): Promise<void>;
  /** Sends under way in this process. */
  readonly underWay: number;
  /** After `closing`: waits for what is on the wire; what has not begun stays recorded. */
  close(): Promise<void>;
}

/**
 * Where a resend goes, and how long its caller still waits, once what it carries is known; throws the Problem of content
 * that may not go out now.
 */
export type ResendContext = (
  original: Pick<StoredSend, 'connectionId' | 'channel'>,
  content: Content,
) => Promise<{ context: CallContext; waitMs: WaitMs }>;

export interface StreamDraft {
  kind: Extract<SendKind, 'file' | 'csv'>;
  to?: string;
  template?: string;
}

export interface DeliveryServices {
  store: SendStore & Pick<QuotaStore, 'spendQuota'>;
  transport: Transport;
  diagnosis: Diagnosis;
  sendCalls: SendCalls;
  breaker: CircuitBreaker;
  /** Whether a caller may still send; asked before each attempt. */
  holds: Holds;
  stopped: StoppedSending;
  /** Ends pauses, and lets no new attempt begin. */
  closing: AbortSignal;
  /** Of sends, and of the ids that WATI is to know them by. */
  newId: () => string;
  /** Wall clock, ms: what records say of their times. */
  now: () => number;
  /** How long a recovered send may go on with its tries. */
  patienceMs: number;
  onEnd?: (stored: StoredSend) => void;
  /** What a caller has queued over a connection is held from now on, or not any more. */
  onHold?: TellHold;
  onBatch?: (lane: Turn['lane'], size: number) => void;
  batchMax: BatchMax;
  /** Whether a 2xx that refuses a whole group is followed by calls of its halves. */
  splitsBatches: boolean;
  /** The number that a send goes through which names none; absent: WATI's own default. */
  channel?: string | undefined;
  /** The room for sends under way, by caller; one of its own by default. */
  sends?: SharedPool;
  /** Absent: there is no limit, and every send goes by itself. */
  pace?: Pace;
}

export function createDelivery(services: DeliveryServices): Delivery {
  const { store, sendCalls, transport, onEnd, pace, newId } = services;
  const running = new Map<string, Promise<ActiveDelivery>>();
  const inserting = new Set<string>();
  const pendingInserts = new PendingInserts();
  const { withCapacity, assertQueueCapacity, assertPermitWithinDeadline } = createAdmission({
    ...{ pendingInserts, breaker: services.breaker, store, pace },
    sends: services.sends ?? createSendsPool(),
  });
  const batcher = pace && createTemplateBatcher({ ...services, pace, pendingInserts });

  /** Lets a recorded send live, whoever waits for it. One that this process has adopted meanwhile lives already. */
  const startDelivery = (send: ActiveDelivery, begin: () => Promise<ActiveDelivery>): Promise<ActiveDelivery> => {
    const { id } = send.stored;
    const existing = running.get(id);
    if (existing !== undefined) return existing;
    // It is recorded: if the store fails while the process ends, it stands as it does, for the next one to take up.
    const leaveStored = (error: unknown) => {
      if (error instanceof StoreError && services.closing.aborted) return send;
      throw error;
    };
    const run = begin()
      .catch(leaveStored)
      .then((ended) => {
        if (storedOutcome(ended.stored)) onEnd?.(ended.stored);
        else feeder.markPending();
        return ended;
      });
    const untrack = () => {
      if (running.get(id) === run) running.delete(id);
    };
    run.then(untrack, untrack);
    running.set(id, run);
    return run;
  };

  /** Alone, or with the templates that wait and agree with it. */
  const deliverMessage = (send: ActiveDelivery, content: Content, context: CallContext): Promise<ActiveDelivery> => {
    const template = batchFieldsOf(content);
    if (template) {
      if (batcher) return batcher.enqueue(send, template, context);
      const alone = { sendCalls, transport, splitsBatches: false, acquirePermit: async () => {} };
      return deliver(send, { request: batchRequest(template, context, alone), context, services });
    }
    const { stored } = send;
    const plan = toUpstreamCall(sendCalls, content, stored.localMessageId ?? stored.id);
    return deliver(send, { request: plannedRequest(plan, context, transport), context, services });
  };

  const insert = async (send: NewSend, queueKey: string): Promise<{ recorded: StoredSend } | { known: StoredSend }> => {
    // Stopped while it was made ready, perhaps.
    assertMaySend(services.stopped, { caller: send.caller, connection: send.connectionId });
    inserting.add(send.id);
    try {
      return await pendingInserts.track(queueKey, store.record(send).catch(throwInsertFailed));
    } finally {
      inserting.delete(send.id);
    }
  };

  /** What waits in the store, and may go now. */
  const resume = async (stored: StoredSend) => {
    const content = contentOf(stored);
    // A stream has no content to send; the store has ended it.
    if (!content) return;
    const turn = { caller: stored.caller, lane: 'interactive' as const };
    const context = { connection: stored.connectionId, channel: stored.channel ?? services.channel, turn };
    const send: ActiveDelivery = { stored, deadline: performance.now() + services.patienceMs, detached: true };
    await startDelivery(send, () => deliverMessage(send, content, context));
  };

  const feeder = createQueueFeeder({
    ...{ store, running, inserting, resume },
    closing: services.closing,
    breakerIsClosed: ({ connectionId }) => services.breaker.isClosed(connectionId),
    holdOf: ({ caller, connectionId: connection }) =>
      services.holds.reasonFor({ caller, connection, scope: 'messages:send' }),
    ...(services.onHold && { onHold: services.onHold }),
  });

  const assertContentPermit = (content: Content, context: CallContext, waitMs: number) => {
    const template = batchFieldsOf(content);
    if (!template)
      return assertPermitWithinDeadline(toUpstreamCall(sendCalls, content, '').call.operation, context, waitMs);
    const batchesAhead = batcher?.batchesAhead(template, context);
    assertPermitWithinDeadline('sendTemplateMessages', context, waitMs, batchesAhead);
  };

  const routingOf = ({ connection, channel }: CallContext) => ({
    connectionId: connection,
    ...channelOf(channel, services.channel),
  });

  const queueKeyOf = (content: Content, context: CallContext): string => {
    const template = batchFieldsOf(content);
    return template ? batchKey(template, context) : whoOf(context.turn);
  };

  const sendContent = async (
    scope: RequestScope,
    content: Content,
    context: CallContext,
    waitMs: WaitMs,
    holdCapacity: HoldCapacity,
    resendOf?: string,
  ) => {
    // Who does not wait at all sets no deadline for the tries.
    const timeoutMs = waitMs > 0 ? waitMs : services.patienceMs;
    assertContentPermit(content, context, timeoutMs);
    if (waitMs === 0) await assertQueueCapacity(scope.caller, context.connection);
    const localMessageId = supportsClientId(content) ? newId() : undefined;
    const fingerprint = contentFingerprint(context.connection, content);
    const draft = {
      ...draftOf(newId(), scope, content.kind, routingOf(context)),
      to: digits(content.body.to),
      ...(content.kind === 'template' && { template: content.body.template }),
      ...(localMessageId !== undefined && { localMessageId }),
      call: toJson(content),
      fingerprint,
      ...(resendOf !== undefined && { resendOf }),
    };
    const outcome = await insert(draft, queueKeyOf(content, context));
    if ('known' in outcome) {
      const { known } = outcome;
      // It was found to have arrived while its repetition was made ready.
      if (known.id === resendOf) throw notResendable(known);
      if (known.resendOf !== resendOf) throw keyReused(locationOf(known));
      const isRepeat = scope.key !== undefined && known.idempotency?.key === scope.key;
      if (resendOf !== undefined && !isRepeat) throw alreadyResent(known);
      return replay(store, known, fingerprint);
    }
    const deadline = performance.now() + timeoutMs;
    const send: ActiveDelivery = { stored: outcome.recorded, deadline, ...(waitMs === 0 && { detached: true }) };
    const run = startDelivery(send, () => deliverMessage(send, content, context));
    holdCapacity(run);
    return waitForOutcome(waitMs, run, send);
  };

  return {
    get underWay() {
      return running.size;
    },
    findReplay: async ({ caller, route, key }, fingerprint, stream) => {
      if (key === undefined) return undefined;
      const known = await store.findByKey(caller, route, key).catch(throwStoreUnreadable);
      if (!known) return undefined;
      // What a stream carries is not known while it runs; of all else, other content is told first (delivery.md 2.6).
      if (stream && isRunning(known)) throw keyInProgress(locationOf(known));
      if (stream && (known.to !== stream.to || known.template !== stream.template)) throw keyReused(locationOf(known));
      return replay(store, known, await fingerprint());
    },
    // First, because it is in a flood that it must cost little to be refused.
    send: (scope, content, context, waitMs) =>
      withCapacity(context, (holdCapacity) => sendContent(scope, content, context, waitMs, holdCapacity)),
    // It is not held: nobody would have its bytes later.
    stream: (scope, about, streamed, context, waitMs) =>
      withCapacity(context, async (holdCapacity) => {
        assertPermitWithinDeadline(streamed.operation, context, waitMs > 0 ? waitMs : services.patienceMs);
        const outcome = await insert(
          { ...draftOf(newId(), scope, about.kind, routingOf(context)), ...about, fileName: streamed.fileName },
          whoOf(context.turn),
        );
        if ('known' in outcome) throw keyInProgress(locationOf(outcome.known));
        const send: ActiveDelivery = { stored: outcome.recorded, deadline: 0 };
        const run = startDelivery(send, () => deliver(send, { request: uploadRequest(streamed), context, services }));
        holdCapacity(run);
        const cameIn = await Promise.race([run, streamed.bodyReceived]).then(
          () => true,
          () => false,
        );
        try {
          // A body at fault takes its record with it: to say 202 before that is known would name a message that never was.
          return await (cameIn ? waitForOutcome(waitMs, run, send) : run.then(toResult));
        } catch (error) {
          throw error instanceof InvalidStream ? error.cause : error;
        }
      }),
    resend: async (scope, id, contextOf) => {
      const earlier =
        scope.key && (await store.findByKey(scope.caller, scope.route, scope.key).catch(throwStoreUnreadable));
      if (earlier) {
        // The route is the same for every message: which one it is stands in the path (delivery.md 2.6).
        if (earlier.resendOf !== id) throw keyReused(locationOf(earlier));
        return replay(store, earlier, undefined);
      }
      const original = await store.find(scope.caller, id).catch(throwStoreUnreadable);
      if (!original) throw new Problem('not-found', 'you have no message with this id');
      const content = resendable(original);
      const { context, waitMs } = await contextOf(original, content);
      return withCapacity(context, (holdCapacity) =>
        sendContent(scope, content, context, waitMs, holdCapacity, original.id),
      );
    },
    spend: async ({ caller, quota }, messages) => {
      if (quota && messages > 0) await store.spendQuota(caller, messages, quota).catch(throwInsertFailed);
    },
    find: (caller, id) => store.find(caller, id).catch(throwStoreUnreadable),
    list: (caller, filter, page) => store.list(caller, filter, page).catch(throwStoreUnreadable),
    recover: feeder.recover,
    feed: feeder.feed,
    close: async () => {
      await Promise.allSettled(running.values());
    },
  };
}

function draftOf(
  id: string,
  { caller, route, key, quota }: RequestScope,
  kind: SendKind,
  routing: Pick<NewSend, 'connectionId' | 'channel' | 'channelNamed'>,
): NewSend {
  return {
    id,
    caller,
    kind,
    ...routing,
    ...(key !== undefined && { idempotency: { route, key } }),
    ...(quota && { quota }),
  };
}

const toResult = ({ stored, pendingWrite }: ActiveDelivery): SendResult => ({
  stored: { ...stored },
  ...(pendingWrite !== undefined && { pendingWrite: true }),
});

/** How the send stands when it has ended, or when the wait is over. */
async function waitForOutcome(ms: number, run: Promise<ActiveDelivery>, send: ActiveDelivery): Promise<SendResult> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<ActiveDelivery>((resolve) => {
    timer = setTimeout(resolve, ms, send);
  });
  try {
    return toResult(await Promise.race([run, over]));
  } finally {
    clearTimeout(timer);
  }
}
