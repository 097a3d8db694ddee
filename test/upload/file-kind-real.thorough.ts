import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFile } from '../../src/upload/file-kind.ts';
import { mediaTypes, synonyms } from '../../src/upload/media-types.ts';
import { D } from './multipart-cases.ts';
import { CFB, form, JPEG, PDF, PNG, readStrictly, run, sha256, zip } from './multipart-helper.ts';
import {
  AAC,
  brand,
  contents,
  FLAC,
  GIF,
  MP2,
  MP3,
  OPENXML,
  OPUS,
  tag,
  VORBIS,
  word,
  zipFile,
} from './sample-files.ts';

/** Sends a file through as a caller's form: what goes out, as name and type, or the refusal. */
async function told(name: string, type: string | null, file: Buffer | string, sizes = [65_536]): Promise<string> {
  const body = form({ disposition: D(`filename="${name}"`), type, file });
  const outcome = await run(body, { contentLength: body.length }, sizes);
  if (outcome.error instanceof Error) {
    expect(readStrictly(outcome.out, outcome.contentType)).toBeUndefined();
    return outcome.error.message;
  }
  const sent = readStrictly(outcome.out, outcome.contentType);
  expect(sha256(sent?.file ?? Buffer.alloc(0))).toBe(sha256(Buffer.from(file)));
  return `${outcome.head?.fileName} ${outcome.head?.mimeType}`;
}

const docx = `${OPENXML}.wordprocessingml.document`;
const xlsx = `${OPENXML}.spreadsheetml.sheet`;
const workbook = Buffer.concat([zip('docProps/app.xml'), zip('xl/worksheets/sheet1.xml'), zip('xl/workbook.xml')]);
const macroTypes = contents('application/vnd.ms-excel.sheet.macroEnabled');
const withMacros = zipFile([
  ['xl/workbook.xml', ''],
  ['xl/vbaProject.bin', 'x'],
  ['[Content_Types].xml', macroTypes],
]);
/** Nothing in the first bytes but a picture, and the list of contents last. */
const lateBook = (types: string, folder = 'xl', behind = true) =>
  zipFile(
    [
      ['docProps/thumbnail.png', randomBytes(9000)],
      [`${folder}/main.xml`, 'x'],
      ['[Content_Types].xml', types],
    ],
    { behind },
  );
const noise = randomBytes(300_000);
const utf16 = Buffer.from('\uFEFFGrüße', 'utf16le');

describe('a declared type that is not accepted is ignored', () => {
  it.each([
    ['a.aac', 'audio/x-hx-aac-adts', AAC, 'a.aac audio/aac'],
    ['a.pdf', 'binary/octet-stream', PDF, 'a.pdf application/pdf'],
    ['a.mp4', 'video/x-m4v', brand('isom'), 'a.mp4 video/mp4'],
    ['a.3gp', 'audio/3gpp', brand('3gp4'), 'a.3gp video/3gpp'],
    ['a.pdf', 'application/force_download', PDF, 'a.pdf application/pdf'],
    ['a.txt', 'text/html', 'hello', 'a.txt text/plain'],
    ['a.docx', 'application/zip', zip('word/document.xml'), `a.docx ${docx}`],
    ['a.m4a', 'application/x-thing', brand('isom'), 'a.m4a audio/mp4'],
    ['a.m4a', 'audio/mp4a-latm', brand('isom'), 'a.m4a audio/mp4'],
    ['a.mp4', 'audio/x-m4a', brand('isom'), 'a.mp4 audio/mp4'],
    ['a', 'application/x-msexcel', CFB, 'a.xls application/vnd.ms-excel'],
    ['a.jpg', 'image/gif', JPEG, 'a.jpg image/jpeg'],
    ['BMW.txt', null, 'BMW and MZ', 'BMW.txt text/plain'],
    ['a.txt', 'text/plain', 'ID3 tags are pictures', 'a.txt text/plain'],
    ['a.txt', 'text/plain', 'of %PDF-1.4', 'a.txt text/plain'],
    ['a.txt', null, 'of %PDF-1.4', 'a.txt text/plain'],
  ])('%s declared as %s is told by bytes and name', async (name, type, file, expected) => {
    expect(await told(name, type, file)).toBe(expected);
  });

  it('whatever it is, for every type', async () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9.+_-]{0,20}$/);
    await fc.assert(
      fc.asyncProperty(token, token, async (type, subtype) => {
        const declared = `${type}/${subtype}`;
        fc.pre(!mediaTypes.has(declared));
        for (const [name, firstBytes, mimeType] of [
          ['a.png', PNG, 'image/png'],
          ['a.ogg', OPUS, 'audio/ogg'],
          ['a.docx', zip('x'), docx],
        ] as const) {
          expect(await checkFile('media', { declared, name, firstBytes })).toMatchObject({ mimeType });
        }
        const csv = { declared, name: 'a', firstBytes: Buffer.from('Phone\n') };
        expect(await checkFile('csv', csv)).toMatchObject({ mimeType: 'text/csv' });
      }),
      { numRuns: 100, seed: 7 },
    );
  });

  it('while every accepted type contradicts other bytes, and no alias does', async () => {
    for (const declared of mediaTypes.keys()) {
      if (declared === 'image/png') continue;
      const facts = { declared, name: 'a.png', firstBytes: PNG };
      await expect(checkFile('media', facts)).rejects.toThrow(`declared as ${declared}, and it is a PNG image`);
    }
    for (const declared of synonyms.keys()) {
      const facts = { declared, name: 'a.png', firstBytes: PNG };
      expect(await checkFile('media', facts)).toMatchObject({ mimeType: 'image/png' });
    }
  });
});

