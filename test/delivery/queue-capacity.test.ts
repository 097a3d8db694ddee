import { expect, test } from 'vitest';
import { createCircuitBreaker } from '../../src/delivery/dispatch/circuit-breaker.ts';
import { startDelivery, yes } from './delivery-harness.ts';

const content = { kind: 'text' as const, body: { to: '14155551000', text: 'Hello' } };

test('a message without a waiting client, scheduled or not, is refused while its connection is held and the queue is full', async () => {
  const closing = new AbortController();
  const breaker = createCircuitBreaker(async () => false, closing.signal);
  breaker.trip('held', { code: 'credentials-refused', detail: 'the key is refused' });
  const { delivery, store, close } = await startDelivery(
    async () => yes,
    () => ({ countQueued: async (limit) => limit }),
    { breaker },
  );
  const send = (connection: string, sendAt?: string, waitMs = 0) => {
    const requester = { caller: 'tester', route: 'POST /v1/messages/text', ...(sendAt !== undefined && { sendAt }) };
    return delivery.send({ requester, content, context: { connection }, waitMs });
  };
  const later = new Date(Date.now() + 3_600_000).toISOString();
  for (const waitMs of [0, 5_000]) {
    await expect(send('held', later, waitMs)).rejects.toMatchObject({ slug: 'rate-limited' });
  }
  await expect(send('held')).rejects.toMatchObject({ slug: 'rate-limited' });
  expect((await store.counts()).queued).toBe(0);
  expect((await send('open', later)).stored).toMatchObject({ status: 'queued', sendAt: later });
  closing.abort();
  await close();
});
