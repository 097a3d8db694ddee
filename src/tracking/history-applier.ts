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

/** Joins the facts of a history into what is known, as the applier does with webhooks: the same rules, and nothing to be tried again. */
export async function applyHistory(
  rows: readonly JsonObject[],
  of: HistoryOf,
  services: HistoryServices,
): Promise<void> {
  const events = parseHistory(rows, of);
  const matches = await matchSends(services.store, events.filter(isOutgoing));
  // Whose history it is, is known.
  const { batch, messages } = planBatch(events, { matches, quoted: new Map() });
  if (messages.length === 0 && batch.conversations.length === 0) return;
  const changes = new Map((await services.store.applyTracking({ ...batch, done: [] })).map((each) => [each.seq, each]));
  for (const message of messages) {
    const change = changes.get(message.send.seq);
    // Since when it is so, a history does not tell.
    for (const { status, failureKind } of transitionsOf(message, change).reached) {
      services.metrics.reached({ status, ...(failureKind && { failureKind }) });
    }
    const { id: messageId, caller: callerId } = message.send;
    if (change?.resolved !== undefined) reportResolved({ messageId, callerId, was: change.resolved }, services, 'poll');
  }
}
