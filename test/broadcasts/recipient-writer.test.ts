import { expect, it } from 'vitest';
import { RecipientWriter } from '../../src/broadcasts/recipient-writer.ts';

const recipients = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => ({ to: String(from + n) }));

/** Each batch is held until it is let go. */
function heldWriter() {
  const held: { to: string[]; end: PromiseWithResolvers<number> }[] = [];
  const writer = new RecipientWriter((batch) => {
    const end = Promise.withResolvers<number>();
    held.push({ to: batch.map(({ to }) => to), end });
    return end.promise;
  });
  return { writer, held };
}

it('writes what is added meanwhile as the next batch, one batch at a time and in order', async () => {
  const { writer, held } = heldWriter();
  await writer.add(recipients(0, 3));
  await writer.add(recipients(3, 5));
  await writer.add(recipients(5, 10));
  expect(held.map(({ to }) => to)).toEqual([['0', '1', '2']]);
  expect(writer.total).toBe(10);
  const ended = writer.end();
  held[0]?.end.resolve(3);
  await expect.poll(() => held.length).toBe(2);
  expect(held[1]?.to).toEqual(['3', '4', '5', '6', '7', '8', '9']);
  // One of them was sent again by another resend.
  held[1]?.end.resolve(6);
  expect(await ended).toBe(9);
});

it('takes no more than a batch in advance', async () => {
  const { writer, held } = heldWriter();
  let added = false;
  const adding = writer.add(recipients(0, 1_200)).then(() => {
    added = true;
  });
  await Promise.resolve();
  expect([added, held.map(({ to }) => to.length)]).toEqual([false, [500]]);
  held[0]?.end.resolve(500);
  await adding;
  expect(held.map(({ to }) => to.length)).toEqual([500, 500]);
});

it('reports a batch that failed, and writes nothing after it', async () => {
  const { writer, held } = heldWriter();
  await writer.add(recipients(0, 1));
  await writer.add(recipients(1, 2));
  held[0]?.end.reject(new Error('disk full'));
  await expect(writer.end()).rejects.toThrow('disk full');
  await expect(writer.add(recipients(2, 600))).rejects.toThrow('disk full');
  await writer.stop();
  expect(held).toHaveLength(1);
});

it('is stopped once the batch under way is written, and writes nothing more', async () => {
  const { writer, held } = heldWriter();
  await writer.add(recipients(0, 1));
  await writer.add(recipients(1, 2));
  let stopped = false;
  const stopping = writer.stop().then(() => {
    stopped = true;
  });
  await Promise.resolve();
  expect(stopped).toBe(false);
  held[0]?.end.resolve(1);
  await stopping;
  expect(held).toHaveLength(1);
});
