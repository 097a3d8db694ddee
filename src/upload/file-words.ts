import {
  binary,
  compound,
  hiddenByTag,
  oldMpegSound,
  pdfWithin,
  type Signature,
  text,
  utf16Text,
  zip,
} from './signature.ts';

const sound = 'sounds are taken as .mp3, .aac, .amr, .m4a and .ogg with Opus';
const video = 'videos are taken as .mp4 and .3gp';
const image = 'images are taken as .jpg, .png and .webp';
const document = 'documents are taken as .pdf, .doc, .docx, .xls, .xlsx, .ppt, .pptx and .txt';

const taken = `${image}; ${sound}; ${video}; ${document}`;

/** Common names of the most frequent types. Others are called by their media type. */
const names: Readonly<Record<string, string>> = {
  'image/jpeg': 'a JPEG image',
  'image/png': 'a PNG image',
  'image/apng': 'a PNG image',
  'image/webp': 'a WebP image',
  'image/gif': 'a GIF image',
  'image/heic': 'a HEIC image',
  'image/avif': 'an AVIF image',
  'image/bmp': 'a bitmap',
  'image/tiff': 'a TIFF image',
  'audio/aac': 'an AAC sound',
  'audio/amr': 'an AMR sound',
  'audio/mpeg': 'an MP3',
  [oldMpegSound]: 'a sound in MPEG layer I or II',
  'audio/mp4': 'a sound in MP4',
  'audio/x-m4a': 'a sound in MP4',
  'audio/flac': 'a FLAC sound',
  'audio/wav': 'a WAV sound',
  'audio/ogg; codecs=opus': 'an Ogg Opus sound',
  'video/mp4': 'an MP4',
  'video/x-m4v': 'an MP4',
  'video/3gpp': 'a 3GP video',
  'video/ogg': 'an Ogg video',
  'video/quicktime': 'a QuickTime video',
  'video/webm': 'a WebM video',
  'video/matroska': 'a Matroska video',
  'video/vnd.avi': 'an AVI video',
  'application/pdf': 'a PDF',
  [pdfWithin]: 'a PDF',
  'application/rtf': 'an RTF document',
  'application/xml': 'XML',
  'application/x-msdownload': 'a program for Windows',
  'application/vnd.oasis.opendocument.text': 'an OpenDocument text (.odt)',
  'application/vnd.oasis.opendocument.spreadsheet': 'an OpenDocument spreadsheet (.ods)',
  'application/vnd.oasis.opendocument.presentation': 'an OpenDocument presentation (.odp)',
  [zip]: 'a zip file that does not show which one',
  [compound]: 'a file of an old Office (.doc, .xls, .ppt), or of a newer one with a password',
  [text]: 'text',
  [utf16Text]: 'text in UTF-16',
  [binary]: 'of no type that is known here',
  [hiddenByTag]: 'a sound behind an ID3 tag that does not show which one',
};

const oggCodecs: Readonly<Record<string, string>> = { ogg: 'Vorbis', oga: 'FLAC', spx: 'Speex' };

/** Names the detected type. */
export function wordsFor({ is, extension = '' }: Signature): string {
  if (is === 'audio/ogg') return `an Ogg ${oggCodecs[extension] ?? 'sound without Opus'}`;
  if (is.endsWith('.macroenabled.12')) return `an Office file with macros (.${extension})`;
  return names[is] ?? (extension === '' ? is : `${is} (.${extension})`);
}

/** Names the types that are accepted instead. */
export function remedyFor({ is }: Signature): string {
  if (is === 'audio/ogg' || is === 'application/ogg') return 'of Ogg, WhatsApp takes Opus alone';
  if (is === utf16Text) return 'save it in UTF-8';
  if (is.endsWith('.macroenabled.12')) return 'save it without macros, as .docx, .xlsx or .pptx';
  if (is === zip || is === compound) return 'give it the name of its program, such as .docx';
  if (is === hiddenByTag) return 'declare audio/mpeg or audio/aac, or give it the name .mp3 or .aac';
  if (is === text) return 'give it a name that ends in .txt';
  if (is.startsWith('image/')) return image;
  if (is.startsWith('audio/')) return sound;
  if (is.startsWith('video/')) return video;
  return is === binary ? taken : document;
}
