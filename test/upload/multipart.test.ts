import { expect, it } from 'vitest';
import { REFUSED } from './multipart-cases.ts';
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
