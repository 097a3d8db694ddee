import { compound, hiddenByTag, pdfWithin, type Signature, zip } from './signature.ts';

export type FileKind = 'image' | 'audio' | 'video' | 'document' | 'csv';

const MIB = 1024 * 1024;

/** Meta's limits per kind of media; its MB are taken as 1024 * 1024 bytes. A CSV has only the overall limit. */
export const kindBytesMax: Readonly<Record<FileKind, number>> = {
  image: 5 * MIB,
  audio: 16 * MIB,
  video: 16 * MIB,
  document: 100 * MIB,
  csv: Number.POSITIVE_INFINITY,
};

export interface MediaType {
  kind: FileKind;
  /** The usual extension first. */
  extensions: readonly [string, ...string[]];
  /** Signatures that prove the type, whatever type or name is declared. */
  proof: readonly string[];
  /** Signatures that other types have as well: the declared type or the name decides. */
  fits: readonly string[];
}

const media = (
  kind: FileKind,
  extensions: MediaType['extensions'],
  { proof, fits = [] }: { proof: string[]; fits?: string[] },
) => ({
  kind,
  extensions,
  proof,
  fits,
});

const OPENXML = 'application/vnd.openxmlformats-officedocument';

/** The first bytes of an Office file may only show that it is a zip file. */
const openXml = (extension: string, mimeType: string): [string, MediaType] => [
  mimeType,
  media('document', [extension], { proof: [mimeType], fits: [zip] }),
];

/** Types that WhatsApp accepts. A webp sticker counts as an image; Ogg is accepted with Opus only. */
export const mediaTypes: ReadonlyMap<string, MediaType> = new Map<string, MediaType>([
  ['image/jpeg', media('image', ['jpg', 'jpeg', 'jpe', 'jfif'], { proof: ['image/jpeg'] })],
  ['image/png', media('image', ['png'], { proof: ['image/png', 'image/apng'] })],
  ['image/webp', media('image', ['webp'], { proof: ['image/webp'] })],
  ['audio/aac', media('audio', ['aac'], { proof: ['audio/aac'], fits: [hiddenByTag] })],
  ['audio/amr', media('audio', ['amr'], { proof: ['audio/amr'] })],
  ['audio/mpeg', media('audio', ['mp3'], { proof: ['audio/mpeg'], fits: [hiddenByTag] })],
  // Many encoders give an audio-only MP4 the brand of a video.
  ['audio/mp4', media('audio', ['m4a', 'mp4'], { proof: ['audio/mp4', 'audio/x-m4a'], fits: ['video/mp4'] })],
  ['audio/ogg', media('audio', ['ogg', 'opus', 'oga'], { proof: ['audio/ogg; codecs=opus'] })],
  ['video/mp4', media('video', ['mp4'], { proof: ['video/mp4', 'video/x-m4v'] })],
  ['video/3gpp', media('video', ['3gp'], { proof: ['video/3gpp'] })],
  ['application/pdf', media('document', ['pdf'], { proof: ['application/pdf', pdfWithin] })],
  ['text/plain', media('document', ['txt'], { proof: [] })],
  ['application/msword', media('document', ['doc'], { proof: [], fits: [compound] })],
  ['application/vnd.ms-excel', media('document', ['xls'], { proof: [], fits: [compound] })],
  ['application/vnd.ms-powerpoint', media('document', ['ppt'], { proof: [], fits: [compound] })],
  openXml('docx', `${OPENXML}.wordprocessingml.document`),
  openXml('xlsx', `${OPENXML}.spreadsheetml.sheet`),
  openXml('pptx', `${OPENXML}.presentationml.presentation`),
]);

export const csvType: MediaType = media('csv', ['csv'], { proof: [] });

/** Aliases of listed types. They decide if the bytes are ambiguous, and never contradict the bytes, because programs use them loosely. */
export const synonyms: ReadonlyMap<string, string> = new Map([
  ['image/jpg', 'image/jpeg'],
  ['image/pjpeg', 'image/jpeg'],
  ['audio/mp3', 'audio/mpeg'],
  ['audio/x-mp3', 'audio/mpeg'],
  ['audio/mpeg3', 'audio/mpeg'],
  ['audio/x-mpeg', 'audio/mpeg'],
  ['audio/x-mpeg-3', 'audio/mpeg'],
  ['audio/mpg', 'audio/mpeg'],
  ['audio/x-m4a', 'audio/mp4'],
  ['audio/m4a', 'audio/mp4'],
  ['audio/x-mp4', 'audio/mp4'],
  ['audio/mp4a-latm', 'audio/mp4'],
  ['audio/x-aac', 'audio/aac'],
  ['audio/aacp', 'audio/aac'],
  ['audio/x-hx-aac-adts', 'audio/aac'],
  ['audio/vnd.dlna.adts', 'audio/aac'],
  ['application/doc', 'application/msword'],
  ['application/x-msword', 'application/msword'],
  ['application/excel', 'application/vnd.ms-excel'],
  ['application/x-excel', 'application/vnd.ms-excel'],
  ['application/x-msexcel', 'application/vnd.ms-excel'],
  ['application/powerpoint', 'application/vnd.ms-powerpoint'],
  ['application/mspowerpoint', 'application/vnd.ms-powerpoint'],
  ['application/x-mspowerpoint', 'application/vnd.ms-powerpoint'],
]);

/** Extensions of the containers that Office formats share with other files. */
export const isOffice = ({ fits }: MediaType): boolean => fits.includes(zip) || fits.includes(compound);

/** The accepted types with this signature; those that it proves first. */
export function typesOf({ is, isText }: Signature): readonly (readonly [string, MediaType])[] {
  const proved = [...mediaTypes].filter(([, { proof }]) => proof.includes(is));
  const fitting = [...mediaTypes].filter(([, { fits }]) => fits.includes(is));
  // Two letters are a signature of some formats, such as bitmaps, and a text may begin with them.
  const mayBeText = isText && (proved.length === 0 || is === pdfWithin);
  return [...proved, ...fitting, ...[...mediaTypes].filter(([mimeType]) => mayBeText && mimeType === 'text/plain')];
}
