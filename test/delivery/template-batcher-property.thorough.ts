import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDelivery } from '../../src/delivery/delivery-service.ts';
import { createCircuitBreaker } from '../../src/delivery/dispatch/circuit-breaker.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createSendCalls } from '../../src/upstream/send-calls.ts';
import type { Call, HttpResult } from '../../src/upstream/types.ts';
import { fixedSizes } from '../support/fixed-sizes.ts';

const hourMs = 60 * 60 * 1000;
const options = { keyRetentionMs: hourMs, unknownRetentionMs: hourMs, recordRetentionMs: hourMs, leaseMs: 15_000 };
const batchMax = { urgent: 2, interactive: 4, broadcast: 1 };
const batchSizes = fixedSizes(batchMax);

const asks = fc.array(
  fc.record({
    to: fc.integer({ min: 0, max: 4 }),
    template: fc.constantFrom('one', 'two'),
    caller: fc.constantFrom('a', 'b'),
    lane: fc.constantFrom('urgent' as const, 'interactive' as const),
    channel: fc.constantFrom(undefined, '919999900001', '919999900002'),
    afterMs: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 25 },
);
/** What befalls each call, in turn; then all is well. */
const fates = fc.array(fc.constantFrom('well', 'limited', 'lost', 'without the first'), { maxLength: 8 });

interface Body {
  template_name: string;
  receivers: { whatsappNumber: string; localMessageId: string; customParams: { value: string }[] }[];
}

/** One call in so many milliseconds. */
const aDelivery = (store: Store, closing: AbortSignal, attempt: (call: Call) => Promise<HttpResult>, everyMs: number) =>
  createDelivery({
    store,
    transport: { execute: attempt, read: attempt },
    diagnosis: { unauthorized: async () => '', connectionProblem: async () => undefined },
    sendCalls: createSendCalls(),
    breaker: createCircuitBreaker(async () => true, closing),
    closing,
    stopped: { reasonFor: () => undefined },
    newId: randomUUID,
    now: Date.now,
    sendTimeoutMs: 60_000,
    holds: { reasonFor: () => undefined },
    splitsBatches: true,
    batchSizes,
    rateLimiter: {
      acquire: () => new Promise((resume) => setTimeout(resume, everyMs)),
      isPermitValid: () => true,
      expectedWaitMs: () => 0,
      reportTooManyRequests: () => {},
    },
  });

test('in any order of answers each message is sent once, through its own channel, in order per person, never two to one person in a call', async () => {
  await fc.assert(
    fc.asyncProperty(asks, fates, async (sends, befalls) => {
      const store = await openStore('memory:', options);
      const closing = new AbortController();
      const calls: Body[] = [];
      const processed: { to: string; template: string; channel: string | undefined; number: number }[] = [];
      const left = [...befalls];
      const attempt = async (call: Call): Promise<HttpResult> => {
        const body = call.json as Body;
        calls.push(body);
        await new Promise((resume) => setTimeout(resume, calls.length % 3));
        const fate = left.shift() ?? 'well';
        if (fate === 'limited') return { kind: 'answered', status: 429, headers: { 'retry-after': '0' }, text: '' };
        for (const { whatsappNumber: to, customParams } of body.receivers) {
          const number = Number(customParams[0]?.value);
          processed.push({ to, template: body.template_name, channel: call.channel, number });
        }
        if (fate === 'lost') return { kind: 'failed', bytesSent: true, timedOut: false, cause: new Error('lost') };
        const named = fate === 'well' ? body.receivers : body.receivers.slice(1);
        const receivers = named.map(({ localMessageId }) => ({ localMessageId, errors: [] })).toReversed();
        return { kind: 'answered', status: 200, headers: {}, text: JSON.stringify({ result: true, receivers }) };
      };
      const delivery = aDelivery(store, closing.signal, attempt, 2);
      const outcomes = await Promise.all(
        sends.map(async ({ to, template, caller, lane, channel, afterMs }, number) => {
          await new Promise((resume) => setTimeout(resume, afterMs));
          const parameters = { number: String(number) };
          const content = { kind: 'template' as const, body: { to: `1415555100${to}`, template, parameters } };
          const context = { connection: 'one', channel, turn: { caller, lane } };
          return (await delivery.send({ requester: { caller, route: 'x' }, content, context, waitMs: 60_000 })).stored;
        }),
      );
      closing.abort();
      await delivery.close();
      await store.close();

      for (const { receivers } of calls) {
        expect(receivers.length).toBeLessThanOrEqual(4);
        expect(new Set(receivers.map(({ whatsappNumber }) => whatsappNumber)).size).toBe(receivers.length);
      }
      const times = (number: number) => processed.filter((each) => each.number === number).length;
      for (const [number, { status }] of outcomes.entries()) {
        if (status === 'accepted') expect(times(number)).toBe(1);
        else if (status === 'not_sent') expect(times(number)).toBe(0);
        else expect([status, times(number)]).toEqual(['unknown', 1]);
      }
      expect(processed.length).toBe(new Set(processed.map(({ number }) => number)).size);
      for (const { number, template, channel } of processed) {
        expect([template, channel]).toEqual([sends[number]?.template, sends[number]?.channel]);
      }
    }),
    { numRuns: 60 },
  );
});

test('messages to one person are sent in the order of their requests', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 12 }),
      fates,
      async (people, befalls) => {
        const store = await openStore('memory:', options);
        const closing = new AbortController();
        const order = new Map<string, number[]>();
        const left = befalls.filter((fate) => fate !== 'without the first');
        const attempt = async (call: Call): Promise<HttpResult> => {
          const { receivers } = call.json as Body;
          await new Promise((resume) => setTimeout(resume, left.length % 4));
          const fate = left.shift();
          if (fate === 'limited') return { kind: 'answered', status: 429, headers: { 'retry-after': '0' }, text: '' };
          for (const { whatsappNumber: to, customParams } of receivers) {
            order.set(to, [...(order.get(to) ?? []), Number(customParams[0]?.value)]);
          }
          return { kind: 'answered', status: 200, headers: {}, text: '{"result":true}' };
        };
        const delivery = aDelivery(store, closing.signal, attempt, 1);
        const context = { connection: 'one', turn: { caller: 'a', lane: 'interactive' as const } };
        await Promise.all(
          people.map((to, number) => {
            const body = { to: `1415555100${to}`, template: 'one', parameters: { number: String(number) } };
            return delivery.send({
              requester: { caller: 'a', route: 'x' },
              content: { kind: 'template', body },
              context,
              waitMs: 60_000,
            });
          }),
        );
        closing.abort();
        await delivery.close();
        await store.close();
        for (const numbers of order.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      },
    ),
    { numRuns: 60 },
  );
});
