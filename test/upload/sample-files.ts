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

/** A whole zip file, its parts as they are or deflated, with their lengths in front of them or behind (as streams write it). */
export function zipFile(parts: readonly [name: string, content: string | Buffer][], { behind = false } = {}): Buffer {
  const [bodies, list]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, content] of parts) {
    const data = deflateRawSync(content);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(behind ? 8 : 0, 6);
    header.writeUInt16LE(8, 8);
    header.writeUInt32LE(behind ? 0 : data.length, 18);
    header.writeUInt32LE(behind ? 0 : content.length, 22);
    header.writeUInt16LE(name.length, 26);
    const descriptor = Buffer.alloc(behind ? 16 : 0, 'PK\x07\x08');
    const body = Buffer.concat([header, Buffer.from(name), data, descriptor]);
    offset += body.length;
    bodies.push(body);
    list.push(entry, Buffer.from(name));
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(Buffer.concat(list).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, ...list, end]);
}
