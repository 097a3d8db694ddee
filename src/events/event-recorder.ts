import type { KnownBroadcast } from '../broadcasts/types.ts';
import { sleep } from '../lib/sleep.ts';
import type { BroadcastReads } from '../store/broadcast-store.ts';
import type { EventStore, EventSubscription, PendingFact } from '../store/event-store.ts';
import type { TrackingStore } from '../store/tracking-store.ts';
import type { EventAudience } from './audience.ts';
import { type RenderedEvent, renderFact } from './render.ts';
import type { EventSignal } from './types.ts';

/**
 * Turns recorded facts into events. Every process may take every fact: the store numbers the events, and skips facts that another
 * process has turned into events. Follows the callers file, and does not query the store while no caller has asked for events.
 */
export interface EventRecorder extends EventSignal {
  /** Resolves once the subscriptions are stored. A failure to store them is reported, and tried again each second. */
  start(): Promise<void>;
  /** Call when facts may have been recorded. */
  wake(): void;
  /** Resolves when the pass in progress has ended. Remaining facts are taken by another process or the next one. */
  stop(): Promise<void>;
}

export interface RecorderServices {
  store: Pick<EventStore, 'setSubscriptions' | 'pendingFacts' | 'recordEvents'> &
    Pick<BroadcastReads, 'findBroadcast' | 'countRejections'> &
    Pick<TrackingStore, 'deliveryCounts'>;
  audience: EventAudience;
  onRecorded: (type: string) => void;
  logger: { error(facts: object, message: string): void };
  /** A pass failed and will be repeated. */
  onFault: (error: unknown) => void;
  /** Wall clock, ms. */
  now: () => number;
  /** The interval in which facts of other processes and changes of the callers file are looked for. */
  lookEveryMs?: number;
  /** An argument, so that tests need not wait. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const batchMax = 256;
/** Pause after a pass that failed. */
const faultRestMs = 1_000;
/**
 * After a change, the callers files of replicas may differ for this long. Until then a process keeps facts that it
 * would otherwise drop.
 */
const graceMs = 120_000;

export function createEventRecorder(services: RecorderServices): EventRecorder {
  const { onFault, lookEveryMs = 1_000, wait = sleep } = services;
  const stopping = new AbortController();
  const listeners = new Set<() => void>();
  const pass = createPass(services, () => {
    for (const listener of [...listeners]) listener();
  });
  let running: Promise<void> | undefined;
  let resting: AbortController | undefined;
  let isAwaited = false;

  /** A wake-up during a pass skips the next rest: the facts may have been recorded after the pass had read them. */
  const rest = async () => {
    if (isAwaited) return;
    resting = new AbortController();
    await wait(lookEveryMs, AbortSignal.any([stopping.signal, resting.signal]));
    resting = undefined;
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        isAwaited = false;
        if (!(await pass.run())) await rest();
      } catch (error) {
        onFault(error);
        await wait(faultRestMs, stopping.signal);
      }
    }
  };

  return {
    start: async () => {
      await pass.storeSubscriptions().catch(onFault);
      running ??= run();
    },
    wake: () => {
      if (pass.isIdle()) return;
      isAwaited = true;
      // With a reason, because the default one is an error with a stack trace, which costs more than the rest of the wake-up.
      resting?.abort('facts');
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function createPass(services: RecorderServices, onEvents: () => void) {
  const { store, audience, onRecorded } = services;
  let stored: readonly EventSubscription[] | undefined;
  /** Facts of callers without events may remain. */
  let mayBeLeft = true;

  const storeSubscriptions = async () => {
    const subscriptions = audience.subscriptions();
    if (subscriptions === stored) return;
    await store.setSubscriptions(subscriptions);
    stored = subscriptions;
    mayBeLeft = true;
  };

  /** True if a pass would do nothing, which is the case for every send while no caller subscribes to events. */
  const isIdle = () => !mayBeLeft && !audience.hasSubscribers() && audience.subscriptions() === stored;

  /** Returns whether there may be more facts to take at once. */
  const run = async (): Promise<boolean> => {
    await storeSubscriptions();
    if (isIdle()) return false;
    const facts = await store.pendingFacts(batchMax);
    const isFull = facts.length >= batchMax;
    const { subscribed, dropped } = splitBySubscription(facts, services, isFull);
    const rendered = await renderAll(subscribed, services);
    const done = [...subscribed, ...dropped].map(({ seq }) => seq);
    if (done.length > 0) {
      const recorded = await store.recordEvents(rendered, done);
      for (const { type } of recorded) onRecorded(type);
      if (recorded.length > 0) onEvents();
    }
    mayBeLeft = facts.length > 0;
    return isFull;
  };

  return { storeSubscriptions, run, isIdle };
}

/**
 * Separates facts to turn into events from facts to drop. Recent ones are dropped only if the batch is full, so that
 * they do not block others.
 */
function splitBySubscription(facts: readonly PendingFact[], { audience, now }: RecorderServices, isFull: boolean) {
  const subscribed = facts.filter((fact) => audience.isSubscribed(fact.caller, fact));
  const kept = new Set(subscribed);
  const since = now() - graceMs;
  const dropped = facts.filter((fact) => !kept.has(fact) && (isFull || fact.at <= since));
  return { subscribed, dropped };
}

/** A fact that cannot be rendered is logged and skipped. Throws if the store cannot be read. */
async function renderAll(facts: readonly PendingFact[], services: RecorderServices): Promise<RenderedEvent[]> {
  const rendered: RenderedEvent[] = [];
  for (const fact of facts) {
    const broadcast = await findBroadcast(fact, services);
    try {
      rendered.push(renderFact(fact, broadcast));
    } catch (error) {
      const { seq, type, caller: callerId } = fact;
      const reason = error instanceof Error ? error.message : 'unknown';
      services.logger.error({ fact: seq, event: type, callerId, reason }, 'an event could not be made');
    }
  }
  return rendered;
}

/** The broadcast as `GET /v1/broadcasts/{id}` returns it. */
async function findBroadcast(
  { type, caller, broadcastId }: PendingFact,
  { store }: RecorderServices,
): Promise<KnownBroadcast | undefined> {
  if (type !== 'broadcast.finished' || broadcastId === undefined) return undefined;
  const broadcast = await store.findBroadcast(caller, broadcastId);
  if (!broadcast) return undefined;
  const { accepted, rejected } = broadcast.counts;
  return {
    ...broadcast,
    ...(accepted > 0 && { delivery: await store.deliveryCounts(broadcastId) }),
    ...(rejected > 0 && { rejections: await store.countRejections(broadcastId) }),
  };
}
