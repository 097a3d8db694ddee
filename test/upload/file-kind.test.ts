import { describe, expect, it } from 'vitest';
import { checkFile } from '../../src/upload/file-kind.ts';
import { SNIFF_BYTES } from '../../src/upload/signature.ts';
import { CFB, JPEG, PDF, PNG, zip } from './multipart-helper.ts';
import { AAC, AMR, brand, contents, MP3, OPENXML, OPUS, tag, VORBIS, WEBP, word } from './sample-files.ts';

describe('a file', () => {
  it.each<[string, string, Buffer, string, string]>([
    ['image/jpeg', 'a.jpg', JPEG, 'image/jpeg', 'image'],
    ['image/png', 'a.png', PNG, 'image/png', 'image'],
    ['image/webp', 'a.webp', WEBP, 'image/webp', 'image'],
    ['audio/aac', 'a.aac', AAC, 'audio/aac', 'audio'],
    ['audio/amr', 'a.amr', AMR, 'audio/amr', 'audio'],
    ['audio/mpeg', 'a.mp3', MP3, 'audio/mpeg', 'audio'],
    ['audio/mpeg', 'a.mp3', Buffer.concat([tag(3000), MP3]), 'audio/mpeg', 'audio'],
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
      word(contents(`${OPENXML}.wordprocessingml.document`)),
      `${OPENXML}.wordprocessingml.document`,
      'document',
    ],
    [
      `${OPENXML}.spreadsheetml.sheet`,
      'a.xlsx',
      word(contents(`${OPENXML}.spreadsheetml.sheet`)),
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
    [`${OPENXML}.wordprocessingml.document`, word(contents(`${OPENXML}.spreadsheetml.sheet`))],
    [`${OPENXML}.wordprocessingml.document`, zip('META-INF/MANIFEST.MF')],
    ['application/zip', zip('a.txt')],
    ['text/csv', Buffer.from('Phone\n')],
    ['application/msword', zip('word/document.xml')],
    ['text/plain', PDF],
    ['application/pdf', Buffer.from(`${' '.repeat(1024)}%PDF-1.4`)],
  ])('declared as %s is refused when it is not, or not allowed', async (declared, firstBytes) => {
    await expect(checkFile('media', { declared, name: 'a.bin', firstBytes })).rejects.toMatchObject({
      code: 'unsupported-type',
    });
  });
});
