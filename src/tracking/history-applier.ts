import type { TrackingStore } from '../store/tracking-store.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { type Reporters, reportResolved } from './applier.ts';
import { planBatch } from './batch.ts';
import { type HistoryOf, parseHistory } from './history-rows.ts';
import { isOutgoing, type MatchingStore, matchSends } from './matching.ts';
import { transitionsOf } from './transitions.ts';

export interface HistoryServices extends Reporters {
  store: MatchingStore & Pick<TrackingStore, 'applyTracking'>;
}

/** Applies a page of a history as the applier applies webhooks, by the same rules. Rows without a matching message are not tried again. */
export async function applyHistory(
  rows: readonly JsonObject[],
  of: HistoryOf,
  services: HistoryServices,
): Promise<void> {
  const events = parseHistory(rows, of);
  const matches = await matchSends(services.store, events.filter(isOutgoing));
  // The person is known, because this is their history.
  const { batch, messages } = planBatch(events, { matches, quoted: new Map() });
  if (messages.length === 0 && batch.conversations.length === 0) return;
  const changes = new Map((await services.store.applyTracking({ ...batch, done: [] })).map((each) => [each.seq, each]));
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
