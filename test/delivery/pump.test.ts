import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createGate } from '../../src/delivery/gate.ts';
import { createPump } from '../../src/delivery/pump.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { StoreError } from '../../src/store/port.ts';
import { createSendCalls } from '../../src/upstream/messages.ts';
import type { Attempt, Call } from '../../src/upstream/transport.ts';
import { aBroadcast, NONE, recipients, released } from '../store/broadcast-samples.ts';
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

/** Takes what it is asked to send as sent; the numbers in the order in which they came. */
function anUpstream() {
  const sent: string[] = [];
  const attempt = async ({ json }: Call): Promise<Attempt> => {
    const { receivers } = json as { receivers: { whatsappNumber: string }[] };
    sent.push(...receivers.map(({ whatsappNumber }) => whatsappNumber));
    return { kind: 'answered', status: 200, headers: {}, text: '{"result":true}' };
  };
  return { sent, attempt };
}

async function sendable(id: string, total: number): Promise<string[]> {
  await store.openBroadcast(aBroadcast(id));
  const sends = recipients(id, 0, total).map((send) => ({
    ...send,
    call: { kind: 'template', body: { to: send.to ?? '', template: 'welcome' } },
  }));
  await store.addRecipients(id, sends);
  await store.releaseBroadcast(id, 'print');
  return sends.map(({ to = '' }) => to);
}

const lostAnswer = () => new StoreError('the connection broke at the commit');
const countsOf = async (id: string) => (await store.findBroadcast('crm', id))?.counts;

test('what a claim took whose answer was lost is sent all the same, once', async () => {
  const numbers = await sendable('b', 25);
  const { sent, attempt } = anUpstream();
  let claims = 0;
  const { pump, close } = aPump(attempt, {
    claimGroup: async (id, limit) => {
      const claimed = await store.claimGroup(id, limit);
      if (++claims === 2) throw lostAnswer();
      return claimed;
    },
  });
  pump.nudge();
  await expect.poll(() => countsOf('b'), { timeout: 5_000 }).toEqual({ ...NONE, accepted: 25 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
  expect(faults).toEqual([]);
});

test('what was sent, and its end could not be written down yet, is not taken for claimed and not sent', async () => {
  const numbers = await sendable('b', 20);
  const { sent, attempt } = anUpstream();
  let claims = 0;
  let settles = false;
  let looked = 0;
  const { pump, close } = aPump(attempt, {
    settleAll: async (settlements) => {
      if (!settles) throw lostAnswer();
      return store.settleAll(settlements);
    },
    claimGroup: async (id, limit) => {
      // The first group has been sent by then.
      if (++claims === 2) await expect.poll(() => sent.length).toBe(10);
      const claimed = await store.claimGroup(id, limit);
      if (claims === 2) throw lostAnswer();
      return claimed;
    },
    claimed: async (id) => {
      looked++;
      const claimed = await store.claimed(id);
      expect(claimed).toHaveLength(20);
      return claimed;
    },
  });
  pump.nudge();
  await expect.poll(() => sent.length, { timeout: 5_000 }).toBe(20);
  expect([looked, await countsOf('b')]).toEqual([1, { ...NONE, sending: 20 }]);
  settles = true;
  await expect.poll(() => countsOf('b'), { timeout: 5_000 }).toEqual({ ...NONE, accepted: 20 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
  expect(faults).toEqual([]);
});

test('a claim that wrote nothing puts nothing back', async () => {
  const numbers = await sendable('b', 5);
  const { sent, attempt } = anUpstream();
  const claimed = vi.fn(async () => []);
  let claims = 0;
  const { pump, close } = aPump(attempt, {
    claimed,
    claimGroup: async (id, limit) => {
      if (++claims === 1) throw new StoreError('no connection', { nothingWritten: true });
      return store.claimGroup(id, limit);
    },
  });
  pump.nudge();
  await expect.poll(() => countsOf('b'), { timeout: 5_000 }).toEqual({ ...NONE, accepted: 5 });
  expect([sent, claimed.mock.calls]).toEqual([numbers, []]);
  await close();
});
