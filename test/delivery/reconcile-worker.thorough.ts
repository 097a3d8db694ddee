import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBroadcasts } from '../../src/broadcasts/broadcast-service.ts';
import { createReconcileWorker } from '../../src/delivery/reconcile/reconcile-worker.ts';
import { createReconciler } from '../../src/delivery/reconcile/reconciler.ts';
import { Problem } from '../../src/problem.ts';
import type { RateLimiter } from '../../src/rate-limit/types.ts';
import type { Broadcast } from '../../src/schemas/broadcast.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { linkIn } from '../../src/upstream/pages.ts';
import { fields } from '../routes/outcomes.ts';
import { newBroadcast, recipients } from '../store/broadcast-samples.ts';
import { newMessage, OPTIONS, OUTCOME } from '../store/samples.ts';
import { startService } from '../support/service.ts';
import { LookTime } from './reconcile-clock.ts';

const minuteMs = 60_000;

let time: LookTime;
let store: Store;
let end: (() => Promise<void>) | undefined;
beforeEach(async () => {
  time = new LookTime();
  store = await openStore('memory:', { ...OPTIONS, monotonicClock: time.clock, wallClock: time.clock });
  end = undefined;
});
afterEach(async () => {
  await end?.();
  await store.close();
});

/** So many calls whose answers are lost; WATI processed those in `through`. */
async function lose(calls: number, through: readonly number[], perCall = 200): Promise<ReadonlySet<string>> {
  await store.openBroadcast(newBroadcast('b'));
  const sends = recipients('b', 0, calls * perCall).map((send, at) => ({
    ...send,
    to: String(14155000000 + at),
    localMessageId: `own-${at}`,
    content: { kind: 'template', body: { to: String(14155000000 + at), template: 'welcome' } },
  }));
  await store.addRecipients('b', sends);
  await store.publishBroadcast('b', 'print');
  const arrived = new Set<string>();
  for (let call = 0; call < calls; call++) {
    const group = await store.claimBatch('b', perCall);
    await store.completeAll(
      group.map(({ id, to = '' }, place) => {
        if (through.includes(call)) arrived.add(to);
        return { id, status: 'unknown', outcome: OUTCOME, lostCall: { id: `call ${call}`, place } };
      }),
    );
    time.now += 100;
  }
  return arrived;
}

interface Surroundings {
  arrived: ReadonlySet<string>;
  /** What a call waits for its turn, as the budget says. */
  expectedWaitMs?: number;
  takesMs?: number;
  /** Throws what the upstream answers instead. */
  fault?: () => Problem | undefined;
}

/** A worker over the store, and the broadcasts that tell of it. */
function aWorker({ arrived, expectedWaitMs = 0, takesMs = 500, fault = () => undefined }: Surroundings) {
  const reads: { at: number; to: string }[] = [];
  const history = async (_context: unknown, to: string) => {
    time.now += takesMs;
    reads.push({ at: time.now, to });
    const problem = fault();
    if (problem) throw problem;
    const at = Number(to) - 14155000000;
    return { rows: arrived.has(to) ? [{ localMessageId: `own-${at}`, owner: true }] : [], link: linkIn({}) };
  };
  const rateLimiter: RateLimiter = {
    acquire: async () => {},
    isPermitValid: () => true,
    expectedWaitMs: () => expectedWaitMs,
    reportTooManyRequests: () => {},
  };
  const reconciler = createReconciler(store, { history }, { messageLookup: { findByClientId: async () => undefined } });
  const reconcileWorker = createReconcileWorker({
    store,
    reconciler,
    rateLimiter,
    onFault: () => {},
    clock: time.clock,
    wait: time.wait,
  });
  const broadcasts = createBroadcasts({
    store,
    reconcileWorker,
    callsPerMinute: () => 60,
    batchSize: () => 1,
    newId: () => 'none',
    onChange: () => {},
    now: time.clock,
    stopped: { reasonFor: () => undefined },
  });
  end = () => reconcileWorker.stop();
  const looks = async () => (await broadcasts.find('crm', 'b')).looks ?? { left: 0, lostCalls: [] };
  return { worker: reconcileWorker, broadcasts, looks, reads };
}

const isOver = (looks: () => Promise<{ left: number }>) => {
  let asked = 0;
  // Not after each look: to count costs more than to look.
  return async () => ++asked % 50 === 0 && (await looks()).left === 0;
};