describe('audio after an ID3 tag is recognized by its own bytes', () => {
  const long = 300_000;
  it.each<[string, string | null, Buffer, string]>([
    ['a.mp3', 'audio/mpeg', Buffer.concat([tag(long), MP3]), 'a.mp3 audio/mpeg'],
    ['cover', null, Buffer.concat([tag(long), MP3]), 'cover.mp3 audio/mpeg'],
    ['a.aac', 'audio/aac', Buffer.concat([tag(long), AAC]), 'a.aac audio/aac'],
    ['a.aac', null, Buffer.concat([tag(long, { version: 4, footer: true }), AAC]), 'a.aac audio/aac'],
    ['a.mp3', null, Buffer.concat([tag(9000), tag(9000), MP3]), 'a.mp3 audio/mpeg'],
    ['a.mp3', null, Buffer.concat([tag(9000), Buffer.alloc(500), MP3]), 'a.mp3 audio/mpeg'],
    // Too long, cut off, or followed by unknown bytes: its name decides.
    ['a.mp3', null, Buffer.concat([tag(1_100_000), MP3]), 'a.mp3 audio/mpeg'],
    ['a.aac', null, Buffer.concat([tag(1_100_000), AAC]), 'a.aac audio/aac'],
    ['a', 'audio/aac', Buffer.concat([tag(1_100_000), AAC]), 'a.aac audio/aac'],
    ['a', 'audio/x-mp3', Buffer.concat([tag(1_100_000), AAC]), 'a.mp3 audio/mpeg'],
    ['a.mp3', null, tag(long).subarray(0, 9000), 'a.mp3 audio/mpeg'],
    ['a.flac', null, Buffer.concat([tag(long), FLAC]), 'not taken: it is a FLAC sound; sounds are taken as .mp3'],
    ['a.mp3', 'audio/mpeg', Buffer.concat([tag(long), FLAC]), 'declared as audio/mpeg, and it is a FLAC sound'],
    ['a.mp3', 'audio/mpeg', Buffer.concat([tag(long), AAC]), 'and it is an AAC sound: declare what it is, or nothing'],
    ['a.flac', null, Buffer.concat([tag(1_100_000), FLAC]), 'declare audio/mpeg or audio/aac'],
    ['a.pdf', null, Buffer.concat([tag(9000), PDF]), 'not taken'],
    ['a.mp2', null, MP2, 'a sound in MPEG layer I or II'],
  ])('%s declared as %s (%#)', async (name, type, file, expected) => {
    for (const sizes of [[65_536], [4096, 1, 7]]) expect(await told(name, type, file, sizes)).toContain(expected);
  });

  it('wherever the tag ends, also in pieces of a byte', async () => {
    for (let length = 4074; length < 4110; length += 5) {
      expect(await told('a', null, Buffer.concat([tag(length), MP3]), [1])).toBe('a.mp3 audio/mpeg');
      expect(await told('a', null, Buffer.concat([tag(length), AAC]))).toBe('a.aac audio/aac');
    }
  });

  it('and very many tags are given up', async () => {
    const file = Buffer.concat([...Array.from({ length: 9000 }, () => tag(0)), AAC]);
    expect(await told('a.mp3', null, file)).toBe('a.mp3 audio/mpeg');
  });
});

describe('a PDF may begin within its first 1,024 bytes', () => {
  it.each(['\r\n\r\n', '\uFEFF', ' '.repeat(1023), '\n'.repeat(500), '\x1b%-12345X@PJL\r\n', 'x'.repeat(1019), '\0\0'])(
    'behind %j',
    async (front) => {
      const file = Buffer.concat([Buffer.from(front), PDF]);
      expect(await told('a.pdf', 'application/pdf', file)).toBe('a.pdf application/pdf');
      expect(await told('a.pdf', null, file)).toBe('a.pdf application/pdf');
    },
  );

  it('and not after them', async () => {
    const file = Buffer.concat([Buffer.alloc(1025, ' '), PDF]);
    expect(await told('a.pdf', 'application/pdf', file)).toContain('declared as application/pdf, and it is text');
  });
});

