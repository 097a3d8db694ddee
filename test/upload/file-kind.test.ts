import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkFile, SNIFF_BYTES } from '../../src/upload/file-kind.ts';
import { CFB, JPEG, MP4, PDF, PNG, zip } from './multipart-helper.ts';

const OPENXML = 'application/vnd.openxmlformats-officedocument';
const brand = (name: string) => Buffer.from(MP4).fill(name, 8, 12);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const OPUS = Buffer.concat([
  hex('4f676753 00 02 0000000000000000 00000000 00000000 00000000 01 13'),
  Buffer.from('OpusHead'),
]);
const VORBIS = Buffer.concat([OPUS.subarray(0, 28), Buffer.from('\x01vorbis\0\0\0\0\0\0\0')]);
const MP3 = Buffer.concat([hex('fffb9064'), Buffer.alloc(600, 'x')]);
/** The tag says 200,000 bytes of cover picture: more than the sample. */
const MP3_WITH_COVER = Buffer.concat([Buffer.from('ID3'), hex('0300 00 000c1a40'), Buffer.alloc(5000, 1)]);
const AAC = Buffer.concat([hex('fff15080'), Buffer.alloc(600, 'x')]);
const AMR = Buffer.from('#!AMR\n\x3c');
const WEBP = Buffer.concat([Buffer.from('RIFF'), hex('24000000'), Buffer.from('WEBPVP8 ')]);

/** As Word writes it: the list of contents first, deflated, with its sizes only behind it. */
function word(list: string): Buffer {
  const name = '[Content_Types].xml';
  const data = deflateRawSync(list);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(data.length, 18);
  header.writeUInt32LE(list.length, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), data, zip('word/document.xml')]);
}
const types = (main: string) =>
  `<Types><Override PartName="/x.xml" ContentType="${OPENXML}.${main}.main+xml"/></Types>`;

describe('a file', () => {
  it.each<[string, string, Buffer, string, string]>([
    ['image/jpeg', 'a.jpg', JPEG, 'image/jpeg', 'image'],
    ['image/png', 'a.png', PNG, 'image/png', 'image'],
    ['image/webp', 'a.webp', WEBP, 'image/webp', 'image'],
    ['audio/aac', 'a.aac', AAC, 'audio/aac', 'audio'],
    ['audio/amr', 'a.amr', AMR, 'audio/amr', 'audio'],
    ['audio/mpeg', 'a.mp3', MP3, 'audio/mpeg', 'audio'],
    ['audio/mpeg', 'a.mp3', MP3_WITH_COVER, 'audio/mpeg', 'audio'],
    ['audio/mp4', 'a.m4a', brand('M4A '), 'audio/mp4', 'audio'],
    ['audio/ogg; codecs=opus', 'a.ogg', OPUS, 'audio/ogg', 'audio'],
    ['video/mp4', 'a.mp4', brand('mp42'), 'video/mp4', 'video'],
    ['video/3gpp', 'a.3gp', brand('3gp4'), 'video/3gpp', 'video'],
    ['application/pdf', 'a.pdf', PDF, 'application/pdf', 'document'],
    ['application/msword', 'a.doc', CFB, 'application/msword', 'document'],
    ['text/plain', 'a.txt', Buffer.from('\u00e9\n'), 'text/plain', 'document'],
    [
      `${OPENXML}.wordprocessingml.document`,
      'a.docx',
      word(types('wordprocessingml.document')),
      `${OPENXML}.wordprocessingml.document`,
      'document',
    ],
    [
      `${OPENXML}.spreadsheetml.sheet`,
      'a.xlsx',
      word(types('spreadsheetml.sheet')),
      `${OPENXML}.spreadsheetml.sheet`,
      'document',
    ],
    [
      `${OPENXML}.presentationml.presentation`,
      'a.pptx',
      zip('ppt/presentation.xml'),
      `${OPENXML}.presentationml.presentation`,
      'document',
    ],
  ])('declared as %s (%s) is what it says, declared or not', async (declared, name, bytes, mimeType, kind) => {
    const firstBytes = bytes.subarray(0, SNIFF_BYTES);
    for (const type of [declared, 'application/octet-stream', '', undefined]) {
      expect(await checkFile('media', { declared: type, name, firstBytes })).toMatchObject({ mimeType, kind });
    }
  });

  it.each<[string, Buffer]>([
    ['audio/ogg', VORBIS],
    ['audio/mpeg', AAC],
    ['video/mp4', brand('qt  ')],
    ['audio/mp4', brand('3gp4')],
    ['image/webp', PNG],
    [`${OPENXML}.wordprocessingml.document`, word(types('spreadsheetml.sheet'))],
    [`${OPENXML}.wordprocessingml.document`, zip('META-INF/MANIFEST.MF')],
    ['application/zip', zip('a.txt')],
    ['text/csv', Buffer.from('Phone\n')],
    ['constructor/x', JPEG],
  ])('declared as %s is refused when it is not, or not allowed', async (declared, firstBytes) => {
    await expect(checkFile('media', { declared, name: 'a.bin', firstBytes })).rejects.toMatchObject({
      code: 'unsupported-type',
    });
  });
});
