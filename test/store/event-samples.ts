import { randomUUID } from 'node:crypto';
import type { NewEvent, NewFact, PendingFact, StoredEvent } from '../../src/store/event-store.ts';
import type { Store } from '../../src/store/open.ts';

/** Makes an event of a fact, as the recorder does. */
export const eventOf = (fact: PendingFact, more: Partial<NewEvent> = {}): NewEvent & { factSeq: number } => ({
  id: `evt_${randomUUID().replaceAll('-', '').slice(0, 22)}`,
  caller: fact.caller,
  connectionId: fact.connectionId,
  type: fact.type,
  fact: fact.fact,
  at: fact.at,
  data: JSON.stringify({ fact: fact.fact }),
  factSeq: fact.seq,
  ...more,
});

/** Makes events of all pending facts. */
export async function recordAll(store: Store): Promise<StoredEvent[]> {
  const facts = await store.pendingFacts(1_000);
  return store.recordEvents(
    facts.map((fact) => eventOf(fact)),
    [],
  );
}

export const newFact = (fact: string, more: Partial<NewFact> = {}): NewFact => ({
  caller: 'crm',
  connectionId: 'c1',
  type: 'message.received',
  fact,
  at: 1_000,
  ...more,
});

/** Repeats `step` until it is done and a further step has changed nothing. */
export async function stepUntil(isDone: () => boolean, step: () => Promise<number>): Promise<void> {
  for (;;) {
    const wasDone = isDone();
    if ((await step()) === 0 && wasDone) return;
  }
}
