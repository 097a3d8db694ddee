import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BroadcastWorker } from '../../src/broadcasts/broadcast-worker.ts';
import { createCircuitBreaker } from '../../src/delivery/dispatch/circuit-breaker.ts';
import { StoreError } from '../../src/store/errors.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createSendCalls } from '../../src/upstream/send-calls.ts';
import type { Call, HttpResult } from '../../src/upstream/types.ts';
import { insertPublished, NONE, newBroadcast, recipients } from '../store/broadcast-samples.ts';
import { OPTIONS } from '../store/samples.ts';
import { fakeStore } from '../support/fake-store.ts';
import { fixedSizes } from '../support/fixed-sizes.ts';

let store: Store;
let closing: AbortController;
const faults: unknown[] = [];
beforeEach(async () => {
  store = await openStore('memory:', OPTIONS);
  closing = new AbortController();
  faults.length = 0;
});
afterEach(() => store.close());

/** The worker alone, over a store of which `overrides` replace some operations. Connection `shut` refuses the key for ever. */
function aWorker(
  attempt: (call: Call) => Promise<HttpResult>,
  overrides: Partial<Store> = {},
  { breaker = createCircuitBreaker(async () => false, closing.signal), size = 10 } = {},
) {
  breaker.trip('shut', { code: 'credentials-refused', detail: 'no' });
  const worker = new BroadcastWorker({
    store: fakeStore(store, overrides),
    transport: { execute: attempt, read: attempt },
    diagnosis: { unauthorized: async () => '', connectionProblem: async () => undefined },
    sendCalls: createSendCalls(),
    breaker,
    closing: closing.signal,
    now: Date.now,
    holds: { reasonFor: () => undefined },
    splitsBatches: true,
    batchSizes: fixedSizes({ urgent: size, interactive: size, broadcast: size }),
    onFault: (error) => faults.push(error),
  });
  const close = async () => {
    closing.abort();
    await worker.close();
  };
  return { worker, close };
}

test('a hundred broadcasts that wait for an open breaker do not delay the next one', async () => {
  for (let n = 0; n < 100; n++) await insertPublished(store, `w${n}`, 1, { connectionId: 'shut' });
  await insertPublished(store, 'free', 1, { connectionId: 'open' });
  const claimBatch = vi.fn(async (_id: string, _limit: number) => {
    await store.complete('free-0', { status: 'cancelled', outcome: null });
    return [];
  });
  const { worker, close } = aWorker(async () => Promise.reject(new Error('nothing is sent')), {
    claimBatch,
  });
  worker.wake();
  await expect.poll(() => claimBatch.mock.calls).toEqual([['free', 10]]);
  await close();
  expect(faults).toEqual([]);
});

/** Takes what it is asked to send as sent; the numbers in the order in which they came. */
function anUpstream() {
  const sent: string[] = [];
  const attempt = async ({ json }: Call): Promise<HttpResult> => {
    const { receivers } = json as { receivers: { whatsappNumber: string }[] };
    sent.push(...receivers.map(({ whatsappNumber }) => whatsappNumber));
    return { kind: 'answered', status: 200, headers: {}, text: '{"result":true}' };
  };
  return { sent, attempt };
}

async function sendable(id: string, total: number): Promise<string[]> {
  await store.openBroadcast(newBroadcast(id));
  const sends = recipients(id, 0, total).map((send) => ({
    ...send,
    content: { kind: 'template', body: { to: send.to ?? '', template: 'welcome' } },
  }));
  await store.addRecipients(id, sends);
  await store.publishBroadcast(id, 'print');
  return sends.map(({ to = '' }) => to);
}

