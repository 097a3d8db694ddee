import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createGate } from '../../src/delivery/gate.ts';
import { createPump } from '../../src/delivery/pump.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createSendCalls } from '../../src/upstream/messages.ts';
import type { Attempt, Call } from '../../src/upstream/transport.ts';
import { released } from '../store/broadcast-samples.ts';
import { OPTIONS } from '../store/samples.ts';

let store: Store;
let closing: AbortController;
const faults: unknown[] = [];
beforeEach(async () => {
  store = await openStore('memory:', OPTIONS);
  closing = new AbortController();
  faults.length = 0;
});
afterEach(() => store.close());

/** The pump alone, over a store of which `seams` replace some verbs. Connection `shut` refuses the key for ever. */
function aPump(attempt: (call: Call) => Promise<Attempt>, seams: Partial<Store> = {}) {
  const gate = createGate(async () => false, closing.signal);
  gate.shut('shut');
  const pump = createPump({
    store: Object.assign(Object.create(store), seams, bound(store, seams)),
    transport: { attempt, read: attempt },
    diagnosis: { unauthorized: async () => '', connectionFault: async () => undefined },
    sendCalls: createSendCalls(undefined),
    gate,
    closing: closing.signal,
    now: Date.now,
    groupMax: 10,
    onFault: (error) => faults.push(error),
  });
  const close = async () => {
    closing.abort();
    await pump.close();
  };
  return { pump, close };
}

/** The verbs of sends live on a prototype with private fields: a copy must call them on their own object. */
const bound = (of: Store, seams: Partial<Store>): Partial<Store> => {
  const verbs = ['holdsLease', 'epoch', 'find', 'retreatAll', 'settleAll'] as const;
  return Object.fromEntries(verbs.flatMap((verb) => (verb in seams ? [] : [[verb, of[verb].bind(of)]])));
};

test('a hundred broadcasts that wait at a shut gate are not in the way of the next one', async () => {
  for (let n = 0; n < 100; n++) await released(store, `w${n}`, 1, { connectionId: 'shut' });
  await released(store, 'free', 1, { connectionId: 'open' });
  const claimGroup = vi.fn(async (_id: string, _limit: number) => {
    await store.settle('free-0', { status: 'cancelled', verdict: null });
    return [];
  });
  const { pump, close } = aPump(async () => Promise.reject(new Error('nothing is sent')), { claimGroup });
  pump.nudge();
  await expect.poll(() => claimGroup.mock.calls, { timeout: 3_000 }).toEqual([['free', 10]]);
  await close();
  expect(faults).toEqual([]);
});
