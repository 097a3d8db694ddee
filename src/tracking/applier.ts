import { setImmediate } from 'node:timers/promises';
import { masked } from '../lib/masked.ts';
import { sleep } from '../lib/sleep.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import type { IntakeEntry, IntakeStore } from '../store/intake-store.ts';
import type { MessageStatus } from '../store/message-store.ts';
import type { ContactIdentity, TrackingChange, TrackingStore } from '../store/tracking-store.ts';
import { type BatchPlan, type MatchedMessage, nextTryAfterFault, planBatch } from './batch.ts';
import { factsOfBatch, findMatches } from './event-matches.ts';
import type { FactOptions } from './fact-options.ts';
import { type EventEntry, isReceived, type MatchingStore, type ParsedEvent, parseEntry } from './matching.ts';
import { isStale } from './reply-facts.ts';
import type { RoutedBy } from './reply-routing.ts';
import { type AppliedOutcome, type Reached, type Transitions, transitionsOf } from './transitions.ts';
import type { DeliverySource, TrackedEvent } from './types.ts';

/** Applies what webhooks report to messages and conversations, in the order of receipt, one batch after another. */
export interface Applier {
  start(): void;
  /** Call when entries were recorded. */
  wake(): void;
  /** Resolves when the batch in progress has ended. The next process or another replica applies what is left. */
  stop(): Promise<void>;
}

/** Metrics. */
export interface TrackingMetrics {
  applied(outcome: AppliedOutcome): void;
  reached(state: Reached): void;
  /** A webhook proved that a message was sent, and replaced another outcome. */
  resolved(by: 'webhook' | 'poll' | 'reconcile'): void;
  /** Counts a customer's message of which events were made. */
  received(routedBy: RoutedBy): void;
  /** A message that was recorded as `not_sent` was sent after all: the classification of some answer is wrong. */
  contradiction(): void;
}