describe('an Office file is sent under its own name, or not at all', () => {
  it.each<[string, string | null, Buffer, string]>([
    ['a.xlsx', null, workbook, `a.xlsx ${xlsx}`],
    ['report', null, workbook, `report.xlsx ${xlsx}`],
    [
      'report',
      null,
      zipFile(
        [
          ['_rels/.rels', ''],
          ['xl/workbook.xml', ''],
        ],
        { behind: true },
      ),
      `report.xlsx ${xlsx}`,
    ],
    ['a.docx', docx, Buffer.concat([zip('_rels/.rels'), zip('word/document.xml')]), `a.docx ${docx}`],
    ['a.xlsx', null, lateBook(contents(xlsx)), `a.xlsx ${xlsx}`],
    ['a.docx', docx, lateBook(contents(docx), 'word', false), `a.docx ${docx}`],
    ['a.xlsm', null, workbook, 'the file is named .xlsm and would go out as .xlsx'],
    ['a.xlsm', 'application/vnd.ms-excel.sheet.macroEnabled.12', withMacros, '.xlsm'],
    ['a.xlsx', xlsx, lateBook(macroTypes), 'the file is of a kind for macros'],
    ['a.xlsx', xlsx, lateBook(contents(`${OPENXML}.spreadsheetml.template`)), 'a template'],
    ['a.docx', null, lateBook(contents(xlsx)), 'another kind: give it a name that ends in .xlsx'],
    ['a.docx', docx, lateBook('', 'ppt'), 'another kind: give it a name that ends in .pptx'],
    ['a.XLSM', null, word(macroTypes), 'with macros (.xlsm)'],
    ['a.xlsx', xlsx, word(macroTypes), 'save it without macros'],
    ['a.xltx', null, workbook, 'named .xltx and would go out as .xlsx'],
    ['a.docx', null, workbook, 'named .docx and would go out as .xlsx'],
    ['a.docx', xlsx, zip('x'), 'named .docx and would go out as .xlsx'],
    ['a.xls', 'application/msword', CFB, 'named .xls and would go out as .doc'],
    ['a.xlsb', null, workbook, 'named .xlsb'],
    [
      'a.xlsx',
      null,
      zipFile([
        ['x', ''],
        ['xl/workbook.bin', ''],
      ]),
      'a binary workbook',
    ],
    ['a.docx', docx, CFB, 'or of a newer one with a password'],
    ['a.odt', null, zip('x'), 'a zip file that does not show which one'],
  ])('%s declared as %s (%#)', async (name, type, file, expected) => {
    for (const sizes of [[65_536], [997, 1]]) expect(await told(name, type, file, sizes)).toContain(expected);
  });

  it('however large it is, and however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 300_000 }),
        fc.array(fc.integer({ min: 200, max: 200_000 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (bytes, sizes, macros) => {
          const last: [string, string][] = macros ? [['xl/vbaProject.bin', 'x']] : [];
          const file = zipFile([['xl/workbook.xml', 'x'], ['xl/media/a.jpg', noise.subarray(0, bytes)], ...last]);
          expect(await told('a.xlsx', xlsx, file, sizes)).toContain(macros ? 'the file has macros' : `a.xlsx ${xlsx}`);
        },
      ),
      { numRuns: 15, seed: 8 },
    );
  });
});

describe('a 415 says what the file was recognized as, and what would be accepted', () => {
  it.each<[string, string | null, Buffer | string, string]>([
    ['a.ogg', 'audio/ogg', VORBIS, 'it is an Ogg Vorbis: of Ogg, WhatsApp takes Opus alone'],
    ['a.ogg', null, VORBIS, 'it is an Ogg Vorbis; of Ogg, WhatsApp takes Opus alone'],
    ['a.txt', 'text/plain', utf16, 'it is text in UTF-16: save it in UTF-8'],
    ['a.txt', null, utf16.subarray(2), 'it is text in UTF-16; save it in UTF-8'],
    ['a.gif', 'image/gif', GIF, 'it is a GIF image; images are taken as .jpg, .png and .webp'],
    ['a.jpg', 'image/jpeg', PNG, 'declared as image/jpeg, and it is a PNG image: declare what it is, or nothing'],
    ['a.mov', null, brand('qt  '), 'it is a QuickTime video; videos are taken as .mp4 and .3gp'],
    ['a.md', null, 'hello', 'it is text; give it a name that ends in .txt'],
    ['a.bin', null, Buffer.from([1, 2, 0, 4]), 'images are taken as .jpg'],
    ['a.odt', null, Buffer.from('PK\x03\x04'), 'not taken'],
  ])('%s declared as %s (%#)', async (name, type, file, expected) => {
    expect(await told(name, type, file)).toMatch(/^unsupported-type: the file is /);
    expect(await told(name, type, file)).toContain(expected);
  });
});
