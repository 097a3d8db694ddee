import { randomUUID } from 'node:crypto';
import { createDelivery, type Delivery } from '../../src/delivery/delivery-service.ts';
import { createGate, type Gate } from '../../src/delivery/dispatch/circuit-breaker.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import type { SendStore } from '../../src/store/port.ts';
import { createSendCalls } from '../../src/upstream/messages.ts';
import type { Pace } from '../../src/upstream/pace.ts';
import type { Answered, Attempt, Call } from '../../src/upstream/transport.ts';

const hourMs = 60 * 60 * 1000;
const options = { keyRetentionMs: hourMs, unknownRetentionMs: hourMs, recordRetentionMs: hourMs, leaseMs: 15_000 };

export const answered = (status: number, text: string, headers: Answered['headers'] = {}): Attempt => ({
  kind: 'answered',
  status,
  headers,
  text,
});
export const yes = answered(200, '{"result":true}');

interface More {
  pace?: Pace;
  /** Whether a shut gate may open. */
  probe?: () => Promise<boolean>;
  gate?: Gate;
  /** Template sends in one call. */
  group?: number;
}

/** A process on a store of its own, except for what `seams` puts into the place of the store's verbs. */
export async function aProcess(
  attempt: (call: Call) => Promise<Attempt>,
  seams: (store: SendStore) => Partial<SendStore> = () => ({}),
  { pace, probe = async () => true, gate, group = 1 }: More = {},
): Promise<{ delivery: Delivery; store: SendStore; close(): Promise<void> }> {
  const real = await openStore('memory:', options);
  // The verbs live on the prototype: a copy of their object would have none of them.
  const store: Store = Object.assign(Object.create(real), boundVerbs(real), seams(real));
  const closing = new AbortController();
  const delivery = createDelivery({
    store,
    transport: { attempt, read: attempt },
    diagnosis: { unauthorized: async () => '', connectionFault: async () => undefined },
    sendCalls: createSendCalls(),
    gate: gate ?? createGate(probe, closing.signal),
    closing: closing.signal,
    stopped: { reasonFor: () => undefined },
    newId: randomUUID,
    now: Date.now,
    patienceMs: 5_000,
    holds: { reasonFor: () => undefined },
    splitsGroups: true,
    groupMax: { urgent: group, interactive: group, broadcast: group },
    ...(pace && { pace }),
  });
  const close = async () => {
    closing.abort();
    await delivery.close();
    await real.close();
  };
  return { delivery, store, close };
}

const verbs = [
  'record',
  'beginAll',
  'retreatAll',
  'settleAll',
  'forget',
  'find',
  'findByKey',
  'recover',
  'queuedLanes',
  'adopt',
  'ownQueued',
  'countQueued',
  'holdsLease',
  'epoch',
] as const;
const boundVerbs = (store: SendStore) => Object.fromEntries(verbs.map((verb) => [verb, store[verb].bind(store)]));
