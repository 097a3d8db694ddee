import type { TrackingStore } from '../store/tracking-store.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { type Tellers, tellResolved } from './applier.ts';
import { planBatch } from './batch.ts';
import { type HistoryOf, hearHistory } from './history-rows.ts';
import { isOutgoing, type MatchingStore, matchSends } from './matching.ts';
import { movesOf } from './moves.ts';

export interface HistoryServices extends Tellers {
  store: MatchingStore & Pick<TrackingStore, 'applyTracking'>;
}

/** Joins what a history says into what is known, as the applier does with webhooks: the same rules, and nothing to be tried again. */
export async function applyHistory(
  rows: readonly JsonObject[],
  of: HistoryOf,
  services: HistoryServices,
): Promise<void> {
  const heard = hearHistory(rows, of);
  const matches = await matchSends(services.store, heard.filter(isOutgoing));
  // Whose history it is, is known.
  const { batch, messages } = planBatch(heard, { matches, quoted: new Map() });
  if (messages.length === 0 && batch.conversations.length === 0) return;
  const moved = new Map((await services.store.applyTracking({ ...batch, done: [] })).map((each) => [each.seq, each]));
  for (const message of messages) {
    const did = moved.get(message.send.seq);
    // Since when it is so, a history does not tell.
    for (const { status, failureKind } of movesOf(message, did).reached) {
      services.metrics.reached({ status, ...(failureKind && { failureKind }) });
    }
    const { id: messageId, caller: callerId } = message.send;
    if (did?.resolved !== undefined) tellResolved({ messageId, callerId, was: did.resolved }, services, 'poll');
  }
}
