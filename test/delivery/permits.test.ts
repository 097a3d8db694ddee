import { describe, expect, it, test, vi } from 'vitest';
import { createCircuitBreaker } from '../../src/delivery/dispatch/circuit-breaker.ts';
import type { Content } from '../../src/delivery/send-content.ts';
import type { RateLimiter } from '../../src/rate-limit/types.ts';
import { StoreError } from '../../src/store/errors.ts';
import type { Call } from '../../src/upstream/types.ts';
import { answered, leaseThatIsOut, startDelivery, yes } from './delivery-harness.ts';

const requester = { caller: 'tester', route: 'POST /v1/messages/text' };
const text = (to: string): Content => ({ kind: 'text', body: { to, text: 'Hello' } });
const template = (to: string): Content => ({
  kind: 'template',
  body: { to, template: 'order_update', parameters: {}, broadcastName: 'order_update' },
});
const refusing = async () => false;
const unauthorized = answered(401, '{"message":"invalid token"}');

/** Permits that the test grants, and that are good until it says that they have aged. */
function heldTurns() {
  const waiting: { lane: string; grant: () => void }[] = [];
  let agedAt = Number.NEGATIVE_INFINITY;
  const age = () => {
    agedAt = performance.now();
  };
  const rateLimiter: RateLimiter = {
    acquire: ({ lane }) => new Promise((grant) => waiting.push({ lane, grant })),
    isPermitValid: (permitGrantedAt) => permitGrantedAt > agedAt,
    expectedWaitMs: () => 0,
    reportTooManyRequests: () => {},
  };
  return { rateLimiter, waiting, age };
}

test('an unused permit expires: before the first byte another one is acquired', async () => {
  const { rateLimiter, waiting, age } = heldTurns();
  const calls: Call[] = [];
  const lease = leaseThatIsOut();
  const { delivery, close } = await startDelivery(
    async (call) => {
      calls.push(call);
      return yes;
    },
    lease.claims,
    { rateLimiter },
  );
  const sent = delivery.send({
    requester,
    content: text('14155551000'),
    context: { connection: 'one' },
    waitMs: 5_000,
  });
  await expect.poll(() => waiting.length).toBe(1);
  waiting[0]?.grant();
  await expect.poll(lease.asked).toBeGreaterThan(0);
  age();
  lease.renew();
  await expect.poll(() => waiting.length).toBe(2);
  expect(calls).toEqual([]);
  waiting[1]?.grant();
  expect((await sent).stored.status).toBe('accepted');
  expect(waiting.map(({ lane }) => lane)).toEqual(['interactive', 'urgent']);
  await close();
});

describe.each([
  ['text', text],
  ['template', template],
] as const)('while the credentials of a connection are refused, a %s', (_kind, contentTo) => {
  it('keeps a message queued when its permit arrives after the breaker opened', async () => {
    const { rateLimiter, waiting } = heldTurns();
    const calls: Call[] = [];
    const attempt = async (call: Call) => {
      calls.push(call);
      return unauthorized;
    };
    const { delivery, close } = await startDelivery(attempt, undefined, { rateLimiter, probe: refusing });
    const send = (to: string) =>
      delivery.send({ requester, content: contentTo(to), context: { connection: 'dead' }, waitMs: 0 });
    const both = [await send('14155551000'), await send('14155551001')];
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    for (let granted = 0; granted < 4; granted += 1) {
      waiting[granted]?.grant();
      await expect.poll(() => calls.length).toBe(1);
      await new Promise((resume) => setTimeout(resume, 20));
    }
    expect(calls).toHaveLength(1);
    for (const { stored } of both) {
      expect((await delivery.find('tester', stored.id))?.status).toBe('queued');
    }
    await close();
  });
});

