import { inflateRawSync } from 'node:zlib';
import { isOffice, type MediaType } from './media-types.ts';
import { UploadError } from './upload-error.ts';
import { folderOf, officeFolders } from './zip-folders.ts';

/** Names of Office and OpenDocument files. A program that expects another of these formats reports a fault. */
const officeExtensions = new Set([
  ...['doc', 'docx', 'docm', 'dot', 'dotx', 'dotm', 'odt', 'ott', 'fodt'],
  ...['xls', 'xlsx', 'xlsm', 'xlsb', 'xlt', 'xltx', 'xltm', 'xla', 'xlam', 'ods', 'ots', 'fods'],
  ...['ppt', 'pptx', 'pptm', 'pps', 'ppsx', 'ppsm', 'pot', 'potx', 'potm', 'ppa', 'ppam', 'odp', 'otp'],
  ...['odg', 'vsd', 'vsdx', 'mpp', 'pub', 'msg', 'one'],
]);

/**
 * Refuses an Office file whose name has the extension of another Office type than its bytes: with the right extension appended,
 * the program of the named type would not open it.
 */
export function assertOfficeName(extension: string, type: MediaType): void {
  if (!isOffice(type) || !officeExtensions.has(extension) || type.extensions.includes(extension)) return;
  const [own] = type.extensions;
  throw refused(
    `the file is named .${extension} and would go out as .${own}, which its program may refuse to open: save it as .${own}`,
  );
}

/** Bytes kept from the end of a file. They contain the directory of a zip file, and often the parts that identify it. */
const TAIL_BYTES = 128 * 1024;
const CONTENTS_BYTES_MAX = 1024 * 1024;
const LIST_ENTRY = Buffer.from('PK\x01\x02');
const LIST_END = Buffer.from('PK\x05\x06');
const LOCAL_HEADER_BYTES = 30;

interface Part {
  name: string;
  /** Offset of its local header in the whole file. */
  offset: number;
  deflated: boolean;
  bytes: number;
}

/**
 * Checks at its end whether an Office file has the type that it is sent as. Its first bytes do not always show it: many
 * programs write the identifying part last, and the directory of a zip file is at its end.
 */
export class OfficeCheck {
  readonly #mimeType: string;
  readonly #memory = Buffer.allocUnsafeSlow(2 * TAIL_BYTES);
  #used = 0;
  #length = 0;

  private constructor(mimeType: string) {
    this.#mimeType = mimeType;
  }

  static for(mimeType: string): OfficeCheck | undefined {
    return folderOf(mimeType) === undefined ? undefined : new OfficeCheck(mimeType);
  }

  /** Copied, because the chunk belongs to the caller and may be tiny. */
  write(bytes: Buffer): void {
    this.#length += bytes.length;
    const last = bytes.subarray(-TAIL_BYTES);
    if (this.#used + last.length > this.#memory.length) {
      const kept = Math.min(this.#used, TAIL_BYTES);
      this.#memory.copyWithin(0, this.#used - kept, this.#used);
      this.#used = kept;
    }
    last.copy(this.#memory, this.#used);
    this.#used += last.length;
  }

  /** @throws UploadError `unsupported-type` */
  end(): void {
    const parts = this.#parts();
    const has = (name: string) => parts.some((part) => part.name.endsWith(name));
    if (has('/vbaProject.bin')) throw refused('the file has macros: save it without them, as .docx, .xlsx or .pptx');
    if (has('xl/workbook.bin')) throw refused('the file is a binary workbook (.xlsb): save it as .xlsx');
    const own = folderOf(this.#mimeType);
    const folders = officeFolders.map(([folder]) => folder).filter((folder) => parts.some(isIn(folder)));
    const [other] = folders;
    if (other !== undefined && own !== undefined && !folders.includes(own)) {
      const [, extension] = officeFolders.find(([folder]) => folder === other) ?? [];
      throw refused(`the file is an Office file of another kind: give it a name that ends in .${extension}`);
    }
    const contents = parts.find(({ name }) => name === '[Content_Types].xml');
    if (contents) this.#checkContents(this.#textOf(contents));
  }

  #checkContents(xml: string): void {
    if (!xml.includes('.main') || xml.includes(`${this.#mimeType}.main+xml`)) return;
    const what = /macroEnabled/i.test(xml) ? 'of a kind for macros' : 'a template or another kind of Office file';
    throw refused(`the file is ${what}: save it as .docx, .xlsx or .pptx`);
  }

  get #tail(): Buffer {
    return this.#memory.subarray(0, this.#used);
  }

  /** In the directory at the end, as far as it is kept. */
  #parts(): Part[] {
    const tail = this.#tail;
    const end = tail.lastIndexOf(LIST_END);
    if (end === -1 || end + 22 > tail.length) return [];
    const start = end - tail.readUInt32LE(end + 12);
    const parts: Part[] = [];
    let at = start >= 0 && LIST_ENTRY.equals(tail.subarray(start, start + 4)) ? start : tail.indexOf(LIST_ENTRY);
    while (at !== -1 && at + 46 <= end && LIST_ENTRY.equals(tail.subarray(at, at + 4))) {
      const nameEnd = at + 46 + tail.readUInt16LE(at + 28);
      parts.push({
        name: tail.toString('utf8', at + 46, nameEnd),
        offset: tail.readUInt32LE(at + 42),
        deflated: tail.readUInt16LE(at + 10) === 8,
        bytes: tail.readUInt32LE(at + 20),
      });
      at = nameEnd + tail.readUInt16LE(at + 30) + tail.readUInt16LE(at + 32);
    }
    return parts;
  }

  /** '' if it is not kept, or cannot be read. */
  #textOf({ offset, deflated, bytes }: Part): string {
    const tail = this.#tail;
    const at = offset - (this.#length - tail.length);
    if (at < 0 || at + LOCAL_HEADER_BYTES > tail.length) return '';
    const start = at + LOCAL_HEADER_BYTES + tail.readUInt16LE(at + 26) + tail.readUInt16LE(at + 28);
    const data = tail.subarray(start, start + bytes);
    try {
      return (deflated ? inflateRawSync(data, { maxOutputLength: CONTENTS_BYTES_MAX }) : data).toString();
    } catch {
      return '';
    }
  }
}

const isIn = (folder: string) => (part: Part) => part.name.startsWith(folder);

const refused = (detail: string) => new UploadError('unsupported-type', detail);
