import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCsvCheck } from '../../src/csv/csv-check.ts';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';
import type { ReframeOptions } from '../../src/upload/reframed.ts';
import type { UploadErrorCode } from '../../src/upload/upload-error.ts';
import { D, REFUSED } from './multipart-cases.ts';
import {
  BOUNDARY,
  codeOf,
  form,
  grow,
  JPEG,
  type Outcome,
  PDF,
  readStrictly,
  receive,
  reframed,
  run,
  sha256,
  slices,
} from './multipart-helper.ts';
import { SENT } from './multipart-sent-cases.ts';

const { setImmediate: immediate } = globalThis;
const MIB = 1024 * 1024;
const SPLITS = [[65_536], [1], [7, 1, 64], [2, 131, 3]];

function expectRefused(outcome: Outcome, code: UploadErrorCode): void {
  expect([codeOf(outcome), outcome.error]).toEqual([code, expect.any(Error)]);
  expect(outcome.done).toBeUndefined();
  expect(readStrictly(outcome.out, outcome.contentType)).toBeUndefined();
}

function expectSent(outcome: Outcome, file: Buffer, fileName: string, type: string, field = 'file'): void {
  expect(outcome.error).toBeUndefined();
  const read = readStrictly(outcome.out, outcome.contentType);
  expect(read?.headers).toEqual([
    `Content-Disposition: form-data; name="${field}"; filename="${fileName}"`,
    `Content-Type: ${type}`,
  ]);
  expect(read?.file.equals(file)).toBe(true);
  expect(outcome.done).toEqual({ bytes: file.length, sha256: sha256(file) });
  expect(outcome.head).toMatchObject({ fileName, mimeType: type });
  if (outcome.head?.contentLength !== undefined) expect(outcome.out.length).toBe(outcome.head.contentLength);
}

