import { expect, test } from 'vitest';
import type { Content } from '../../src/delivery/send-content.ts';
import type { Call } from '../../src/upstream/types.ts';
import { answered, startDelivery, yes } from './delivery-harness.ts';

const requester = { caller: 'tester', route: 'POST /v1/messages/text' };
const text = (to: string): Content => ({ kind: 'text', body: { to, text: 'Hello' } });
const refusing = async () => false;
const unauthorized = answered(401, '{"message":"invalid token"}');

test('messages that wait for a connection stay in the store, use no capacity of others, and are limited in number', async () => {
  const attempt = async ({ connection }: Call) => (connection === 'dead' ? unauthorized : yes);
  const { delivery, close } = await startDelivery(attempt, undefined, { probe: refusing });
  const hold = (n: number) =>
    delivery.send({ requester, content: text(`1415555${1000 + n}`), context: { connection: 'dead' }, waitMs: 0 });
  const { stored } = await hold(0);
  // It was turned away, and waits.
  await expect.poll(async () => (await delivery.find('tester', stored.id))?.attempts).toBe(1);
  await expect.poll(async () => (await delivery.find('tester', stored.id))?.status).toBe('queued');
  for (let n = 1; n < 5_000; n += 1) await hold(n);
  // Nothing of them is kept in memory.
  await expect.poll(() => delivery.underWay).toBe(0);
  await expect(hold(5_000)).rejects.toMatchObject({ slug: 'rate-limited' });
  // Who is waited for would not be held, and hears what is wrong.
  const waited = await delivery.send({
    requester,
    content: text('14155551000'),
    context: { connection: 'dead' },
    waitMs: 5_000,
  });
  expect(waited.stored).toMatchObject({ status: 'rejected', failure: { code: 'credentials' } });
  expect(
    (await delivery.send({ requester, content: text('14155551000'), context: { connection: 'one' }, waitMs: 5_000 }))
      .stored.status,
  ).toBe('accepted');
  await close();
});
