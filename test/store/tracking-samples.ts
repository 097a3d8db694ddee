import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import type { Store } from '../../src/store/open.ts';
import type { TrackedFacts, TrackingChange } from '../../src/store/tracking-store.ts';

export const PROOF = { outcome: 'accepted', evidence: 'local-id' };
export const NO_BATCH = { messages: [], conversations: [], done: [], postponed: [] };

export const sent = (at: number, more: Partial<DeliveryFacts> = {}): DeliveryFacts => ({
  ...{ rank: 1, sentAt: at, source: 'webhook' },
  ...more,
});
export const delivered = (at: number, more: Partial<DeliveryFacts> = {}): DeliveryFacts => ({
  ...{ rank: 3, deliveredAt: at, source: 'webhook' },
  ...more,
});
export const read = (at: number, more: Partial<DeliveryFacts> = {}): DeliveryFacts => ({
  ...{ rank: 4, deliveredAt: at, readAt: at, source: 'webhook' },
  ...more,
});
export const failed = (at: number, code = '131026', more: Partial<DeliveryFacts> = {}): DeliveryFacts => ({
  ...{ rank: 2, failedAt: at, failure: { code, detail: `failed as ${code}` }, source: 'webhook' },
  ...more,
});

export async function seqOf(store: Store, id: string, connectionId = 'c1'): Promise<number> {
  const [tracked] = await store.findTracked(connectionId, [{ localMessageId: id }]);
  if (tracked === undefined) throw new Error(`${id} is not found`);
  return tracked.seq;
}

/** Applies one webhook about one message. */
export async function tell(
  store: Store,
  id: string,
  facts: DeliveryFacts,
  proof: TrackedFacts['proof'] = 'id',
): Promise<TrackingChange | undefined> {
  const seq = await seqOf(store, id);
  const [moved] = await store.applyTracking({ ...NO_BATCH, messages: [{ seq, facts, proof, outcome: PROOF }] });
  return moved;
}
