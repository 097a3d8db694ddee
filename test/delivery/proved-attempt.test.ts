import { expect, test } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import type { Store } from '../../src/store/open.ts';
import type { HttpResult } from '../../src/upstream/types.ts';
import { answered, startDelivery } from './delivery-harness.ts';

const proof = { outcome: 'accepted', evidence: 'local-id' };

/** WATI names each message that it was sent, before its answer is known. */
async function prove(store: Store): Promise<void> {
  const [message] = (await store.list('tester', {}, { limit: 1 })).messages;
  const [tracked] = await store.findTracked('one', [{ localMessageId: message?.localMessageId ?? message?.id ?? '' }]);
  const facts = { rank: 3, deliveredAt: Date.now(), source: 'webhook' } as const;
  const messages = [{ seq: tracked?.seq ?? -1, facts, proof: 'id', outcome: proof } as const];
  await store.applyTracking({ messages, conversations: [], done: [], postponed: [] });
}

test.each<[string, HttpResult]>([
  ['rejected', answered(400, '{"message":"no"}')],
  ['left open', { kind: 'failed', bytesSent: true, timedOut: true, cause: new Error('no answer') }],
  ['to be tried again', answered(429, '', { 'retry-after': '1' })],
])('a message that WATI named is accepted and not sent again, though its attempt was %s', async (_, answer) => {
  let calls = 0;
  let known: Store | undefined;
  const { delivery, store, close } = await startDelivery(async () => {
    calls++;
    if (known) await prove(known);
    return answer;
  });
  known = store;
  const sent = await delivery.send({
    requester: { caller: 'tester', route: 'POST /v1/messages/text' },
    content: { kind: 'text', body: { to: '14155551000', text: 'Hello' } },
    context: { connection: 'one' },
    waitMs: 5_000,
  });
  expect(sent.stored).toMatchObject({ status: 'accepted', outcome: proof, delivery: { rank: 3 } });
  expect(sent.stored).not.toHaveProperty('failure');
  expect(calls).toBe(1);
  await close();
});

test('a message that WATI named is accepted and counted also where the store cannot be read right after', async () => {
  const counted: string[] = [];
  let known: Store | undefined;
  let failures = 0;
  const { delivery, store, close } = await startDelivery(
    async () => {
      if (known) await prove(known);
      failures = 3;
      return answered(400, '{"message":"no"}');
    },
    (real) => ({
      find: async (...asked) => {
        if (failures > 0) {
          failures -= 1;
          throw new StoreError('the store could not read');
        }
        return real.find(...asked);
      },
    }),
    { onProved: (_, said) => void counted.push(said) },
  );
  known = store;
  const sent = await delivery.send({
    requester: { caller: 'tester', route: 'POST /v1/messages/text' },
    content: { kind: 'text', body: { to: '14155551000', text: 'Hello' } },
    context: { connection: 'one' },
    waitMs: 30_000,
  });
  expect(sent.stored).toMatchObject({ status: 'accepted', outcome: proof });
  expect(counted).toEqual(['rejected']);
  await close();
});