describe('unknown messages of eight lost calls', () => {
  it.each([
    ['1,600', 200, 'nobody else calls', 0],
    ['320', 40, 'others want every call', 5_000],
  ])(
    '%s of %s each are all looked for within the time that is told, and the calls within two minutes, where %s',
    async (_all, perCall, _name, expectedWaitMs) => {
      const arrived = await lose(8, [0, 2, 3, 6, 7], perCall);
      const lostAt = time.now;
      const { worker, looks, reads } = aWorker({ arrived, expectedWaitMs });
      const told = await looks();
      expect(told).toMatchObject({ left: 8 * perCall, estimatedEndAt: expect.any(String) });
      expect(told.lostCalls.map(({ recipients, found, looked }) => [recipients, found, looked])).toEqual(
        Array(8).fill([perCall, 0, 0]),
      );
      worker.start();
      await time.run(lostAt + 2 * minuteMs - time.now);
      const { lostCalls } = await looks();
      expect(lostCalls.map(({ found }) => found > 0)).toEqual([true, false, true, true, false, false, true, true]);
      for (const { found, looked } of lostCalls) expect(found + looked).toBeGreaterThan(0);
      await time.run(120 * minuteMs, isOver(looks));
      expect(time.now).toBeLessThan(Date.parse(String(told.estimatedEndAt)));
      expect((await store.findBroadcast('crm', 'b'))?.counts).toMatchObject({
        accepted: 5 * perCall,
        unknown: 3 * perCall,
      });
      // One read for each, and a second one at most of those that were not found.
      expect(reads.length).toBeGreaterThanOrEqual(8 * perCall);
      const gaps = reads.slice(1).map(({ at }, n) => at - (reads[n]?.at ?? 0));
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(expectedWaitMs > 0 ? 2_500 : 700);
    },
  );
});

it('a look-up that fails is repeated ever more slowly, and does not count as a scheduled one', async () => {
  const arrived = await lose(1, [0]);
  let fault: Problem | undefined = new Problem('upstream-unavailable', 'gone');
  const { worker, looks, reads } = aWorker({ arrived, fault: () => fault });
  worker.start();
  await time.run(11 * minuteMs);
  expect(reads.length).toBeGreaterThan(5);
  expect(reads.length).toBeLessThan(20);
  expect((await looks()).left).toBe(200);
  fault = undefined;
  await time.run(30 * minuteMs, isOver(looks));
  expect((await store.findBroadcast('crm', 'b'))?.counts).toMatchObject({ accepted: 200, unknown: 0 });
});

it('unknown messages to one person are looked up with one read', async () => {
  const to = '14155000007';
  for (const [id, localMessageId] of [
    ['x', 'own-7'],
    ['y', 'another'],
    ['z', 'one more'],
  ] as const) {
    const call = { kind: 'text', body: { to, text: id } };
    await store.insert(newMessage(id, { to, localMessageId, content: call }));
    await store.claim(id, 1);
    await store.complete(id, { status: 'unknown', outcome: OUTCOME });
  }
  const { worker, reads } = aWorker({ arrived: new Set([to]) });
  worker.start();
  await time.run(2 * minuteMs);
  expect(reads).toHaveLength(1);
  expect(await Promise.all(['x', 'y', 'z'].map(async (id) => (await store.find('crm', id))?.status))).toEqual([
    'accepted',
    'unknown',
    'unknown',
  ]);
});

describe('the service', () => {
  it('reports eight lost calls that went through, and looks all of their messages up when it is asked', async () => {
    const service = await startService({
      store,
      settings: { GROUP_MAX_BROADCAST: '50' },
      callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'], connections: ['*'] }],
      seams: { looks: { clock: time.clock, wait: time.wait }, now: time.clock },
    });
    try {
      const operation = 'sendTemplateMessagesV2';
      const through = [true, false, true, true, false, false, true, true];
      service.simulator.script(
        operation,
        ...through.map((went) => ({ fault: went ? ('reset-after' as const) : ('reset-before' as const) })),
      );
      const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
      const recipients = Array.from({ length: 400 }, (_, at) => ({ to: String(14155560000 + at), parameters }));
      const json = { template: 'order_update', broadcastName: 'sale', recipients };
      const headers = { 'idempotency-key': 'one' };
      const { id } = fields((await service.ask('POST', '/v1/broadcasts', { json, headers })).json);
      const path = `/v1/broadcasts/${id}`;
      const read = async () => (await service.ask('GET', path)).json as Broadcast;
      await expect.poll(async () => (await read()).status, { timeout: 20_000 }).toBe('done');
      const lost = await read();
      expect(lost.counts).toMatchObject({ unknown: 400 });
      expect(lost.looks).toMatchObject({ left: 400, estimatedEndAt: expect.any(String) });
      // A caller who asks does not wait for the first minute; two requests start one round.
      for (let asked = 0; asked < 2; asked++) {
        const answer = await service.ask('POST', `${path}/reconcile`);
        expect(answer).toMatchObject({ status: 202, headers: { location: path }, json: { looks: { left: 400 } } });
      }
      await time.run(8_000);
      const told = (await read()).looks;
      expect(told?.lostCalls.map(({ found }) => found > 0).toSorted()).toEqual(through.toSorted());
      expect(told?.lostCalls.every(({ found, looked, recipients: all }) => all === 50 && found + looked > 0)).toBe(
        true,
      );
      expect(told?.left).toBeLessThan(400);
      expect(service.simulator.ledger.of(operation)).toHaveLength(8);
      const key = 'key-of-another-caller';
      expect((await service.ask('POST', `${path}/reconcile`, { key })).status).toBe(404);
    } finally {
      await service.close();
    }
  });
});
