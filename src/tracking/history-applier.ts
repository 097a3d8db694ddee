import type { TrackingStore } from '../store/tracking-store.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { type Reporters, reportResolved } from './applier.ts';
import { planBatch } from './batch.ts';
import { factsOfBatch, findMatches } from './event-matches.ts';
import type { FactOptions } from './fact-options.ts';
import { type HistoryOf, parseHistory } from './history-rows.ts';
import type { MatchingStore } from './matching.ts';
import { transitionsOf } from './transitions.ts';

export interface HistoryServices extends Reporters {
  store: MatchingStore & Pick<TrackingStore, 'applyTracking' | 'lastSendTo'>;
  factOptions?: FactOptions;
  /** Called after each commit, which may have recorded facts for callers. */
  onApplied?: () => void;
}

/** Applies a page of a history as the applier applies webhooks, by the same rules. Rows without a matching message are not tried again. */
export async function applyHistory(
  rows: readonly JsonObject[],
  of: HistoryOf,
  services: HistoryServices,
): Promise<void> {
  const { store, factOptions } = services;
  const hasSubscribers = factOptions?.audience.subscribers({
    type: 'message.received',
    connectionId: of.connectionId,
  }).length;
  const events = parseHistory(rows, {
    ...of,
    ...(factOptions && hasSubscribers && { receivedForMs: factOptions.staleMs }),
  });
  const matched = await findMatches(events, services);
  const batchFacts = await factsOfBatch(events, matched, services);
  const { batch, messages } = planBatch(events, matched);
  if (messages.length === 0 && batch.conversations.length === 0) return;
  const applied = await store.applyTracking({ ...batch, done: [], facts: batchFacts.facts });
  const changes = new Map(applied.map((each) => [each.seq, each]));
  services.onApplied?.();
  for (const routedBy of batchFacts.routed) services.metrics.received(routedBy);
  for (const message of messages) {
    const change = changes.get(message.send.seq);
    // A history shows that a state was reached, and not when.
    for (const { status, failureKind } of transitionsOf(message, change).reached) {
      services.metrics.reached({ status, ...(failureKind && { failureKind }) });
    }
    const { id: messageId, caller: callerId } = message.send;
    if (change?.resolved !== undefined) reportResolved({ messageId, callerId, was: change.resolved }, services, 'poll');
  }
}
