import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCsvCheck } from '../../src/csv/csv-check.ts';
import { type ReframeOptions, reframe } from '../../src/upload/multipart.ts';
import type { UploadErrorCode } from '../../src/upload/upload-error.ts';
import {
  BOUNDARY,
  CFB,
  codeOf,
  DEFAULTS,
  type Form,
  form,
  grow,
  JPEG,
  MP4,
  type Outcome,
  PDF,
  PNG,
  readStrictly,
  run,
  sha256,
  zip,
} from './multipart-helper.ts';

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

const D = (rest: string) => `form-data; name="file"; ${rest}`;
const CLOSE = `\r\n--${BOUNDARY}--\r\n`;
const SECOND = `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="b"; filename="b.jpg"\r\n\r\nxx${CLOSE}`;

/** Each is refused, however it is cut into chunks. */
const REFUSED: [string, UploadErrorCode, Form | Buffer, Partial<ReframeOptions>?][] = [
  ['an empty body', 'malformed', Buffer.alloc(0)],
  ['no boundary in the body', 'malformed', Buffer.from('hello')],
  ['a preamble without end', 'malformed', { preamble: `${'x'.repeat(1025)}\r\n` }],
  ['LF line ends', 'malformed', Buffer.from(form().toString('latin1').replaceAll('\r\n', '\n'), 'latin1')],
  ['an LF after the first boundary', 'no-file', Buffer.from(form().toString('latin1').replace('\r\n', '\n'), 'latin1')],
  ['a form without parts', 'no-file', Buffer.from(`--${BOUNDARY}--\r\n`)],
  ['a preamble, then the end', 'no-file', Buffer.from(`hi\r\n--${BOUNDARY}--\r\n`)],
  ['no closing boundary', 'malformed', { end: '' }],
  ['a cut closing boundary', 'malformed', { end: `\r\n--${BOUNDARY}-` }],
  ['an open boundary at the end', 'malformed', { end: `\r\n--${BOUNDARY}` }],
  ['a closing boundary without its CRLF', 'malformed', { end: `--${BOUNDARY}--\r\n` }],
  ['an LF before the closing boundary', 'malformed', { end: `\n--${BOUNDARY}--\r\n` }],
  ['half a line end behind it', 'malformed', { end: `\r\n--${BOUNDARY}--\r` }],
  ['an LF behind it', 'malformed', { end: `\r\n--${BOUNDARY}--\n` }],
  ['an epilogue', 'malformed', { end: `${CLOSE}x` }],
  ['two line ends behind it', 'malformed', { end: `${CLOSE}\r\n` }],
  ['a second body', 'malformed', Buffer.concat([form(), form()])],
  ['text right behind the closing boundary', 'malformed', { end: `\r\n--${BOUNDARY}--junk` }],
  ['endless padding', 'malformed', { end: `\r\n--${BOUNDARY}${' '.repeat(80)}\r\n` }],
  ['a second file', 'too-many-parts', { end: SECOND }],
  ['a second part after padding', 'too-many-parts', { end: `\r\n--${BOUNDARY} \t\r\n\r\n${CLOSE}` }],
  [
    'a field beside the file',
    'too-many-parts',
    { end: `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1${CLOSE}` },
  ],
  ['a field before the file', 'wrong-field', { disposition: 'form-data; name="caption"', type: null, end: SECOND }],
  ['another field', 'wrong-field', { disposition: 'form-data; name="upload"; filename="a.jpg"' }],
  ['the field in other letters', 'wrong-field', { disposition: 'form-data; name="File"; filename="a.jpg"' }],
  ['_charset_', 'wrong-field', { disposition: 'form-data; name="_charset_"', type: null }],
  ['a value in place of the file', 'no-file', { disposition: 'form-data; name="file"' }],
  ['an empty file', 'no-file', { file: '' }],
  [
    'an empty file field of a browser',
    'no-file',
    { disposition: D('filename=""'), type: 'application/octet-stream', file: '' },
  ],
  ['no headers', 'malformed', { headers: [] }],
  ['no disposition', 'malformed', { headers: ['Content-Type: image/jpeg'] }],
  ['no name', 'malformed', { disposition: 'form-data; filename="a.jpg"' }],
  ['a bare disposition', 'malformed', { disposition: 'form-data' }],
  ['another disposition', 'malformed', { disposition: 'attachment; name="file"; filename="a.jpg"' }],
  [
    'two dispositions',
    'malformed',
    { headers: [`Content-Disposition: ${D('filename=a.jpg')}`, `content-disposition: ${D('filename=b.jpg')}`] },
  ],
  [
    'two content types',
    'malformed',
    { headers: [`Content-Disposition: ${D('filename=a.jpg')}`, 'Content-Type: image/jpeg', 'Content-Type: text/html'] },
  ],
  ['two names', 'malformed', { disposition: D('name="other"; filename="a.jpg"') }],
  ['two file names', 'malformed', { disposition: D('filename="a.jpg"; FILENAME="b.exe"') }],
  ['an open quote', 'malformed', { disposition: D('filename="a.jpg') }],
  ['a quote within quotes', 'malformed', { disposition: D('filename="a"b.jpg"') }],
  ['an escaped closing quote', 'malformed', { disposition: D('filename="a.jpg\\"') }],
  ['rubbish after a parameter', 'malformed', { disposition: D('filename="a.jpg" x') }],
  ['a folded header', 'malformed', { headers: ['Content-Disposition: form-data;', ' name="file"; filename="a.jpg"'] }],
  ['a header without colon', 'malformed', { headers: [`Content-Disposition: ${D('filename=a.jpg')}`, 'nothing'] }],
  ['a blank before the colon', 'malformed', { headers: [`Content-Disposition : ${D('filename=a.jpg')}`] }],
  ['a lone CR in a name', 'malformed', { disposition: D('filename="a\rX-Evil: 1.jpg"') }],
  ['a lone LF in a name', 'malformed', { disposition: D('filename="a\nX-Evil: 1.jpg"') }],
  ['a CRLF in a name', 'malformed', { disposition: D('filename="a\r\nX-Evil: 1.jpg"') }],
  ['a NUL in a name', 'malformed', { disposition: D('filename="a\0.jpg"') }],
  ['a header block of 16 KB and more', 'malformed', { headers: [`X: ${'x'.repeat(17_000)}`] }],
  ['a header block without end', 'malformed', Buffer.from(`--${BOUNDARY}\r\n${'x'.repeat(40_000)}`)],
  [
    '21 header lines',
    'malformed',
    { headers: [`Content-Disposition: ${D('filename=a.jpg')}`, ...Array.from({ length: 20 }, (_, i) => `X-${i}: 1`)] },
  ],
  [
    'headers that are not UTF-8',
    'malformed',
    Buffer.from(form({ disposition: D('filename="\u00e9.jpg"') }).toString('utf8'), 'latin1'),
  ],
  [
    'base64',
    'malformed',
    { headers: [`Content-Disposition: ${D('filename=a.jpg')}`, 'Content-Transfer-Encoding: base64'] },
  ],
  [
    'quoted-printable',
    'malformed',
    { headers: [`Content-Disposition: ${D('filename=a.jpg')}`, 'Content-Transfer-Encoding: quoted-printable'] },
  ],
  ['a content type with a header in it', 'malformed', { type: 'image/jpeg\nX-Evil: 1' }],
  ['a content type that is none', 'malformed', { type: 'image' }],
  ['a content type with blanks', 'malformed', { type: 'image/j peg' }],
  [
    'a nested multipart',
    'unsupported-type',
    { type: 'multipart/mixed; boundary=inner', file: '--inner\r\n\r\nx\r\n--inner--' },
  ],
  ['html', 'unsupported-type', { type: 'text/html', file: '<html>' }],
  ['svg', 'unsupported-type', { type: 'image/svg+xml', file: '<svg/>' }],
  ['a PNG called JPEG', 'unsupported-type', { file: PNG }],
  ['text called JPEG', 'unsupported-type', { file: 'hello' }],
  ['a PDF called text', 'unsupported-type', { type: 'text/plain', file: PDF }],
  ['a NUL in text', 'unsupported-type', { type: 'text/plain', file: 'a\0b' }],
  [
    'a JPEG called docx',
    'unsupported-type',
    { type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document' },
  ],
  [
    'a CFB called docx',
    'unsupported-type',
    { type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', file: CFB },
  ],
  ['a zip of no type', 'unsupported-type', { disposition: D('filename="a.zip"'), type: null, file: zip('a.txt') }],
  [
    'unknown bytes of no type',
    'unsupported-type',
    { disposition: D('filename="a.bin"'), type: 'application/octet-stream', file: 'hello' },
  ],
  ['an exe of no type', 'unsupported-type', { disposition: D('filename="a.txt"'), type: null, file: 'MZ\0\0' }],
  ['a file over the limit', 'too-large', { file: grow(JPEG, 5001) }, { bytesMax: 5000 }],
  ['a small file over the limit', 'too-large', { file: grow(JPEG, 101) }, { bytesMax: 100 }],
  [
    'a file over the limit by its length',
    'too-large',
    { file: grow(JPEG, 5001) },
    { bytesMax: 5000, contentLength: form({ file: grow(JPEG, 5001) }).length },
  ],
  ['a Content-Length beyond everything', 'too-large', {}, { bytesMax: 5000, contentLength: 30_000 }],
  ['a body shorter than its Content-Length', 'malformed', {}, { contentLength: form().length + 1 }],
  ['a body longer than its Content-Length', 'malformed', {}, { contentLength: form().length - 1 }],
  ['a body much longer than its Content-Length', 'malformed', { file: grow(JPEG, 20_000) }, { contentLength: 400 }],
  ['another body type', 'unsupported-type', {}, { contentType: `multipart/mixed; boundary=${BOUNDARY}` }],
  ['a form of another kind', 'unsupported-type', {}, { contentType: 'application/x-www-form-urlencoded' }],
  ['no boundary', 'malformed', {}, { contentType: 'multipart/form-data' }],
  ['an empty boundary', 'malformed', {}, { contentType: 'multipart/form-data; boundary=""' }],
  ['two boundaries', 'malformed', {}, { contentType: 'multipart/form-data; boundary=a; boundary=b' }],
  ['a boundary of 71', 'malformed', {}, { contentType: `multipart/form-data; boundary=${'b'.repeat(71)}` }],
  ['a boundary that ends in a blank', 'malformed', {}, { contentType: 'multipart/form-data; boundary="b "' }],
  ['a boundary with a star', 'malformed', {}, { contentType: 'multipart/form-data; boundary="b*b"' }],
  ['another boundary than the one named', 'malformed', {}, { contentType: 'multipart/form-data; boundary=abc' }],
];

const FALLBACK = 'file-0042.jpg';
/** Each goes out as exactly our part: what of it differs, the file name that comes out, its type. */
const SENT: [string, Form, string, (string | undefined)?, Partial<ReframeOptions>?][] = [
  ['a plain upload', {}, 'a.jpg'],
  ['no CRLF at the end', { end: `\r\n--${BOUNDARY}--` }, 'a.jpg'],
  ['a preamble', { preamble: 'for old readers\r\n' }, 'a.jpg'],
  ['an empty line first', { preamble: '\r\n' }, 'a.jpg'],
  ['one byte', { disposition: D('filename=a.txt'), type: 'text/plain', file: 'a' }, 'a.txt', 'text/plain'],
  [
    'data that begins like a boundary',
    {
      file: Buffer.concat([
        JPEG,
        Buffer.from(`\r\n--${BOUNDARY}x\r\n--${BOUNDARY}-\r\n--${BOUNDARY} x\r\n--${BOUNDARY}\r\r\n--${BOUNDARY}\n`),
      ]),
    },
    'a.jpg',
  ],
  ['data that ends in CRLF', { file: Buffer.concat([JPEG, Buffer.from('\r\n\r\n')]) }, 'a.jpg'],
  [
    'data that ends in half a boundary',
    { file: Buffer.concat([JPEG, Buffer.from(`\r\n--${BOUNDARY.slice(0, 2)}\r\n-\r`)]) },
    'a.jpg',
  ],
  [
    'other headers',
    {
      headers: [
        `Content-Disposition: ${D('filename="a.jpg"')}`,
        'Content-Type: image/jpeg',
        'Set-Cookie: x',
        'Content-Transfer-Encoding: BINARY',
      ],
    },
    'a.jpg',
  ],
  ['tokens without quotes', { disposition: 'form-data; name=file; filename=a.jpg' }, 'a.jpg'],
  [
    'names in capitals',
    { headers: ['CONTENT-DISPOSITION: FORM-DATA; NAME="file"; FILENAME="a.JPG"', 'CONTENT-TYPE: IMAGE/JPEG'] },
    'a.JPG',
  ],
  [
    'Unicode',
    { disposition: D('filename="cafe\u0301 \u0930\u0938\u0940\u0926.jpg"') },
    'caf\u00e9 \u0930\u0938\u0940\u0926.jpg',
  ],
  [
    '.NET',
    { disposition: `form-data; name=file; filename="=?utf-8?B?w6kuanBn?="; filename*=utf-8''%C3%A9.jpg` },
    '\u00e9.jpg',
  ],
  ['filename* with CRLF', { disposition: D("filename=a.jpg; filename*=UTF-8''a%0D%0AX-Evil:1.jpg") }, FALLBACK],
  ['filename* that is broken', { disposition: D("filename=a.jpg; filename*=UTF-8''%zz") }, 'a.jpg'],
  ['filename* alone, of another set', { disposition: D("filename*=latin1'en'%e9.jpg") }, FALLBACK],
  ['a quote, escaped', { disposition: D('filename="a\\".jpg"') }, FALLBACK],
  ['a quote, as browsers send it', { disposition: D('filename="a%22; x=.jpg"') }, FALLBACK],
  ['a path', { disposition: D('filename="../../etc/a.jpg"') }, FALLBACK],
  ['a Windows path', { disposition: D('filename="C:\\temp\\a.jpg"') }, FALLBACK],
  ['bidi controls', { disposition: D('filename="a\u202egpj.jpg"') }, FALLBACK],
  ['2,000 letters', { disposition: D(`filename="${'a'.repeat(2000)}.jpg"`) }, FALLBACK],
  ['an empty name', { disposition: D('filename=""') }, FALLBACK],
  ['a wrong extension', { disposition: D('filename="a.exe"') }, 'a.exe.jpg'],
  [
    'a type with parameters',
    { disposition: D('filename=a.txt'), type: 'text/plain; charset="utf-8"; x=y', file: 'hi' },
    'a.txt',
    'text/plain',
  ],
  ['no type', { type: null }, 'a.jpg'],
  ['octet-stream', { type: 'application/octet-stream', file: PDF }, 'a.jpg.pdf', 'application/pdf'],
  [
    'octet-stream, a text by its name',
    { disposition: D('filename=a.txt'), type: 'application/octet-stream', file: 'hi' },
    'a.txt',
    'text/plain',
  ],
  [
    'octet-stream, a CFB by its name',
    { disposition: D('filename=a.xls'), type: 'application/octet-stream', file: CFB },
    'a.xls',
    'application/vnd.ms-excel',
  ],
  [
    'docx',
    {
      disposition: D('filename=a.docx'),
      type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      file: zip('word/document.xml'),
    },
    'a.docx',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ],
  [
    'pptx that is a bare zip',
    { disposition: D('filename=a.pptx'), type: null, file: zip('x.xml') },
    'a.pptx',
    'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  ],
  ['doc', { disposition: D('filename=a.doc'), type: 'application/msword', file: CFB }, 'a.doc', 'application/msword'],
  ['image/jpg', { type: 'image/jpg' }, 'a.jpg'],
  ['mp4', { disposition: D('filename=a.mp4'), type: 'video/mp4', file: MP4 }, 'a.mp4', 'video/mp4'],
  ['audio in mp4', { disposition: D('filename=a.m4a'), type: 'audio/x-m4a', file: MP4 }, 'a.m4a', 'audio/mp4'],
  ['exactly the limit', { file: grow(JPEG, 5000) }, 'a.jpg', undefined, { bytesMax: 5000 }],
  ['another name upstream', {}, 'a.jpg', undefined, { upstreamField: 'whatsapp_numbers_csv' }],
];

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

  it.each(SENT)('goes out as our part alone: %s', async (_, given, name, type = 'image/jpeg', options = {}) => {
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

  it('takes white space after the first boundary', async () => {
    const body = Buffer.from(form().toString('latin1').replace('\r\n', ' \t\r\n'), 'latin1');
    for (const sizes of SPLITS) {
      expectSent(await run(body, { contentLength: body.length }, sizes), JPEG, 'a.jpg', 'image/jpeg');
    }
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
            expect(file.toString('latin1')).toMatch(new RegExp(`\r\n--${BOUNDARY}(--|[ \t]*\r\n|[ \t]*$)`));
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

  it('breaks off when the caller does', async () => {
    const source = new PassThrough();
    const { stream, head, done } = reframe(DEFAULTS);
    source.pipe(stream).resume();
    source.write(form({ file: grow(JPEG, 9000), end: '' }));
    await expect(head).resolves.toMatchObject({ kind: 'image' });
    source.destroy();
    await expect(done).rejects.toMatchObject({ code: 'malformed' });
    expect(stream.destroyed).toBe(true);
  });

  it('leaves nothing unhandled when nobody listens', async () => {
    const { stream } = reframe(DEFAULTS);
    Readable.from([Buffer.from('x'.repeat(5000))]).pipe(stream);
    reframe(DEFAULTS).stream.destroy(new Error('the route gave up'));
    await new Promise((resolve) => stream.once('close', resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stream.destroyed).toBe(true);
  });

  it('stops reading while nobody takes the bytes', async () => {
    const { stream, head } = reframe(DEFAULTS);
    let given = 0;
    const source = Readable.from(
      (function* () {
        yield form({ disposition: D('filename=a.pdf'), type: null, file: PDF, end: '' });
        for (; given < 1000; given += 1) yield Buffer.alloc(65_536, 'x');
      })(),
      { objectMode: true, highWaterMark: 1 },
    );
    source.pipe(stream);
    await head;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(given).toBeLessThan(6);
    source.destroy();
  });

  it('stays linear on one-byte chunks, long headers and near-boundaries', async () => {
    const headers = [`Content-Disposition: ${D('filename=a.jpg')}`, `X: ${' '.repeat(15_000)}\t`];
    const started = performance.now();
    await run(form({ headers, file: grow(JPEG, 200_000) }), {}, [1]);
    await run(form({ headers: [`Content-Disposition: ${D(`filename="${'\\'.repeat(15_000)}`)}`] }));
    await run(form({ headers: [`X: ${' \t'.repeat(7500)}\0`] }));
    expect(performance.now() - started).toBeLessThan(4000);
  });
});

describe('a CSV upload', () => {
  const csv = (): Partial<ReframeOptions> => ({
    kinds: 'csv',
    upstreamField: 'whatsapp_numbers_csv',
    check: createCsvCheck({ rowsMax: 1000, cellBytesMax: 100 }),
  });
  const upload = (file: string, type = 'text/csv') => form({ disposition: D('filename="people.csv"'), type, file });
  const rows = (count: number) =>
    Array.from({ length: count }, (_, i) => `9198${String(i).padStart(8, '0')}\r\n`).join('');

  it.each(SPLITS)('passes with its bytes unchanged (%i)', async (...sizes) => {
    const file = `\uFEFFPhone\r\n${rows(500)}`;
    for (const type of ['text/csv', 'application/vnd.ms-excel', 'application/octet-stream']) {
      const body = upload(file, type);
      const outcome = await run(body, { ...csv(), contentLength: body.length }, sizes);
      expectSent(outcome, Buffer.from(file), 'people.csv', 'text/csv', 'whatsapp_numbers_csv');
    }
  });

  it('with a fault in the last row gets no last boundary', async () => {
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
