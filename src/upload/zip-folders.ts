const OPENXML = 'application/vnd.openxmlformats-officedocument';

/** The folder, extension and media type of each kind of Office file. */
export const officeFolders: readonly (readonly [folder: string, extension: string, mimeType: string])[] = [
  ['word/', 'docx', `${OPENXML}.wordprocessingml.document`],
  ['xl/', 'xlsx', `${OPENXML}.spreadsheetml.sheet`],
  ['ppt/', 'pptx', `${OPENXML}.presentationml.presentation`],
];

export const folderOf = (mimeType: string): string | undefined =>
  officeFolders.find(([, , own]) => own === mimeType)?.[0];

const LOCAL_HEADER = Buffer.from('PK\x03\x04');
const LOCAL_HEADER_BYTES = 30;

/** The Office type whose folder comes first in the beginning of a zip file. Ignores the lengths in its headers. */
export function officeTypeIn(sample: Buffer): string | undefined {
  let at = sample.indexOf(LOCAL_HEADER);
  while (at !== -1) {
    const name = sample.toString('latin1', at + LOCAL_HEADER_BYTES, at + LOCAL_HEADER_BYTES + 8);
    const found = officeFolders.find(([folder]) => name.startsWith(folder));
    if (found) return found[2];
    at = sample.indexOf(LOCAL_HEADER, at + 1);
  }
  return undefined;
}