test('a message whose client waits is attempted again in time, although another one of its call is held meanwhile', async () => {
  const { rateLimiter, waiting } = heldTurns();
  const calls: number[] = [];
  let limit = () => {};
  const limited = new Promise<void>((resume) => {
    limit = resume;
  });
  const attempt = async ({ operation, json }: Call) => {
    if (operation === 'sendSessionMessage') return unauthorized;
    calls.push((json as { receivers: unknown[] }).receivers.length);
    if (calls.length > 1) return yes;
    await limited;
    return answered(429, '', { 'retry-after': '0' });
  };
  const { delivery, close } = await startDelivery(attempt, undefined, { rateLimiter, probe: refusing, group: 2 });
  const waited = delivery.send({
    requester,
    content: template('14155551000'),
    context: { connection: 'one' },
    waitMs: 5_000,
  });
  const held = await delivery.send({
    requester,
    content: template('14155551001'),
    context: { connection: 'one' },
    waitMs: 0,
  });
  waiting[0]?.grant();
  await expect.poll(() => calls).toEqual([2]);
  // A message of another caller trips the breaker.
  const other = await delivery.send({
    requester,
    content: text('14155551002'),
    context: { connection: 'one' },
    waitMs: 0,
  });
  await expect.poll(() => waiting.length).toBe(2);
  waiting[1]?.grant();
  await expect.poll(async () => (await delivery.find('tester', other.stored.id))?.attempts).toBe(1);
  await expect.poll(async () => (await delivery.find('tester', other.stored.id))?.status).toBe('queued');
  limit();
  await expect.poll(() => waiting.length).toBe(3);
  waiting[2]?.grant();
  expect((await waited).stored).toMatchObject({ status: 'accepted', attempts: 2 });
  expect(calls).toEqual([2, 1]);
  expect((await delivery.find('tester', held.stored.id))?.status).toBe('queued');
  await close();
});

test.each([
  ['text', text],
  ['template', template],
] as const)('refused credentials use up no attempt of a %s, and failures do', async (_kind, contentTo) => {
  const busy = answered(429, '', { 'retry-after': '0' });
  const refused = Array.from({ length: 4 }, () => unauthorized);
  for (const [answers, end] of [
    [[...refused, busy, busy, yes], { status: 'accepted', attempts: 7 }],
    [[busy, ...refused, busy, busy], { status: 'not_sent', attempts: 7 }],
  ] as const) {
    const left = [...answers];
    // Its probes are answered at once, as where reads are allowed and sends are not.
    const breaker = { ...createCircuitBreaker(refusing, AbortSignal.abort()), trip: () => {} };
    const { delivery, close } = await startDelivery(async () => left.shift() ?? yes, undefined, { breaker });
    const content = contentTo('14155551000');
    const { stored } = await delivery.send({ requester, content, context: { connection: 'one' }, waitMs: 0 });
    await expect.poll(() => delivery.find('tester', stored.id), { timeout: 5_000 }).toMatchObject(end);
    await close();
  }
});

test('a breaker that closes in vain is probed less and less often, until a message is accepted', async () => {
  vi.useFakeTimers();
  try {
    const breaker = createCircuitBreaker(async () => true, new AbortController().signal);
    const shutFor = async () => {
      breaker.trip('one', { code: 'credentials-refused', detail: 'no' });
      for (let seconds = 1; ; seconds += 1) {
        await vi.advanceTimersByTimeAsync(1_000);
        if (breaker.isClosed('one')) return seconds;
      }
    };
    const times: number[] = [];
    for (let n = 0; n < 7; n += 1) times.push(await shutFor());
    expect(times).toEqual([1, 2, 4, 8, 16, 30, 30]);
    breaker.recordSuccess('one');
    expect(await shutFor()).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});

test.each([
  ['taken', yes, true],
  ['refused for its number by WATI itself', answered(200, '{"result":false,"validWhatsAppNumber":false}'), true],
  ['refused for the key', unauthorized, false],
  // The gateway says so of a connection that is not there, too.
  ['refused as a bad request', answered(400, '{"message":"no connection"}'), false],
  ['answered by a page', answered(200, '<html>'), false],
  ['lost', answered(502, ''), false],
])('a send that is %s: whether the next refusal of its connection is a new one', async (_name, answer, isNew) => {
  const breaker = createCircuitBreaker(refusing, new AbortController().signal);
  const recordSuccess = vi.spyOn(breaker, 'recordSuccess');
  const { delivery, close } = await startDelivery(async () => answer, undefined, { breaker });
  await delivery.send({ requester, content: text('14155551000'), context: { connection: 'one' }, waitMs: 5_000 });
  expect(recordSuccess.mock.calls).toEqual(isNew ? [['one']] : []);
  await close();
});

test('a message stays as recorded if the process ends while the store is gone', async () => {
  let begins = 0;
  const { delivery, close } = await startDelivery(
    async () => yes,
    () => ({
      claimAll: async () => {
        begins += 1;
        throw new StoreError('no connection');
      },
    }),
  );
  const sent = delivery.send({
    requester,
    content: text('14155551000'),
    context: { connection: 'one' },
    waitMs: 5_000,
  });
  await expect.poll(() => begins).toBeGreaterThan(0);
  await close();
  expect((await sent).stored.status).toBe('queued');
});
