import fc from 'fast-check';
import { expect } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { newBroadcast, recipients } from './broadcast-samples.ts';
import { ids, OUTCOME } from './samples.ts';

/** The expected state of a broadcast after operations in any order. */
interface Model {
  readonly id: string;
  readonly total: number;
  readonly sending: Set<string>;
  readonly claims: Map<string, number>;
  readonly requeues: Map<string, number>;
  state: 'running' | 'paused' | 'cancelled';
}

type Operation = (store: Store, model: Model) => Promise<void>;

const some = (from: ReadonlySet<string>, n: number): string[] => [...from].slice(0, n);

const claim =
  (limit: number): Operation =>
  async (store, model) => {
    const claimed = ids(await store.claimBatch(model.id, limit));
    if (model.state !== 'running') expect(claimed).toEqual([]);
    for (const id of claimed) {
      expect(model.sending.has(id)).toBe(false);
      model.sending.add(id);
      model.claims.set(id, (model.claims.get(id) ?? 0) + 1);
    }
  };

const complete =
  (n: number, status: 'accepted' | 'rejected' | 'not_sent' | 'unknown'): Operation =>
  async (store, model) => {
    const group = some(model.sending, n);
    const settled = await store.completeAll(group.map((id) => ({ id, status, outcome: OUTCOME })));
    expect(settled).toEqual(new Set(group));
    for (const id of group) model.sending.delete(id);
  };

const requeue =
  (n: number): Operation =>
  async (store, model) => {
    const group = some(model.sending, n);
    const marks = group.map((id) => ({ id, attempt: model.claims.get(id) ?? 0 }));
    expect(await store.requeueAll(marks)).toEqual(new Set(group));
    // Its answer may be lost, so a repeat must return the same.
    expect(await store.requeueAll(marks)).toEqual(new Set(group));
    for (const id of group) {
      model.sending.delete(id);
      model.requeues.set(id, (model.requeues.get(id) ?? 0) + 1);
    }
  };

const changeStatus =
  (to: Model['state']): Operation =>
  async (store, model) => {
    const steered = await store.changeBroadcastStatus('crm', model.id, { to });
    if (steered?.status === 'done') return;
    if (model.state !== 'cancelled') model.state = to;
    expect(steered?.status).toBe(model.state);
  };

const cancelOne =
  (n: number): Operation =>
  async (store, model) => {
    const id = `${model.id}-${n}`;
    const cancelled = await store.complete(id, { status: 'cancelled', outcome: null });
    if (cancelled) expect(model.sending.has(id)).toBe(false);
  };

const sweep =
  (limit: number): Operation =>
  async (store) => {
    expect(await store.sweepBroadcasts(limit)).toBeLessThanOrEqual(limit);
  };

const n = fc.integer({ min: 1, max: 5 });
const operation: fc.Arbitrary<{ name: string; verb: Operation }> = fc.oneof(
  n.map((limit) => ({ name: `claim ${limit}`, verb: claim(limit) })),
  fc
    .tuple(n, fc.constantFrom('accepted', 'rejected', 'not_sent', 'unknown'))
    .map(([count, status]) => ({ name: `settle ${count} ${status}`, verb: complete(count, status) })),
  n.map((count) => ({ name: `retreat ${count}`, verb: requeue(count) })),
  // Rare, because nothing can follow a cancel.
  fc
    .constantFrom<Model['state'][]>('paused', 'running', 'running', 'paused', 'running', 'cancelled')
    .map((to) => ({ name: `steer ${to}`, verb: changeStatus(to) })),
  fc.nat({ max: 11 }).map((which) => ({ name: `cancel ${which}`, verb: cancelOne(which) })),
  n.map((limit) => ({ name: `sweep ${limit}`, verb: sweep(limit) })),
);

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** Runs random operations. The counts must add up after each, and no recipient is claimed twice without a requeue. */
export async function broadcastsHoldTheModel(store: Store, runs: number): Promise<void> {
  let broadcasts = 0;
  let recorded = 0;
  const story = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.array(operation, { maxLength: 40 }));
  await fc.assert(
    fc.asyncProperty(story, async ([total, verbs]) => {
      const id = `m${broadcasts++}`;
      const model: Model = {
        id,
        total,
        sending: new Set(),
        claims: new Map(),
        requeues: new Map(),
        state: 'running',
      };
      await store.openBroadcast(newBroadcast(id));
      await store.addRecipients(id, recipients(id, 0, total));
      await store.publishBroadcast(id, 'print');
      recorded += total;
      for (const each of verbs) {
        await each.verb(store, model);
        const broadcast = await store.findBroadcast('crm', id);
        expect(sum(broadcast?.counts ?? {}), `after ${each.name}`).toBe(total);
        expect(broadcast?.counts.sending, `after ${each.name}`).toBe(model.sending.size);
        expect(sum(await store.countRejections(id)), `after ${each.name}`).toBe(broadcast?.counts.rejected);
        expect(sum(await store.counts()), `after ${each.name}`).toBe(recorded);
      }
      for (const [recipient, claims] of model.claims) {
        expect(claims, recipient).toBeLessThanOrEqual(1 + (model.requeues.get(recipient) ?? 0));
      }
      const listed = (await store.list('crm', { broadcastId: id }, { limit: 20 })).messages;
      const counted: Record<string, number> = {};
      for (const { status } of listed) counted[status] = (counted[status] ?? 0) + 1;
      expect((await store.findBroadcast('crm', id))?.counts).toMatchObject(counted);
      expect(listed).toHaveLength(total);
    }),
    { numRuns: runs },
  );
}
