import { expect, test } from 'vitest';
import type { Delivery } from '../../src/delivery/types.ts';
import { StoreError } from '../../src/store/errors.ts';
import type { StoredMessage } from '../../src/store/message-store.ts';
import type { Call } from '../../src/upstream/types.ts';
import { answered, leaseThatIsOut, startDelivery, yes } from './delivery-harness.ts';

const requester = { caller: 'tester', route: 'POST /v1/messages/text' };
const context = { connection: 'one' };
const content = { kind: 'text' as const, body: { to: '14155551000', text: 'Hello' } };

test('a process that adopts its own message while that waits here for its next attempt sends it once', async () => {
  const calls: Call[] = [];
  const recorded: StoredMessage[] = [];
  const answer = Promise.withResolvers<void>();
  const { delivery, store, close } = await startDelivery(
    async (call) => {
      calls.push(call);
      if (calls.length === 1) return answered(429, '', { 'retry-after': '1' });
      await answer.promise;
      return yes;
    },
    (store) => ({
      insert: async (send) => {
        const outcome = await store.insert(send);
        if ('inserted' in outcome) recorded.push(outcome.inserted);
        return outcome;
      },
    }),
  );
  const sent = delivery.send({ requester, content, context, waitMs: 5_000 });
  await expect.poll(() => calls.length).toBe(1);
  await expect.poll(async () => (await store.find('tester', recorded[0]?.id ?? ''))?.status).toBe('queued');
  await delivery.recover();
  await delivery.feed();
  await expect.poll(() => calls.length).toBe(2);
  // It is delivered once in this process, and ends once.
  expect(delivery.underWay).toBe(1);
  answer.resolve();
  expect((await sent).stored).toMatchObject({ status: 'accepted', attempts: 2 });
  await expect.poll(() => delivery.underWay).toBe(0);
  expect(calls).toHaveLength(2);
  await close();
});

test('an attempt that was claimed under a lost lease is not made under the next one', async () => {
  let epoch = 1;
  const canSend: (boolean | undefined)[] = [];
  const { delivery, close } = await startDelivery(
    async (call) => {
      if (canSend.length === 0) epoch = 2;
      const may = call.canSend?.();
      canSend.push(may);
      return may ? yes : { kind: 'failed', bytesSent: false, timedOut: false, cause: new Error('not any more') };
    },
    () => ({ epoch: () => epoch }),
  );
  // Still its own in the store: so it is begun again, in the new epoch.
  const { stored } = await delivery.send({ requester, content, context, waitMs: 5_000 });
  expect(canSend).toEqual([false, true]);
  expect(stored).toMatchObject({ status: 'accepted', attempts: 2 });
  await close();
});

test('a message whose claim was committed without an acknowledgement before the lease expired is sent once', async () => {
  const calls: Call[] = [];
  let begins = 0;
  const { delivery, close } = await startDelivery(
    async (call) => {
      calls.push(call);
      return yes;
    },
    (store) => ({
      claimAll: async (marks) => {
        begins += 1;
        if (begins === 2) return new Set<string>();
        const begun = await store.claimAll(marks);
        if (begins === 1) throw new StoreError('the connection broke at the commit');
        return begun;
      },
    }),
  );
  const { stored } = await delivery.send({ requester, content, context, waitMs: 5_000 });
  expect(stored).toMatchObject({ status: 'accepted', attempts: 1 });
  expect([calls.length, begins]).toEqual([1, 3]);
  await close();
});

test('a message that cannot be claimed while the lease is expired is claimed once it is renewed', async () => {
  const calls: Call[] = [];
  const lease = leaseThatIsOut();
  const { delivery, close } = await startDelivery(async (call) => {
    calls.push(call);
    return yes;
  }, lease.claims);
  const sent = delivery.send({ requester, content, context, waitMs: 5_000 });
  await expect.poll(lease.asked).toBeGreaterThan(0);
  lease.renew();
  expect((await sent).stored).toMatchObject({ status: 'accepted', attempts: 1 });
  expect(calls).toHaveLength(1);
  await close();
});

test('a message that this process adopted and claimed before its insert was acknowledged is sent once', async () => {
  const calls: Call[] = [];
  let delivery: Delivery | undefined;
  const answer = Promise.withResolvers<void>();
  const made = await startDelivery(
    async (call) => {
      calls.push(call);
      await answer.promise;
      return yes;
    },
    (store) => ({
      // What PostgreSQL does where the answer of a commit comes so late that a recover has taken up the row.
      insert: async (send) => {
        const outcome = await store.insert(send);
        await delivery?.recover();
        await delivery?.feed();
        // The call is still on its way when this is answered.
        setImmediate(answer.resolve);
        return outcome;
      },
    }),
  );
  delivery = made.delivery;
  const { stored } = await delivery.send({ requester, content, context, waitMs: 5_000 });
  expect(stored).toMatchObject({ status: 'accepted', attempts: 1 });
  await expect.poll(() => delivery?.underWay).toBe(0);
  expect(calls.length).toBe(1);
  await made.close();
});

test('messages that an unacknowledged recovery adopted are sent, and those in delivery here are not sent twice', async () => {
  const texts: unknown[] = [];
  let recovers = 0;
  const written = Promise.withResolvers<void>();
  let writes = 0;
  const { delivery, store, close } = await startDelivery(
    async ({ query }) => {
      const text = query?.messageText;
      texts.push(text);
      return text === 'waits' && texts.length === 1 ? answered(429, '', { 'retry-after': '1' }) : yes;
    },
    (real) => ({
      recoverOrphans: async () => {
        recovers++;
        if (recovers === 1) throw new StoreError('the connection broke at the commit');
        return { unknown: 0, lostStreams: 0 };
      },
      insert: async (send) => {
        const outcome = await real.insert(send);
        writes++;
        if (writes === 2) await written.promise;
        return outcome;
      },
    }),
  );
  const send = (text: string) =>
    delivery.send({ requester, content: { ...content, body: { ...content.body, text } }, context, waitMs: 5_000 });
  const waits = send('waits');
  await expect.poll(() => texts).toEqual(['waits']);
  const slow = send('slow');
  await expect.poll(() => writes).toBe(2);
  // As after a recovery has adopted it: the store says that this process owns it, and the process does not know yet.
  const call = { kind: 'text', body: { ...content.body, text: 'untold' } };
  await store.insert({
    id: 'untold',
    caller: 'tester',
    kind: 'text',
    connectionId: 'one',
    to: content.body.to,
    content: call,
  });
  await expect(delivery.recover()).rejects.toBeInstanceOf(StoreError);
  await delivery.recover();
  await delivery.feed();
  await expect.poll(async () => (await store.find('tester', 'untold'))?.status).toBe('accepted');
  written.resolve();
  expect([(await waits).stored, (await slow).stored]).toMatchObject([{ attempts: 2 }, { attempts: 1 }]);
  await delivery.recover();
  await delivery.feed();
  await expect.poll(() => delivery.underWay).toBe(0);
  expect(texts.toSorted()).toEqual(['slow', 'untold', 'waits', 'waits']);
  await close();
});