test('a broadcast starts before the recipients of a cancelled one are swept', async () => {
  await sendable('b', 5);
  const { sent, attempt } = anUpstream();
  let sweeps = 0;
  let sweepsBefore = 0;
  const { worker, close } = aWorker(
    (call) => {
      sweepsBefore = sweeps;
      return attempt(call);
    },
    {
      sweepBroadcasts: async (limit) => {
        await setImmediate();
        return ++sweeps < 1_000 ? limit : 0;
      },
    },
  );
  worker.wake();
  await expect.poll(() => sent.length).toBe(5);
  await expect.poll(() => sweeps).toBeGreaterThanOrEqual(1_000);
  expect(sweepsBefore).toBeLessThan(500);
  await close();
  expect(faults).toEqual([]);
});

const lostAnswer = () => new StoreError('the connection broke at the commit');
const countsOf = async (id: string) => (await store.findBroadcast('crm', id))?.counts;

test('recipients that an unacknowledged claim took are sent all the same, once', async () => {
  const numbers = await sendable('b', 25);
  const { sent, attempt } = anUpstream();
  let claims = 0;
  const { worker, close } = aWorker(attempt, {
    claimBatch: async (id, limit) => {
      const claimed = await store.claimBatch(id, limit);
      if (++claims === 2) throw lostAnswer();
      return claimed;
    },
  });
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 25 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
  expect(faults).toEqual([]);
});

test('a large call is claimed in pieces, and if one of them is not acknowledged, all are sent later, once', async () => {
  const numbers = await sendable('b', 1_200);
  const { sent, attempt } = anUpstream();
  const claims: number[] = [];
  const { worker, close } = aWorker(
    attempt,
    {
      claimBatch: async (id, limit) => {
        claims.push(limit);
        const claimed = await store.claimBatch(id, limit);
        if (claims.length === 2) throw lostAnswer();
        expect(sent.length === 0 || claims.length > 2).toBe(true);
        return claimed;
      },
    },
    { size: 1_000 },
  );
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 1_200 });
  expect(Math.max(...claims)).toBeLessThanOrEqual(250);
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
  expect(faults).toEqual([]);
});

test('the outcomes of a large call are written in pieces, each once, though one of them fails at first', async () => {
  await sendable('b', 1_000);
  const { attempt } = anUpstream();
  const written: number[] = [];
  const { worker, close } = aWorker(
    attempt,
    {
      completeAll: async (completions) => {
        written.push(completions.length);
        if (written.length === 3) throw new StoreError('the disk is full', { notCommitted: true });
        return store.completeAll(completions);
      },
    },
    { size: 1_000 },
  );
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 1_000 });
  expect(written).toEqual([250, 250, 250, 250, 250]);
  await close();
  expect(faults).toEqual([]);
});

test('recipients with long parameters go out in smaller calls', async () => {
  await store.openBroadcast(newBroadcast('b'));
  const body = { template: 'welcome', parameters: { name: 'x'.repeat(5_000) } };
  const sends = recipients('b', 0, 600).map((send) => ({
    ...send,
    content: { kind: 'template', body: { to: send.to ?? '', ...body } },
  }));
  await store.addRecipients('b', sends);
  await store.publishBroadcast('b', 'print');
  const sizes: number[] = [];
  const { worker, close } = aWorker(
    async ({ json }) => {
      sizes.push((json as { receivers: unknown[] }).receivers.length);
      return { kind: 'answered', status: 200, headers: {}, text: '{"result":true}' };
    },
    {},
    { size: 600 },
  );
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 600 });
  expect(sizes.toSorted((a, b) => b - a)).toEqual([250, 250, 100]);
  await close();
});

