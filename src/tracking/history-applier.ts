import type { TrackingStore } from '../store/tracking-store.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { type Reporters, reportResolved } from './applier.ts';
import { planBatch } from './batch.ts';
import { type HistoryOf, parseHistory } from './history-rows.ts';
import type { MatchingStore } from './matching.ts';
import { findSubjects, tellAll } from './subjects.ts';
import type { Telling } from './telling.ts';
import { transitionsOf } from './transitions.ts';

export interface HistoryServices extends Reporters {
  store: MatchingStore & Pick<TrackingStore, 'applyTracking' | 'lastSendTo'>;
  telling?: Telling;
  /** Something was written of which callers may be told. */
  onApplied?: () => void;
}

/** Applies a page of a history as the applier applies webhooks, by the same rules. Rows without a matching message are not tried again. */
export async function applyHistory(
  rows: readonly JsonObject[],
  of: HistoryOf,
  services: HistoryServices,
): Promise<void> {
  const { store, telling } = services;
  const isHeard = telling?.audience.listeners({ type: 'message.received', connectionId: of.connectionId }).length;
  const events = parseHistory(rows, { ...of, ...(telling && isHeard && { receivedForMs: telling.staleMs }) });
  const subjects = await findSubjects(events, store);
  const told = await tellAll(events, subjects, services);
  const { batch, messages } = planBatch(events, subjects);
  if (messages.length === 0 && batch.conversations.length === 0) return;
  const applied = await store.applyTracking({ ...batch, done: [], facts: told.facts });
  const changes = new Map(applied.map((each) => [each.seq, each]));
  services.onApplied?.();
  for (const routedBy of told.routed) services.metrics.received(routedBy);
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
