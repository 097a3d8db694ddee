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
import { unreadable, unrecorded } from '../store-problems.ts';
import type { CallContext, Diagnosis } from '../upstream/client.ts';
import type { SendCalls } from '../upstream/messages.ts';
import { type Pace, type Turn, whoOf } from '../upstream/pace.ts';
import type { Transport } from '../upstream/transport.ts';
import { createAdmission, createSendsPool, type Keep } from './admission/admission.ts';
import { Coming } from './admission/pending-inserts.ts';
import { channelOf } from './channel-of.ts';
import type { Gate } from './dispatch/circuit-breaker.ts';
import { InvalidStream } from './dispatch/complete.ts';
import { type LiveSend, live } from './dispatch/deliver.ts';
import { createGroups, type GroupMax, lineKey } from './dispatch/template-batcher.ts';
import { groupPassage, plannedPassage, type StreamedSend, streamedPassage } from './dispatch/upstream-request.ts';
import { inProgress, isRunning, locationOf, mismatch, replay } from './idempotency.ts';
import { keptEnding, toJson } from './outcome.ts';
import { createQueueFeeder } from './recovery/queue-feeder.ts';
import { notResendable, resendable, resentBefore } from './resend.ts';
import { type Content, carriesLocalId, contentOf, contentPrint, groupOf, planCall } from './send-content.ts';

/** Who asks, and under which key (contract 4). */
export interface Asker {
  caller: string;
  /** Method and route pattern: a key counts for one route. */
  route: string;
  key?: string;
  /** How many messages the caller may have recorded; absent: it has no quota. */
  quota?: QuotaLimits;
}

/** A send as a caller sees it now. */
export interface Sent {
  stored: StoredSend;
  /** Answered from the record of an earlier request with the same key. */
  replayed?: true;
  /** True as it is, but not yet in the store. */
  unrecorded?: true;
}

/** How long the caller waits for the outcome; 0: not at all. */
export type WaitMs = number;

/**
 * Every request that can put a message before a person comes through here: it is recorded, made at most once after a
 * point where it could have been processed, and ends in one of the four outcomes (delivery.md 2.1).
 */
export interface Delivery {
  /** The earlier send under this key, if there is one. Throws `idempotency-mismatch` or `idempotency-in-progress`. */
  repeated(
    asker: Asker,
    fingerprint: () => string | undefined | Promise<string | undefined>,
    stream?: StreamDraft,
  ): Promise<Sent | undefined>;
  send(asker: Asker, content: Content, context: CallContext, waitMs: WaitMs): Promise<Sent>;
  stream(asker: Asker, about: StreamDraft, streamed: StreamedSend, context: CallContext, waitMs: WaitMs): Promise<Sent>;
  /** A new send of what an earlier one carried, by the caller's explicit wish. Throws `message-not-resendable`. */
  resend(asker: Asker, id: string, context: ResendContext): Promise<Sent>;
  /** Counts further messages of a send that has one record for many. Throws `quota-spent`. */
  spend(asker: Asker, messages: number): Promise<void>;
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
  gate: Gate;
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
  onGroup?: (lane: Turn['lane'], size: number) => void;
  groupMax: GroupMax;
  /** Whether a 2xx that refuses a whole group is followed by calls of its halves. */
  splitsGroups: boolean;
  /** The number that a send goes through which names none; absent: WATI's own default. */
  channel?: string | undefined;
  /** The room for sends under way, by caller; one of its own by default. */
  sends?: SharedPool;
  /** Absent: there is no limit, and every send goes by itself. */
  pace?: Pace;
}