test('a message that was sent and not completed yet does not count as claimed and unsent', async () => {
  const numbers = await sendable('b', 20);
  const { sent, attempt } = anUpstream();
  let claims = 0;
  let settles = false;
  const looks: number[] = [];
  const { worker, close } = aWorker(attempt, {
    completeAll: async (settlements) => {
      if (!settles) throw lostAnswer();
      return store.completeAll(settlements);
    },
    claimBatch: async (id, limit) => {
      // The first group has been sent by then.
      if (++claims === 2) await expect.poll(() => sent.length).toBe(10);
      const claimed = await store.claimBatch(id, limit);
      if (claims === 2) throw lostAnswer();
      return claimed;
    },
    listClaimed: async (id) => {
      const claimed = await store.listClaimed(id);
      looks.push(claimed.length);
      return claimed;
    },
  });
  worker.wake();
  await expect.poll(() => sent.length).toBe(20);
  expect([looks[0], await countsOf('b')]).toEqual([20, { ...NONE, sending: 20 }]);
  // All of it is on the wire or has been: at the next looks, too.
  await expect.poll(() => looks.length).toBeGreaterThan(3);
  expect(looks.slice(1)).not.toContain(0);
  settles = true;
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 20 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
  expect(faults).toEqual([]);
});

test('recipients of a claim that is committed only after it was checked are sent all the same, once', async () => {
  const numbers = await sendable('b', 20);
  const { sent, attempt } = anUpstream();
  const late = Promise.withResolvers<void>();
  let claims = 0;
  let looked = 0;
  let polls = 0;
  const { worker, close } = aWorker(attempt, {
    claimBatch: async (id, limit) => {
      claims++;
      if (claims === 2) throw lostAnswer();
      // Of the lock that the lost one waits for, a later one comes behind it.
      if (claims > 2) await late.promise;
      return store.claimBatch(id, limit);
    },
    listClaimed: async (id) => {
      looked++;
      return store.listClaimed(id);
    },
    listRunningQueues: async () => {
      polls++;
      return store.listRunningQueues();
    },
  });
  worker.wake();
  await expect.poll(() => claims).toBe(3);
  const before = looked;
  expect(before).toBeGreaterThan(0);
  expect(await store.claimBatch('b', 10)).toHaveLength(10);
  late.resolve();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 20 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await expect.poll(async () => (await store.findBroadcast('crm', 'b'))?.finishedAt).toBeDefined();
  // Over, it is not looked at any more.
  const pollTwice = async () => {
    const goal = polls + 2;
    await expect
      .poll(() => {
        worker.wake();
        return polls;
      })
      .toBeGreaterThanOrEqual(goal);
  };
  await pollTwice();
  const after = looked;
  await pollTwice();
  expect(looked).toBe(after);
  await close();
  expect(faults).toEqual([]);
});

test('a message is not tracked any more once its outcome is stored, however late', async () => {
  await sendable('b', 15);
  const { attempt } = anUpstream();
  let settles = 0;
  let claims = 0;
  const first = Array.from({ length: 10 }, (_, n) => ({ id: `b-${n}`, attempt: 1 }));
  const retreated: unknown[] = [];
  const { worker, close } = aWorker(attempt, {
    completeAll: async (settlements) => {
      if (++settles <= 2) throw lostAnswer();
      return store.completeAll(settlements);
    },
    claimBatch: async (id, limit) => {
      if (++claims === 1) return store.claimBatch(id, limit);
      await expect.poll(() => countsOf('b')).toMatchObject({ accepted: 10 });
      if (claims === 2) throw lostAnswer();
      return store.claimBatch(id, limit);
    },
    // As if the store still had it: what would be kept back here is what is remembered.
    listClaimed: async () => first,
    requeueAll: async (marks) => {
      retreated.push(marks);
      return store.requeueAll(marks);
    },
  });
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 15 });
  expect(retreated[0]).toEqual(first);
  await close();
  expect(faults).toEqual([]);
});

test('a claim that wrote nothing requeues nothing', async () => {
  const numbers = await sendable('b', 5);
  const { sent, attempt } = anUpstream();
  const claimed = vi.fn(async () => []);
  let claims = 0;
  const { worker, close } = aWorker(attempt, {
    listClaimed: claimed,
    claimBatch: async (id, limit) => {
      if (++claims === 1) throw new StoreError('no connection', { notCommitted: true });
      return store.claimBatch(id, limit);
    },
  });
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 5 });
  expect([sent, claimed.mock.calls]).toEqual([numbers, []]);
  await close();
});

