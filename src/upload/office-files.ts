import { isOffice, type MediaType } from './media-types.ts';
import { UploadError } from './upload-error.ts';

/** Names of Office and OpenDocument files, of which one is opened as another only with a fault. */
const officeExtensions = new Set([
  ...['doc', 'docx', 'docm', 'dot', 'dotx', 'dotm', 'odt', 'ott', 'fodt'],
  ...['xls', 'xlsx', 'xlsm', 'xlsb', 'xlt', 'xltx', 'xltm', 'xla', 'xlam', 'ods', 'ots', 'fods'],
  ...['ppt', 'pptx', 'pptm', 'pps', 'ppsx', 'ppsm', 'pot', 'potx', 'potm', 'ppa', 'ppam', 'odp', 'otp'],
  ...['odg', 'vsd', 'vsdx', 'mpp', 'pub', 'msg', 'one'],
]);

/**
 * An Office file whose name says another Office type than its bytes would be sent as: behind its name an extension would
 * be put with which its program refuses it.
 */
export function assertOfficeName(extension: string, type: MediaType): void {
  if (!isOffice(type) || !officeExtensions.has(extension) || type.extensions.includes(extension)) return;
  const [own] = type.extensions;
  throw new UploadError(
    'unsupported-type',
    `the file is named .${extension} and would go out as .${own}, which its program may refuse to open: save it as .${own}`,
  );
}

/** Parts that only workbooks in the binary form, and files with macros, have. Names stand in a zip file as they are. */
const foreignParts: readonly (readonly [Buffer, string])[] = [
  [Buffer.from('/vbaProject.bin'), 'the file has macros: save it without them, as .docx, .xlsx or .pptx'],
  [Buffer.from('xl/workbook.bin'), 'the file is a binary workbook (.xlsb): save it as .xlsx'],
];
const tailBytes = Math.max(...foreignParts.map(([name]) => name.length)) - 1;

/**
 * Looks for what contradicts an Office type in the zip file as it goes by: the first bytes show it only where the list of
 * contents comes first, and many programs write it last.
 */
export class OfficeCheck {
  #tail: Buffer = Buffer.alloc(0);

  static for(mimeType: string): OfficeCheck | undefined {
    return mimeType.includes('openxmlformats') ? new OfficeCheck() : undefined;
  }

  /** @throws UploadError `unsupported-type` */
  write(bytes: Buffer): void {
    const seam = Buffer.concat([this.#tail, bytes.subarray(0, tailBytes)]);
    for (const [name, detail] of foreignParts) {
      if (seam.includes(name) || bytes.includes(name)) throw new UploadError('unsupported-type', detail);
    }
    // Copied: the chunk is not ours to keep.
    this.#tail = Buffer.from(
      bytes.length >= tailBytes
        ? bytes.subarray(bytes.length - tailBytes)
        : seam.subarray(Math.max(0, seam.length - tailBytes)),
    );
  }
}
