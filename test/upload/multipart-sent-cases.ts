import { D } from './multipart-cases.ts';
import { BOUNDARY, CFB, type Form, grow, JPEG, MP4, PDF, type RunOptions, zip } from './multipart-helper.ts';

const CLOSE = `\r\n--${BOUNDARY}--\r\n`;

/** Each goes out as exactly our part: what of it differs, the file name that comes out, its type. */
export const SENT: [string, Form, string, (string | undefined)?, RunOptions?][] = [
  ['a plain upload', {}, 'a.jpg'],
  ['no CRLF at the end', { end: `\r\n--${BOUNDARY}--` }, 'a.jpg'],
  ['half a line end behind the end', { end: `\r\n--${BOUNDARY}--\r` }, 'a.jpg'],
  ['an LF behind the end', { end: `\r\n--${BOUNDARY}--\n` }, 'a.jpg'],
  ['two line ends behind the end (got)', { end: `${CLOSE}\r\n` }, 'a.jpg'],
  ['blanks and line ends behind the end', { end: `\r\n--${BOUNDARY}-- \t\r\n\n\n \r\n` }, 'a.jpg'],
  ['1,024 blanks behind the end', { end: `${CLOSE}${' '.repeat(1022)}` }, 'a.jpg'],
  ['a preamble', { preamble: 'for old readers\r\n' }, 'a.jpg'],
  ['an empty line first', { preamble: '\r\n' }, 'a.jpg'],
  ['one byte', { disposition: D('filename=a.txt'), type: 'text/plain', file: 'a' }, 'a.txt', 'text/plain'],
  [
    'data that comes close to a boundary',
    {
      file: Buffer.concat([
        JPEG,
        Buffer.from(`\n--${BOUNDARY}--\r\n-${BOUNDARY}--\r\n--${BOUNDARY.toLowerCase()}--\r\r--${BOUNDARY}\r\n--XyY`),
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
  ['filename* that is broken', { disposition: D("filename=a.jpg; filename*=UTF-8''%zz") }, 'a.jpg'],
  ['filename* alone, of another set', { disposition: D("filename*=latin1'en'%e9.jpg") }, '\u00e9.jpg'],
  ['a quote, escaped', { disposition: D('filename="a\\".jpg"') }, "a'.jpg"],
  ['a quote, as browsers send it', { disposition: D('filename="a%22; x=.jpg"') }, "a', x=.jpg"],
  ['a path', { disposition: D('filename="../../etc/a.jpg"') }, 'a.jpg'],
  ['a Windows path', { disposition: D('filename="C:\\temp\\a.jpg"') }, 'a.jpg'],
  ['bidi controls', { disposition: D('filename="a\u202egpj.jpg"') }, 'agpj.jpg'],
  ['2,000 letters', { disposition: D(`filename="${'a'.repeat(2000)}.jpg"`) }, `${'a'.repeat(196)}.jpg`],
  ['an encoded word', { disposition: D('filename="=?utf-8?B?w6kuanBn?="') }, '\u00e9.jpg'],
  ['percent signs', { disposition: D('filename="%C3%A9%20a.jpg"') }, '\u00e9 a.jpg'],
  ['an empty name', { disposition: D('filename=""') }, 'file-0042.jpg'],
  ['a wrong extension', { disposition: D('filename="a.exe"') }, 'a.exe.jpg'],
  [
    'a type with parameters',
    { disposition: D('filename=a.txt'), type: 'text/plain; charset="utf-8"; x=y', file: 'hi' },
    'a.txt',
    'text/plain',
  ],
  ['no type', { type: null }, 'a.jpg'],
  ['a type that is not in the list', { type: 'application/x-anything' }, 'a.jpg'],
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