test('credentials with which reads succeed and sends are refused cost three calls, and one more for each resume', async () => {
  const numbers = await sendable('b', 5);
  const { sent, attempt } = anUpstream();
  let calls = 0;
  let isMended = false;
  const refusing = async (call: Call): Promise<HttpResult> => {
    calls++;
    return isMended ? attempt(call) : { kind: 'answered', status: 403, headers: {}, text: '' };
  };
  const breaker = createCircuitBreaker(async () => true, closing.signal, { wait: async () => {} });
  const { worker, close } = aWorker(refusing, {}, { breaker });
  const stateOf = async () => {
    const { status, pausedBy, counts } = (await store.findBroadcast('crm', 'b')) ?? {};
    return { status, pausedBy, counts };
  };
  const paused = { status: 'paused', pausedBy: 'service', counts: { ...NONE, queued: 5 } };
  const resume = async () => {
    await store.changeBroadcastStatus('crm', 'b', { to: 'running' });
    worker.wake();
  };
  worker.wake();
  await expect.poll(stateOf).toEqual(paused);
  expect(calls).toBe(3);
  expect((await store.findBroadcast('crm', 'b'))?.pauseReason).toMatch(/answers reads and refuses sends/);
  await resume();
  await expect.poll(stateOf).toEqual(paused);
  expect(calls).toBe(4);
  isMended = true;
  await resume();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 5 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
});

const htmlRefusal: HttpResult = {
  kind: 'answered',
  status: 403,
  headers: { 'content-type': 'text/html' },
  text: '<html><title>403 Forbidden</title></html>',
};
const credentialsRefused: HttpResult = { kind: 'answered', status: 403, headers: {}, text: '' };
const connectionRefused: HttpResult = {
  kind: 'failed',
  bytesSent: false,
  timedOut: false,
  cause: new Error('ECONNREFUSED'),
};

/** A worker whose upstream gives these answers, one to a call, and then takes everything. */
function answering(...answers: HttpResult[]) {
  const { sent, attempt } = anUpstream();
  const breaker = createCircuitBreaker(async () => true, closing.signal, { wait: async () => {} });
  const { worker, close } = aWorker(async (call) => answers.shift() ?? attempt(call), {}, { breaker });
  return { worker, close, sent, answers };
}

test('after an outage of the key, a refusal that may concern all recipients rejects none of them', async () => {
  const numbers = await sendable('b', 10);
  const { worker, close, sent, answers } = answering(credentialsRefused, ...Array(20).fill(htmlRefusal));
  worker.wake();
  await expect.poll(async () => (await store.findBroadcast('crm', 'b'))?.status).toBe('paused');
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, queued: 10 });
  answers.length = 0;
  await store.changeBroadcastStatus('crm', 'b', { to: 'running' });
  worker.wake();
  await expect.poll(() => countsOf('b')).toEqual({ ...NONE, accepted: 10 });
  expect(sent.toSorted()).toEqual(numbers.toSorted());
  await close();
  expect(faults).toEqual([]);
});

test.each([
  ['once, after an outage of the key', 'running', [credentialsRefused, credentialsRefused, connectionRefused]],
  ['twice', 'running', [connectionRefused, connectionRefused]],
  ['three times', 'paused', [connectionRefused, connectionRefused, connectionRefused]],
] as const)('a connection that cannot be made %s leaves a broadcast %s', async (_name, status, answers) => {
  await sendable('b', 5);
  const { worker, close } = answering(...answers);
  worker.wake();
  const settled = async () => {
    const { status: now, counts } = (await store.findBroadcast('crm', 'b')) ?? {};
    return now === 'paused' ? 'paused' : counts?.accepted === 5 && 'running';
  };
  await expect.poll(settled, { timeout: 10_000 }).toBe(status);
  await close();
  expect(faults).toEqual([]);
});