export function createDelivery(services: DeliveryServices): Delivery {
  const { store, sendCalls, transport, onEnd, pace, newId } = services;
  const running = new Map<string, Promise<LiveSend>>();
  const recording = new Set<string>();
  const coming = new Coming();
  const { inRoom, assertHeldRoom, assertTurnInTime } = createAdmission({
    ...{ coming, gate: services.gate, store, pace },
    sends: services.sends ?? createSendsPool(),
  });
  const groups = pace && createGroups({ ...services, pace, coming });

  /** Lets a recorded send live, whoever waits for it. One that this process has adopted meanwhile lives already. */
  const start = (send: LiveSend, life: () => Promise<LiveSend>): Promise<LiveSend> => {
    const { id } = send.stored;
    const lives = running.get(id);
    if (lives !== undefined) return lives;
    // It is recorded: if the store fails while the process ends, it stands as it does, for the next one to take up.
    const left = (error: unknown) => {
      if (error instanceof StoreError && services.closing.aborted) return send;
      throw error;
    };
    const run = life()
      .catch(left)
      .then((ended) => {
        if (keptEnding(ended.stored)) onEnd?.(ended.stored);
        else feeder.leave();
        return ended;
      });
    const forget = () => {
      if (running.get(id) === run) running.delete(id);
    };
    run.then(forget, forget);
    running.set(id, run);
    return run;
  };

  /** Alone, or with the templates that wait and agree with it. */
  const lifeOf = (send: LiveSend, content: Content, context: CallContext): Promise<LiveSend> => {
    const template = groupOf(content);
    if (template) {
      if (groups) return groups.join(send, template, context);
      const alone = { sendCalls, transport, splitsGroups: false, takeTurn: async () => {} };
      return live(send, groupPassage(template, context, alone), context, services);
    }
    const { stored } = send;
    const plan = planCall(sendCalls, content, stored.localMessageId ?? stored.id);
    return live(send, plannedPassage(plan, context, transport), context, services);
  };

  const record = async (send: NewSend, line: string): Promise<{ recorded: StoredSend } | { known: StoredSend }> => {
    // Stopped while it was made ready, perhaps.
    assertMaySend(services.stopped, { caller: send.caller, connection: send.connectionId });
    recording.add(send.id);
    try {
      return await coming.while(line, store.record(send).catch(unrecorded));
    } finally {
      recording.delete(send.id);
    }
  };

  /** What waits in the store, and may go now. */
  const takeUp = async (stored: StoredSend) => {
    const content = contentOf(stored);
    // A stream has no content to send; the store has ended it.
    if (!content) return;
    const turn = { caller: stored.caller, lane: 'interactive' as const };
    const context = { connection: stored.connectionId, channel: stored.channel ?? services.channel, turn };
    const send: LiveSend = { stored, untilMs: performance.now() + services.patienceMs, holds: true };
    await start(send, () => lifeOf(send, content, context));
  };

  const feeder = createQueueFeeder({
    ...{ store, running, recording, takeUp },
    closing: services.closing,
    isOpen: ({ connectionId }) => services.gate.isOpen(connectionId),
    holdOf: ({ caller, connectionId: connection }) =>
      services.holds.reasonFor({ caller, connection, scope: 'messages:send' }),
    ...(services.onHold && { onHold: services.onHold }),
  });

  const assertContentInTime = (content: Content, context: CallContext, waitMs: number) => {
    const template = groupOf(content);
    if (!template) return assertTurnInTime(planCall(sendCalls, content, '').call.operation, context, waitMs);
    const groupsBefore = groups?.callsBefore(template, context);
    assertTurnInTime('sendTemplateMessages', context, waitMs, groupsBefore);
  };

  const throughOf = ({ connection, channel }: CallContext) => ({
    connectionId: connection,
    ...channelOf(channel, services.channel),
  });

  const lineOf = (content: Content, context: CallContext): string => {
    const template = groupOf(content);
    return template ? lineKey(template, context) : whoOf(context.turn);
  };

  const sendContent = async (
    asker: Asker,
    content: Content,
    context: CallContext,
    waitMs: WaitMs,
    keep: Keep,
    resendOf?: string,
  ) => {
    // Who does not wait at all sets no deadline for the tries.
    const tryMs = waitMs > 0 ? waitMs : services.patienceMs;
    assertContentInTime(content, context, tryMs);
    if (waitMs === 0) await assertHeldRoom(asker.caller, context.connection);
    const localMessageId = carriesLocalId(content) ? newId() : undefined;
    const fingerprint = contentPrint(context.connection, content);
    const draft = {
      ...draftOf(newId(), asker, content.kind, throughOf(context)),
      to: digits(content.body.to),
      ...(content.kind === 'template' && { template: content.body.template }),
      ...(localMessageId !== undefined && { localMessageId }),
      call: toJson(content),
      fingerprint,
      ...(resendOf !== undefined && { resendOf }),
    };
    const outcome = await record(draft, lineOf(content, context));
    if ('known' in outcome) {
      const { known } = outcome;
      // It was found to have arrived while its repetition was made ready.
      if (known.id === resendOf) throw notResendable(known);
      if (known.resendOf !== resendOf) throw mismatch(locationOf(known));
      const isRepeat = asker.key !== undefined && known.idempotency?.key === asker.key;
      if (resendOf !== undefined && !isRepeat) throw resentBefore(known);
      return replay(store, known, fingerprint);
    }
    const untilMs = performance.now() + tryMs;
    const send: LiveSend = { stored: outcome.recorded, untilMs, ...(waitMs === 0 && { holds: true }) };
    const run = start(send, () => lifeOf(send, content, context));
    keep(run);
    return within(waitMs, run, send);
  };

  return {
    get underWay() {
      return running.size;
    },
    repeated: async ({ caller, route, key }, fingerprint, stream) => {
      if (key === undefined) return undefined;
      const known = await store.findByKey(caller, route, key).catch(unreadable);
      if (!known) return undefined;
      // What a stream carries is not known while it runs; of all else, other content is told first (delivery.md 2.6).
      if (stream && isRunning(known)) throw inProgress(locationOf(known));
      if (stream && (known.to !== stream.to || known.template !== stream.template)) throw mismatch(locationOf(known));
      return replay(store, known, await fingerprint());
    },
    // First, because it is in a flood that it must cost little to be refused.
    send: (asker, content, context, waitMs) =>
      inRoom(context, (keep) => sendContent(asker, content, context, waitMs, keep)),
    // It is not held: nobody would have its bytes later.
    stream: (asker, about, streamed, context, waitMs) =>
      inRoom(context, async (keep) => {
        assertTurnInTime(streamed.operation, context, waitMs > 0 ? waitMs : services.patienceMs);
        const outcome = await record(
          { ...draftOf(newId(), asker, about.kind, throughOf(context)), ...about, fileName: streamed.fileName },
          whoOf(context.turn),
        );
        if ('known' in outcome) throw inProgress(locationOf(outcome.known));
        const send: LiveSend = { stored: outcome.recorded, untilMs: 0 };
        const run = start(send, () => live(send, streamedPassage(streamed), context, services));
        keep(run);
        const cameIn = await Promise.race([run, streamed.received]).then(
          () => true,
          () => false,
        );
        try {
          // A body at fault takes its record with it: to say 202 before that is known would name a message that never was.
          return await (cameIn ? within(waitMs, run, send) : run.then(seen));
        } catch (error) {
          throw error instanceof InvalidStream ? error.cause : error;
        }
      }),
    resend: async (asker, id, contextOf) => {
      const repeat = asker.key && (await store.findByKey(asker.caller, asker.route, asker.key).catch(unreadable));
      if (repeat) {
        // The route is the same for every message: which one it is stands in the path (delivery.md 2.6).
        if (repeat.resendOf !== id) throw mismatch(locationOf(repeat));
        return replay(store, repeat, undefined);
      }
      const original = await store.find(asker.caller, id).catch(unreadable);
      if (!original) throw new Problem('not-found', 'you have no message with this id');
      const content = resendable(original);
      const { context, waitMs } = await contextOf(original, content);
      return inRoom(context, (keep) => sendContent(asker, content, context, waitMs, keep, original.id));
    },
    spend: async ({ caller, quota }, messages) => {
      if (quota && messages > 0) await store.spendQuota(caller, messages, quota).catch(unrecorded);
    },
    find: (caller, id) => store.find(caller, id).catch(unreadable),
    list: (caller, filter, page) => store.list(caller, filter, page).catch(unreadable),
    recover: feeder.recover,
    feed: feeder.feed,
    close: async () => {
      await Promise.allSettled(running.values());
    },
  };
}

function draftOf(
  id: string,
  { caller, route, key, quota }: Asker,
  kind: SendKind,
  through: Pick<NewSend, 'connectionId' | 'channel' | 'channelNamed'>,
): NewSend {
  return {
    id,
    caller,
    kind,
    ...through,
    ...(key !== undefined && { idempotency: { route, key } }),
    ...(quota && { quota }),
  };
}

const seen = ({ stored, unrecorded }: LiveSend): Sent => ({
  stored: { ...stored },
  ...(unrecorded !== undefined && { unrecorded: true }),
});

/** How the send stands when it has ended, or when the wait is over. */
async function within(ms: number, run: Promise<LiveSend>, send: LiveSend): Promise<Sent> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<LiveSend>((resolve) => {
    timer = setTimeout(resolve, ms, send);
  });
  try {
    return seen(await Promise.race([run, over]));
  } finally {
    clearTimeout(timer);
  }
}
