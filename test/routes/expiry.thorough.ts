import { afterEach, describe, expect, test } from 'vitest';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import type { OutboundRateLimiter } from '../../src/rate-limit/types.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { fakeStore } from '../support/fake-store.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { fileSubject, sendingTo } from './sending.ts';

const minuteMs = 60_000;
const patiently = { timeout: 5_000, interval: 20 };

/** Creates permits that are granted when the test says so. */
function createGate() {
  const real = createRateLimiter({ perSecond: 1_000, plan: 'none' });
  let open = Promise.withResolvers<void>();
  let waiting = 0;
  const limiter: OutboundRateLimiter = {
    acquire: async ({ signal }) => {
      waiting += 1;
      const closed = new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('closed'))));
      await Promise.race([open.promise, closed]).finally(() => {
        waiting -= 1;
      });
    },
    isPermitValid: () => true,
    expectedWaitMs: () => 0,
    reportTooManyRequests: () => {},
    stats: () => real.stats(),
    close: () => real.close(),
  };
  return {
    limiter,
    waiting: () => waiting,
    open: () => open.resolve(),
    shut: () => {
      open = Promise.withResolvers();
    },
  };
}

const running: Service[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.close();
});

async function start(
  options: { isShut?: boolean; probeFirstMs?: number } = {},
  overrides: (store: Store) => Partial<Store> = () => ({}),
) {
  const clock = { now: Date.UTC(2026, 10, 2, 9) };
  const gate = createGate();
  gate.open();
  const real = await openStore('memory:', { ...OPTIONS, wallClock: () => clock.now });
  const pauses = { ...defaultRetryDelays, lookEveryMs: 20, probeFirstMs: options.probeFirstMs ?? 50 };
  const service = await startService({
    store: fakeStore(real, overrides(real)),
    settings: { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' },
    seams: { now: () => clock.now, pauses, rateLimiter: gate.limiter },
  });
  running.push(service);
  // Makes the template known first, because reading it takes a permit.
  const json = { to: '14155556009', template: 'welcome' };
  await service.ask('POST', '/v1/messages/template', { json });
  if (options.isShut) gate.shut();
  const at = (ms: number) => new Date(clock.now + ms).toISOString();
  return { service, store: real, clock, gate, at };
}

const bodyOf = ({ json }: Answer) => json as Record<string, unknown> & { id: string };
const expired = { status: 'not_sent', failure: { code: 'expired', detail: expect.stringContaining('notAfter') } };
const isExpired = {
  status: 409,
  json: { type: problem('message-expired'), outcome: 'not_sent', retryable: false },
};
const async = { prefer: 'respond-async' };

type Scene = Awaited<ReturnType<typeof start>>;
const to = '14155551000';
const text = ({ service }: Scene, more: object, headers: Record<string, string> = {}) =>
  service.ask('POST', '/v1/messages/text', { json: { to, text: 'Your code is 1234', ...more }, headers });
const read = async ({ service }: Scene, id: string) => bodyOf(await service.ask('GET', `/v1/messages/${id}`));
const endsExpired = (scene: Scene, id: string) => expect.poll(() => read(scene, id), patiently).toMatchObject(expired);
const processed = ({ service }: Scene) =>
  service.simulator.ledger.entries.filter((entry) => entry.processed && entry.operation.startsWith('send')).length - 1;

test('a client that waits for a late message is told at that time, and a repeat is told the same', async () => {
  const scene = await start({ isShut: true });
  const { clock, at, gate, service } = scene;
  const notAfter = at(minuteMs);
  const headers = { 'idempotency-key': 'code-1' };
  const waiting = text(scene, { notAfter }, headers);
  await expect.poll(gate.waiting, patiently).toBe(1);
  clock.now += minuteMs;
  expect(await waiting).toMatchObject(isExpired);
  const again = await text(scene, { notAfter }, headers);
  expect(again).toMatchObject({ ...isExpired, headers: { 'idempotency-replayed': 'true' } });
  const { id } = bodyOf(await service.ask('GET', '/v1/messages?limit=1'));
  expect(id).toBeUndefined();
  gate.open();
  await expect.poll(() => gate.waiting(), patiently).toBe(0);
  expect((await text(scene, { text: 'Another' })).status).toBe(201);
  expect(processed(scene)).toBe(1);
  expect((await service.ask('GET', '/metrics')).text).toContain('wati_bff_expired_total 1');
});

const stop = ({ service }: Scene, all: boolean) => {
  const stopped = { all, callers: [], connections: [] };
  return service.ask('PUT', '/v1/operations/sending', { json: { stopped, reason: 'a test' } });
};

describe('a late message is not sent', () => {
  /** Ways to hold a recorded message before any attempt, and to release it. */
  const holdups: [name: string, begin: (scene: Scene) => Promise<unknown>, end: (scene: Scene) => Promise<unknown>][] =
    [
      ['while it waits for a permit', async () => {}, async ({ gate }) => gate.open()],
      [
        'while an operator has stopped sending',
        async (scene) => {
          await stop(scene, true);
          scene.gate.open();
          await expect.poll(scene.gate.waiting, patiently).toBe(0);
        },
        (scene) => stop(scene, false),
      ],
      [
        'while it waits for another attempt',
        async ({ service, gate, store }) => {
          const refusal = { status: 429, headers: { 'retry-after': '2' } };
          for (const operation of ['sendSessionMessage', 'sendTemplateMessagesV2'] as const)
            service.simulator.script(operation, refusal);
          gate.open();
          const attempted = async () =>
            (await store.list('tester', {}, { limit: 2 })).messages.map(({ attempts }) => attempts);
          await expect.poll(attempted, patiently).toEqual([1, 1]);
        },
        async () => {},
      ],
    ];
  test.each(holdups)('%s', async (_, begin, end) => {
    const scene = await start({ isShut: true });
    const { service, clock, at, gate } = scene;
    const notAfter = at(minuteMs);
    const json = { to: '14155551001', template: 'welcome', notAfter };
    const ask = () => service.ask('POST', '/v1/messages/template', { json, headers: async });
    const ids = (await Promise.all([text(scene, { notAfter }, async), ask()])).map((answer) => bodyOf(answer).id);
    await expect.poll(gate.waiting, patiently).toBe(2);
    await begin(scene);
    clock.now += minuteMs;
    for (const id of ids) await endsExpired(scene, id);
    await end(scene);
    expect((await text(scene, { text: 'Another' })).status).toBe(201);
    expect(processed(scene)).toBe(1);
  });

  test('in a batch, whose other messages go out', async () => {
    const scene = await start({ isShut: true });
    const { service, clock, at, gate } = scene;
    const ask = (n: number, more: object) =>
      service.ask('POST', '/v1/messages/template', {
        json: { to: `1415555600${n}`, template: 'welcome', ...more },
        headers: async,
      });
    const [late, timely, timeless] = await Promise.all([
      ask(1, { notAfter: at(minuteMs) }),
      ask(2, { notAfter: at(2 * minuteMs) }),
      ask(3, {}),
    ]);
    clock.now += minuteMs;
    gate.open();
    await endsExpired(scene, bodyOf(late).id);
    for (const each of [timely, timeless]) {
      await expect.poll(async () => (await read(scene, bodyOf(each).id)).status, patiently).toBe('accepted');
    }
  });

  test('when its time passes between its claim and the first byte', async () => {
    let clock = { now: 0 };
    const scene = await start({}, (store) => ({
      claimAll: async (attempts) => {
        const claimed = await store.claimAll(attempts);
        clock.now += minuteMs;
        return claimed;
      },
    }));
    clock = scene.clock;
    expect(await text(scene, { notAfter: scene.at(minuteMs) })).toMatchObject(isExpired);
    expect(processed(scene)).toBe(0);
    expect(await scene.store.counts()).toMatchObject({ not_sent: 1, sending: 0, queued: 0 });
  });

  test('as a recipient of a broadcast, right before the first byte, and its connection is not at fault', async () => {
    let clock = { now: 0 };
    let isClaimed = false;
    const scene = await start({ probeFirstMs: 600_000 }, (store) => ({
      claimBatch: async (...asked) => {
        const claimed = await store.claimBatch(...asked);
        isClaimed = claimed.length > 0;
        return claimed;
      },
      // In time when it is looked at, and late when the call begins.
      wallNow: () => {
        const now = store.wallNow();
        if (isClaimed) clock.now += minuteMs;
        isClaimed = false;
        return now;
      },
    }));
    clock = scene.clock;
    const { id } = bodyOf(
      await scene.service.ask('POST', '/v1/broadcasts', {
        json: {
          template: 'welcome',
          broadcastName: 'late',
          recipients: [{ to: '14155556001' }],
          notAfter: scene.at(minuteMs),
        },
        headers: { 'idempotency-key': 'late' },
      }),
    );
    const state = async () => bodyOf(await scene.service.ask('GET', `/v1/broadcasts/${id}`));
    await expect.poll(state, patiently).toMatchObject({ status: 'done', counts: { notSent: 1 } });
    expect(processed(scene)).toBe(0);
    const another = bodyOf(await text(scene, {}, async));
    await expect.poll(async () => (await read(scene, another.id)).status, patiently).toBe('accepted');
  });

  test('when it was scheduled, or is a recipient of a broadcast that is paused or held', async () => {
    const scene = await start();
    const { service, clock, at } = scene;
    const scheduled = bodyOf(await text(scene, { sendAt: at(1_000), notAfter: at(minuteMs) }));
    const begin = (name: string, more: object) =>
      service.ask('POST', '/v1/broadcasts', {
        json: {
          template: 'welcome',
          broadcastName: name,
          recipients: [{ to: '14155556001' }, { to: '14155556002' }],
          ...more,
        },
        headers: { 'idempotency-key': name },
      });
    const broadcasts = [
      bodyOf(await begin('scheduled', { sendAt: at(1_000), notAfter: at(minuteMs) })),
      bodyOf(await begin('paused', { sendAt: at(1_000), notAfter: at(minuteMs) })),
    ];
    await service.ask('POST', `/v1/broadcasts/${broadcasts[1]?.id}/pause`);
    // As if no process had run for that time.
    clock.now += minuteMs;
    await endsExpired(scene, scheduled.id);
    for (const { id } of broadcasts) {
      const state = async () => bodyOf(await service.ask('GET', `/v1/broadcasts/${id}`));
      await expect.poll(state, patiently).toMatchObject({ status: 'done', counts: { total: 2, notSent: 2 } });
    }
    expect(processed(scene)).toBe(0);
    expect((await service.ask('GET', '/metrics')).text).toContain('wati_bff_expired_total 5');
    expect((await service.ask('GET', '/v1/operations/callers')).json).toMatchObject({
      data: [{ id: 'tester', today: { accepted: 1, notSent: 5 } }],
    });
  });

  test('as a file, whose bytes wait for a permit', async () => {
    const scene = await start({ isShut: true });
    const { service, clock, at, gate } = scene;
    const notAfter = encodeURIComponent(at(minuteMs));
    const asks = [fileSubject(to)].map(({ method, path, ask }) =>
      service.ask(method, `${path}&notAfter=${notAfter}`, ask),
    );
    await expect.poll(gate.waiting, patiently).toBe(1);
    clock.now += minuteMs;
    for (const answer of await Promise.all(asks)) expect(answer).toMatchObject(isExpired);
    gate.open();
    await expect.poll(gate.waiting, patiently).toBe(0);
    expect((await text(scene, { text: 'Another' })).status).toBe(201);
    expect(processed(scene)).toBe(1);
    expect(await scene.store.counts()).toMatchObject({ not_sent: 1, queued: 0, sending: 0 });
  });
});

describe('a resend keeps the time of its original, and has to name another one after it', () => {
  const ask = ({ service }: Scene, path: string, more: object) =>
    service.ask('POST', `/v1/${path}/resend`, {
      json: { reason: 'nothing came', ...more },
      headers: { 'idempotency-key': `again ${path}`.replace(/\W/g, '-') },
    });
  const refused = async (scene: Scene, path: string) => {
    const detail = expect.stringContaining('name a new `notAfter`');
    expect(await ask(scene, path, {})).toMatchObject({
      status: 409,
      json: { type: problem('message-expired'), detail },
    });
    const past = await ask(scene, path, { notAfter: scene.at(-1) });
    expect(past).toMatchObject({ status: 400, json: { errors: [{ pointer: '/notAfter' }] } });
  };
  /** Also repeats the request. */
  const accepted = async (scene: Scene, path: string, status: number) => {
    const notAfter = scene.at(minuteMs);
    expect(await ask(scene, path, { notAfter })).toMatchObject({ status, json: { notAfter } });
    const repeated = await ask(scene, path, { notAfter });
    expect(repeated).toMatchObject({ status, headers: { 'idempotency-replayed': 'true' } });
    const other = await ask(scene, path, { notAfter: scene.at(2 * minuteMs) });
    expect(other).toMatchObject({ status: 422, json: { type: problem('idempotency-mismatch') } });
  };

  test.each(['messages', 'operations/messages'])('of %s', async (side) => {
    const scene = await start();
    const { service, clock, at } = scene;
    const notAfter = at(minuteMs);
    service.simulator.script('sendSessionMessage', ...Array(3).fill({ status: 429, headers: { 'retry-after': '0' } }));
    expect(bodyOf(await text(scene, { notAfter, reference: 'A-77' }))).toMatchObject({ outcome: 'not_sent' });
    const [{ id } = { id: '' }] = (await scene.store.list('tester', { status: 'not_sent' }, { limit: 1 })).messages;
    const inTime = await ask(scene, `${side}/${id}`, {});
    expect(inTime).toMatchObject({ status: 201, json: { resendOf: id, reference: 'A-77', notAfter } });
    const late = bodyOf(await text(scene, { sendAt: at(1_000), notAfter }));
    clock.now += minuteMs;
    await endsExpired(scene, late.id);
    await refused(scene, `${side}/${late.id}`);
    expect(processed(scene)).toBe(1);
    await accepted(scene, `${side}/${late.id}`, 201);
  });

  test('of a broadcast', async () => {
    const scene = await start();
    const { service, clock, at } = scene;
    const json = { template: 'welcome', broadcastName: 'late', recipients: [{ to: '14155556001' }] };
    const { id } = bodyOf(
      await service.ask('POST', '/v1/broadcasts', {
        json: { ...json, sendAt: at(1_000), notAfter: at(minuteMs) },
        headers: { 'idempotency-key': 'late' },
      }),
    );
    clock.now += minuteMs;
    const state = async () => bodyOf(await service.ask('GET', `/v1/broadcasts/${id}`));
    await expect.poll(state, patiently).toMatchObject({ status: 'done', counts: { notSent: 1 } });
    await refused(scene, `broadcasts/${id}`);
    await accepted(scene, `broadcasts/${id}`, 202);
    await expect.poll(() => processed(scene), patiently).toBe(1);
  });
});

test.each(sendingTo(() => to))(
  'a message on the wire ends as it ends: $name',
  async ({ operation, method, path, ask }) => {
    const scene = await start();
    const { service, clock, at } = scene;
    const answer = Promise.withResolvers<void>();
    service.simulator.script(operation, { until: answer.promise });
    const waiting = service.ask(method, path, { ...ask, json: { ...Object(ask?.json), notAfter: at(minuteMs) } });
    await expect.poll(() => processed(scene), patiently).toBe(1);
    clock.now += 2 * minuteMs;
    answer.resolve();
    expect(await waiting).toMatchObject({ status: 201, json: { status: 'accepted' } });
  },
);
