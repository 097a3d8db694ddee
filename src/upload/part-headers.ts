import { fileNameOf } from './file-name-coding.ts';
import { parseHeaderValue } from './header-value.ts';
import { malformed } from './upload-error.ts';

const LINES_MAX = 20;

export interface PartHeaders {
  /** The name of the form field. */
  field: string;
  /** Decoded, '' if it is empty; undefined: the part is a plain field without a file. */
  fileName: string | undefined;
  /** As the caller wrote it. */
  contentType: string | undefined;
}

/**
 * Parses the header block of a part: RFC 7578 with its limits, and strictly, because a tolerant parser may disagree with WATI's.
 *
 * @param block the header lines, without the CRLF of the last one
 * @throws UploadError `malformed`
 */
export function parsePartHeaders(block: Buffer): PartHeaders {
  const lines = decode(block).split('\r\n');
  if (lines.length > LINES_MAX) throw malformed(`the part has more than ${LINES_MAX} header lines`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    // A lone CR or LF, a NUL, a folded line (RFC 7230 abolished them): parsers read each of them differently.
    const match = /^([\w!#$%&'*+.^`|~-]+):([^\p{Cc}]*(?:\t[^\p{Cc}]*)*)$/u.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (name === undefined) throw malformed('the headers of the part cannot be read');
    if (headers.has(name)) throw malformed(`the part has two headers "${name}"`);
    headers.set(name, (match?.[2] ?? '').trim());
  }
  checkEncoding(headers.get('content-transfer-encoding'));
  const disposition = parseHeaderValue(headers.get('content-disposition') ?? '', 'the content disposition of the part');
  const field = disposition.parameters.get('name');
  if (disposition.value !== 'form-data' || field === undefined) {
    throw malformed('the part needs "Content-Disposition: form-data" with a name');
  }
  return { field, fileName: fileNameOf(disposition.parameters), contentType: headers.get('content-type') };
}

function decode(block: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(block);
  } catch (cause) {
    throw Object.assign(malformed('the headers of the part are not UTF-8'), { cause });
  }
}

/** Base64 is not decoded: RFC 7578, 4.7 deprecates the header, and no client is known to send it. */
function checkEncoding(encoding: string | undefined): void {
  if (encoding !== undefined && !/^(?:binary|7bit|8bit)$/i.test(encoding)) {
    throw malformed('the part has a content transfer encoding other than binary, 8bit or 7bit');
  }
}