describe('an upload', () => {
  it.each(REFUSED)('is refused for %s', async (_, code, given, options) => {
    const body = Buffer.isBuffer(given) ? given : form(given);
    for (const sizes of SPLITS) expectRefused(await run(body, options, sizes), code);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }), async (sizes) => {
        expectRefused(await run(body, options, sizes), code);
      }),
      { numRuns: 8, seed: 1 },
    );
  });

  it.each(SENT)('is sent as our own part alone: %s', async (_, given, name, type = 'image/jpeg', options = {}) => {
    const body = form(given);
    const file = Buffer.from(given.file ?? JPEG);
    for (const sizes of SPLITS) {
      for (const contentLength of [undefined, body.length]) {
        const withLength = contentLength === undefined ? options : { ...options, contentLength };
        const outcome = await run(body, withLength, sizes);
        expectSent(outcome, file, name, type, options.upstreamField);
        expect(outcome.head?.contentLength === undefined).toBe(contentLength === undefined);
      }
    }
  });

  it('takes any valid boundary, quoted', async () => {
    const boundary = "aA0'()+_,-./:=? z";
    const body = Buffer.from(form().toString('latin1').replaceAll(BOUNDARY, boundary), 'latin1');
    const contentType = `Multipart/Form-Data; charset=utf-8; Boundary="${boundary}"`;
    for (const sizes of SPLITS) expectSent(await run(body, { contentType }, sizes), JPEG, 'a.jpg', 'image/jpeg');
  });

  it.each([1, 4099, 4100, 4101, MIB - 1, MIB, MIB + 1, 5 * MIB])('of %i bytes arrives whole', async (length) => {
    const text = { disposition: D('filename=a.txt'), type: 'text/plain', file: grow(Buffer.from('t'), length) };
    const body = form(text);
    for (const sizes of [[65_536], [1000, 1, 4096]]) {
      const outcome = await run(body, { contentLength: body.length }, sizes);
      expectSent(outcome, text.file, 'a.txt', 'text/plain');
    }
  });

  it('has the limit of its kind', async () => {
    for (const [bytes, refused] of [
      [5 * MIB, false],
      [5 * MIB + 1, true],
    ] as const) {
      const body = form({ file: grow(JPEG, bytes) });
      for (const options of [{}, { contentLength: body.length }]) {
        const outcome = await run(body, options);
        expect(codeOf(outcome)).toBe(refused ? 'too-large' : undefined);
        if (refused) expect(outcome.error).toMatchObject({ limitBytes: 5 * MIB });
      }
    }
  });

  it('never sends a byte of a file that its length shows to be too large', async () => {
    const body = form({ file: grow(JPEG, 6 * MIB) });
    expect((await run(body, { contentLength: body.length })).out.length).toBe(0);
  });

  it('reads back to the same bytes, whatever they are and wherever they are cut', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom('\r', '\n', '\r\n', '--', `--${BOUNDARY}`, `\r\n--${BOUNDARY}`, ' ')
        .map((text) => Buffer.from(text)),
    );
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        async (pieces, sizes, finalCrlf) => {
          const file = Buffer.concat([JPEG, ...pieces]);
          const body = form({ file, end: `\r\n--${BOUNDARY}--${finalCrlf ? '\r\n' : ''}` });
          const outcome = await run(body, { contentLength: body.length }, sizes);
          if (outcome.error === undefined) {
            sent += 1;
            expectSent(outcome, file, 'a.jpg', 'image/jpeg');
          } else {
            expect(file.toString('latin1')).toMatch(new RegExp(`\r\n--${BOUNDARY}`));
            expect(readStrictly(outcome.out, outcome.contentType)).toBeUndefined();
          }
        },
      ),
      { numRuns: 400, seed: 2 },
    );
    expect(sent).toBeGreaterThan(100);
  });

  it('cut anywhere is never a complete body', async () => {
    const body = form({ file: grow(JPEG, 5000) });
    for (let length = 0; length < body.length - 2; length += length < body.length - 40 ? 61 : 1) {
      expectRefused(await run(body.subarray(0, length)), 'malformed');
      expectRefused(await run(body.subarray(0, length), { contentLength: body.length }), 'malformed');
    }
  });

  it('with any byte changed never shows more than one part of ours', async () => {
    const body = form();
    await fc.assert(
      fc.asyncProperty(fc.nat(body.length - 1), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
        const changed = Buffer.from(body);
        changed[at] = byte;
        const outcome = await run(changed, { contentLength: body.length });
        const read = readStrictly(outcome.out, outcome.contentType);
        expect(read === undefined).toBe(outcome.error !== undefined);
        if (read) expect(read.headers).toHaveLength(2);
        else expect(codeOf(outcome)).toBeDefined();
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  it('is aborted when its caller disconnects', async () => {
    const over = Promise.withResolvers<void>();
    const chunks = (async function* () {
      yield form({ file: grow(JPEG, 9000), end: '' });
      await over.promise;
    })();
    await receive(chunks, {}, async (request) => {
      const { stream, head, done } = reframed(request);
      stream.resume();
      await expect(head).resolves.toMatchObject({ kind: 'image' });
      request.raw.destroy();
      request.raw.emit('close');
      await expect(done).rejects.toMatchObject({ code: 'malformed' });
      expect(stream.destroyed).toBe(true);
      over.resolve();
    });
  });

  it('leaves no rejection unhandled when nothing listens', async () => {
    await receive([Buffer.from('x'.repeat(5000))], {}, async (request) => {
      const { stream } = reframed(request);
      await new Promise((resolve) => stream.once('close', resolve));
      expect(stream.destroyed).toBe(true);
    });
    await receive([form()], {}, async (request) => {
      reframed(request).stream.destroy(new Error('the route gave up'));
      await setImmediate();
    });
  });

  it('stops reading while its bytes are not consumed', async () => {
    let given = 0;
    const chunks = (function* () {
      yield form({ disposition: D('filename=a.pdf'), type: null, file: PDF, end: '' });
      for (; given < 1000; given += 1) yield Buffer.alloc(65_536, 'x');
    })();
    await receive(chunks, {}, async (request) => {
      const { stream, head } = reframed(request);
      await head;
      for (let turn = 0; turn < 200; turn += 1) await setImmediate();
      stream.destroy();
    });
    expect(given).toBeLessThan(12);
  });

  it.each([
    ['a file', {}, form({ disposition: D('filename=a.pdf'), type: null, file: grow(PDF, 8 * MIB) }), 384 * 1024],
    [
      'a CSV',
      {
        kinds: 'csv' as const,
        check: createCsvCheck({ numbers: new PhoneNumbers(), rowsMax: 1_000_000, cellBytesMax: 100 }),
      },
      form({ disposition: D('filename=a.csv'), type: null, file: `Phone\r\n${'919812345678\r\n'.repeat(100_000)}` }),
      192 * 1024,
    ],
  ])('lets others have their turn: %s', async (_, options, body, inOneTurn) => {
    let [most, now, over] = [0, 0, false];
    const everyTurn = () => {
      [most, now] = [Math.max(most, now), 0];
      if (!over) immediate(everyTurn);
    };
    everyTurn();
    // All of it is there at once, and a reader who takes all of it, as sockets on one machine may be.
    await receive(slices(body, [65_536]), {}, async (request) => {
      const { stream, done } = reframed(request, options);
      stream.on('data', (bytes: Buffer) => {
        now += bytes.length;
      });
      await done.catch(() => {});
    });
    over = true;
    expect(most).toBeGreaterThan(0);
    expect(Math.max(most, now)).toBeLessThan(inOneTurn);
  });

  it('stays linear on one-byte chunks, long headers and near-boundaries', async () => {
    const headers = [`Content-Disposition: ${D('filename=a.jpg')}`, `X: ${' '.repeat(15_000)}\t`];
    const before = process.cpuUsage();
    await run(form({ headers, file: grow(JPEG, 200_000) }), {}, [1]);
    await run(form({ headers: [`Content-Disposition: ${D(`filename="${'\\'.repeat(15_000)}`)}`] }));
    await run(form({ headers: [`X: ${' \t'.repeat(7500)}\0`] }));
    // Of this process alone, however busy the machine is.
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(4000);
  });
});

describe('a CSV upload', () => {
  const csv = (): Partial<ReframeOptions> => ({
    kinds: 'csv',
    upstreamField: 'whatsapp_numbers_csv',
    check: createCsvCheck({ numbers: new PhoneNumbers(), rowsMax: 1000, cellBytesMax: 100 }),
  });
  const upload = (file: string, type = 'text/csv') => form({ disposition: D('filename="people.csv"'), type, file });
  const rows = (count: number) =>
    Array.from({ length: count }, (_, i) => `9198${String(i).padStart(8, '0')}\r\n`).join('');

  it.each(SPLITS)('is passed on with its bytes unchanged (%i)', async (...sizes) => {
    const file = `\uFEFFPhone\r\n${rows(500)}`;
    for (const type of ['text/csv', 'application/vnd.ms-excel', 'application/octet-stream']) {
      const body = upload(file, type);
      const outcome = await run(body, { ...csv(), contentLength: body.length }, sizes);
      expectSent(outcome, Buffer.from(file), 'people.csv', 'text/csv', 'whatsapp_numbers_csv');
    }
  });

  it('with a fault in the last row gets no final boundary', async () => {
    for (const sizes of SPLITS) {
      const outcome = await run(upload(`Phone\r\n${rows(500)}12\r\n`), csv(), sizes);
      expectRefused(outcome, 'invalid-csv');
      expect(outcome.error).toMatchObject({ errors: [{ pointer: '/rows/501/Phone' }] });
    }
  });

  it('with a wrong header sends nothing', async () => {
    const outcome = await run(upload(`Number\r\n${rows(500)}`), csv());
    expectRefused(outcome, 'invalid-csv');
    expect(outcome.out.length).toBe(0);
  });

  it.each([
    ['a picture', 'image/jpeg', '\u00ff'],
    ['binary', 'text/csv', 'Phone\r\n\0'],
  ])('is not %s', async (_, type, file) => {
    expectRefused(await run(upload(file, type), csv()), 'unsupported-type');
  });
});
