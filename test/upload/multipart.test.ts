import { expect, it } from 'vitest';
import { D, REFUSED } from './multipart-cases.ts';
import { codeOf, form, JPEG, readStrictly, run } from './multipart-helper.ts';
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

it('lets others have their turn between many chunks of one byte', async () => {
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
