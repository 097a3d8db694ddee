import { deflateRawSync } from 'node:zlib';
import { MP4, zip } from './multipart-helper.ts';

/** First bytes of files, as encoders write them. */
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

export const OPENXML = 'application/vnd.openxmlformats-officedocument';
export const brand = (name: string): Buffer => Buffer.from(MP4).fill(name, 8, 12);

export const OPUS = Buffer.concat([
  hex('4f676753 00 02 0000000000000000 00000000 00000000 00000000 01 13'),
  Buffer.from('OpusHead'),
]);
export const VORBIS = Buffer.concat([OPUS.subarray(0, 28), Buffer.from('\x01vorbis\0\0\0\0\0\0\0')]);
export const MP3 = Buffer.concat([hex('fffb9064'), Buffer.alloc(600, 'x')]);
export const MP2 = Buffer.concat([hex('fffd9064'), Buffer.alloc(600, 'x')]);
export const AAC = Buffer.concat([hex('fff15080'), Buffer.alloc(600, 'x')]);
export const FLAC = Buffer.concat([Buffer.from('fLaC'), Buffer.alloc(600)]);
export const AMR = Buffer.from('#!AMR\n\x3c');
export const WEBP = Buffer.concat([Buffer.from('RIFF'), hex('24000000'), Buffer.from('WEBPVP8 ')]);
export const GIF = Buffer.from('GIF89a\x01\0\x01\0\0\0\0');

/** An ID3v2 tag of so many bytes behind its header. */
export function tag(length: number, { version = 3, footer = false } = {}): Buffer {
  const size = [21, 14, 7, 0].map((shift) => (length >> shift) & 0x7f);
  const header = Buffer.from([0x49, 0x44, 0x33, version, 0, footer ? 0x10 : 0, ...size]);
  return Buffer.concat([header, Buffer.alloc(length, 1), Buffer.alloc(footer ? 10 : 0, 2)]);
}

/** As Word writes it: the list of contents first, deflated. */
export function word(list: string): Buffer {
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

export const contents = (main: string): string =>
  `<Types><Override PartName="/x.xml" ContentType="${main}.main+xml"/></Types>`;
