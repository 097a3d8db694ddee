import { expect, it } from 'vitest';
import { FRAMING_BYTES_MAX } from '../../src/upload/incoming-form.ts';
import { D, REFUSED } from './multipart-cases.ts';
import { codeOf, form, grow, JPEG, readStrictly, receive, reframed, run } from './multipart-helper.ts';
import { SENT } from './multipart-sent-cases.ts';

// In one piece; multipart.thorough.ts cuts them anywhere.
it.each(REFUSED)('a form is refused for %s, and nothing complete goes out', async (_, code, given, options) => {
  const outcome = await run(Buffer.isBuffer(given) ? given : form(given), options);
  expect(codeOf(outcome)).toBe(code);
  expect(readStrictly(outcome.out, outcome.contentType)).toBeUndefined();
});

it.each(SENT)(
  'a form goes out as our own, with the declared length: %s',
  async (_, given, fileName, _type, options) => {
    const body = form(given);
    const outcome = await run(body, { ...options, contentLength: body.length });
    expect(outcome).toMatchObject({ head: { fileName, contentLength: outcome.out.length } });
    expect(readStrictly(outcome.out, outcome.contentType)?.file).toEqual(Buffer.from(given.file ?? JPEG));
  },
);

it('yields to other work between many chunks of one byte', async () => {
  const body = form({ disposition: D('filename=a.txt'), type: null, file: 'x'.repeat(20_000) });
  let [most, now, over] = [0, 0, false];
  const everyTurn = () => {
    [most, now] = [Math.max(most, now), 0];
    if (!over) setImmediate(everyTurn);
  };
  everyTurn();
  const onBytes = () => {
    now += 1;
  };
  expect((await run(body, { onBytes }, [1])).done).toMatchObject({ bytes: 20_000 });
  over = true;
  expect(Math.max(most, now)).toBeLessThanOrEqual(512);
});

it('yields to other work between parts of a large chunk of rows', async () => {
  const file = `Phone\n${'919800000000\n'.repeat(9_000)}`;
  const body = form({ disposition: D('filename=a.csv'), type: 'text/csv', file });
  let [turn, over] = [0, false];
  const everyTurn = () => {
    turn += 1;
    if (!over) setImmediate(everyTurn);
  };
  everyTurn();
  const parts: { turn: number; bytes: number }[] = [];
  const check = { write: ({ length }: Buffer) => void parts.push({ turn, bytes: length }), end: () => {} };
  const { done } = await run(body, { kinds: 'csv', check }, [body.length]);
  over = true;
  expect(done).toMatchObject({ bytes: file.length });
  expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(file.length);
  expect(Math.max(...parts.map(({ bytes }) => bytes))).toBeLessThanOrEqual(16 * 1024);
  expect(new Set(parts.map((part) => part.turn)).size).toBe(parts.length);
});

it.each([
  ['a part that the parser skips', { disposition: D("filename=a.jpg; filename*=UTF-8''a%0Ab.jpg"), end: '' }],
  ['the end of a file that waits to be sent', { file: grow(JPEG, 60_000) }],
])('reads no more of a body than a form with its file may have: past %s', async (_, given) => {
  const [bytesMax, chunkBytes] = [100_000, 10_000];
  let read = 0;
  const onBytes = (count: number) => {
    read += count;
  };
  function* body() {
    yield form(given);
    for (let chunk = 0; chunk < 200; chunk++) yield Buffer.alloc(chunkBytes, ' ');
  }
  let error: unknown;
  await receive(body(), {}, async (request) => {
    error = await reframed(request, { bytesMax, onBytes }).done.catch((reason: unknown) => reason);
  });
  expect(error).toMatchObject({ code: 'too-large' });
  expect(read).toBeLessThan(bytesMax + FRAMING_BYTES_MAX + 2 * chunkBytes);
});