interface TrackingLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface ApplierServices {
  store: MatchingStore &
    Pick<TrackingStore, 'applyTracking' | 'lastSendTo'> &
    Pick<IntakeStore, 'dueIntake' | 'postponeIntake' | 'failIntake'>;
  metrics: TrackingMetrics;
  logger: TrackingLog;
  /** Absent: no events are made for callers. */
  factOptions?: FactOptions;
  /** Called after each commit, which may have recorded facts for callers. */
  onApplied?: () => void;
  /** A pass failed; it will be repeated. */
  onFault: (error: unknown) => void;
  /** See `RetryDelays`. */
  intakeEveryMs?: number;
  /** The source of time, an argument so that tests need not wait. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const batchMax = 64;
/** A body with more characters than this is parsed in its own turn of the event loop: parsing 64 bodies of 1 MiB takes seconds. */
const longBody = 64 * 1024;
/**
 * Pause after a pass that read less than a whole batch. Under load the next pass then joins more facts in fewer commits. An
 * entry that arrives while the applier is idle is applied at once.
 */
const gatherMs = 15;
/** Pause after a failed pass. */
const faultRestMs = 1_000;

export function createApplier(services: ApplierServices): Applier {
  const { store, onFault, intakeEveryMs = defaultRetryDelays.intakeEveryMs, wait = sleep } = services;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let resting = new AbortController();
  let isAwaited = false;

  /** A wake-up during a batch skips the next pause: its entries may have been recorded after the batch was read. */
  const rest = async () => {
    if (!isAwaited) await wait(intakeEveryMs, AbortSignal.any([stopping.signal, resting.signal]));
    resting = new AbortController();
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        isAwaited = false;
        const entries = await store.dueIntake(batchMax);
        if (entries.length === 0) await rest();
        else {
          await applyAll(entries, services);
          if (entries.length < batchMax) await wait(gatherMs, stopping.signal);
        }
      } catch (error) {
        onFault(error);
        // Wake-ups do not shorten this pause, or failing passes would follow each other without any.
        await wait(faultRestMs, stopping.signal);
      }
    }
  };

  return {
    start: () => {
      running ??= run();
    },
    wake: () => {
      isAwaited = true;
      resting.abort();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** Applies the entries of a failed batch one by one, so that a single bad entry does not block the others. */
async function applyAll(entries: readonly IntakeEntry[], services: ApplierServices): Promise<void> {
  try {
    return await applyBatch(entries, services);
  } catch (error) {
    if (entries.length === 1 && entries[0]) return setAside(entries[0], error, services);
  }
  for (const entry of entries) {
    await applyBatch([entry], services).catch((error) => setAside(entry, error, services));
  }
}

/** Postpones an entry that cannot be applied. After its last try it is set aside with its body. Throws if the store fails. */
async function setAside(entry: IntakeEntry, error: unknown, services: ApplierServices): Promise<void> {
  const { store, metrics, logger, onFault } = services;
  const { seq, connectionId } = entry;
  const inMs = nextTryAfterFault(entry);
  if (inMs !== undefined) {
    await store.postponeIntake([{ seq, inMs }]);
    return onFault(error);
  }
  await store.failIntake([seq]);
  metrics.applied('failed');
  const reason = error instanceof Error ? error.name : 'unknown';
  logger.error({ intake: seq, connection: connectionId, reason }, 'a webhook could not be applied and is set aside');
}

async function applyBatch(entries: readonly IntakeEntry[], services: ApplierServices): Promise<void> {
  const events: ParsedEvent[] = [];
  for (const entry of entries) {
    if (entry.body.length > longBody) await setImmediate();
    events.push(parseEntry(entry));
  }
  const { store } = services;
  const found = await findMatches(events, services);
  const batchFacts = await factsOfBatch(events, found, services);
  const plan = planBatch(events, { ...found, ...batchFacts });
  const applied = await store.applyTracking({ ...plan.batch, facts: batchFacts.facts });
  const changes = new Map(applied.map((each) => [each.seq, each]));
  services.onApplied?.();
  for (const routedBy of batchFacts.routed) services.metrics.received(routedBy);
  reportBatch({ events, plan, changes }, services);
}

interface AppliedBatch {
  events: readonly ParsedEvent[];
  plan: BatchPlan;
  changes: ReadonlyMap<number, TrackingChange>;
}

export type Reporters = Pick<ApplierServices, 'metrics' | 'logger'>;

/** Counts and logs what a batch did: names of events, connections, our own ids, and of people the end of their numbers. */
function reportBatch({ events, plan, changes }: AppliedBatch, services: ApplierServices) {
  const { metrics, logger } = services;
  const outcomes = new Map<EventEntry, { outcome: AppliedOutcome; messageId?: string; to?: string }>();
  for (const entry of plan.foreign) outcomes.set(entry, { outcome: 'foreign' });
  for (const message of plan.messages) {
    const transitions = transitionsOf(message, changes.get(message.send.seq));
    const { id: messageId, to } = message.send;
    for (const [place, { entry }] of message.events.entries()) {
      const outcome = transitions.outcomes[place] ?? 'late';
      outcomes.set(entry, { outcome, messageId, ...(to !== undefined && { to: masked(to) }) });
    }
    reportTransitions(message, transitions, services);
    const was = changes.get(message.send.seq)?.resolved;
    if (was !== undefined) reportResolved({ messageId, callerId: message.send.caller, was }, services);
  }
  const waiting = new Set(plan.batch.postponed.map(({ seq }) => seq));
  for (const { entry, event, source } of events) {
    if (waiting.has(entry.seq)) continue;
    const { outcome, ...known } = outcomes.get(entry) ?? {
      outcome: outcomeOf({ entry, event, source }, services.factOptions),
    };
    metrics.applied(outcome);
    const facts = { event: event.label, connection: entry.connectionId, outcome, ...personIn(event), ...known };
    logger.debug(facts, 'webhook');
  }
}

/** The outcome of a webhook that is not about a message of ours. */
function outcomeOf(parsed: ParsedEvent, factOptions: FactOptions | undefined): AppliedOutcome {
  if (!isReceived(parsed)) return 'ignored';
  return factOptions && isStale(parsed, factOptions.staleMs) ? 'stale' : 'received';
}

/** Whom an event names, by the last characters. */
function personIn(event: TrackedEvent): { to?: string } {
  const who = contactOf(event);
  const name = who?.phone ?? who?.bsuid;
  return name === undefined ? {} : { to: masked(name) };
}

function contactOf(event: TrackedEvent): ContactIdentity | undefined {
  if (event.kind === 'received') return event.from;
  if (event.kind === 'identity') return event.identity;
  return event.kind === 'status' || event.kind === 'outgoing' ? event.recipient : undefined;
}

/** Counts each state. A failure gets its own log line, because operators search for it. */
function reportTransitions(
  { send, events }: MatchedMessage,
  { reached }: Transitions,
  { metrics, logger }: Reporters,
): void {
  for (const state of reached) {
    metrics.reached(state);
    if (state.status !== 'failed') continue;
    const { id: messageId, caller: callerId, to } = send;
    const connection = events[0]?.entry.connectionId;
    const facts = { messageId, callerId, connection, ...(to !== undefined && { to: masked(to) }) };
    logger.info({ ...facts, failureKind: state.failureKind }, 'a message that was accepted did not arrive');
  }
}

export function reportResolved(
  facts: { messageId: string; callerId: string; was: MessageStatus },
  { metrics, logger }: Reporters,
  by: DeliverySource = 'webhook',
): void {
  metrics.resolved(by);
  if (facts.was === 'unknown') logger.info(facts, 'a message whose answer was lost was sent');
  else {
    metrics.contradiction();
    logger.error(facts, 'a message was sent that was said not to be; the outcome is corrected');
  }
}
