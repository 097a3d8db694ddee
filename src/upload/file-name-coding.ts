/** `=?utf-8?B?...?=` and `=?utf-8?Q?...?=` (RFC 2047). */
const ENCODED_WORD = /=\?([\w-]{1,40})(?:\*[\w-]{1,40})?\?([bq])\?([^?\s]*)\?=/gi;

/**
 * The decoded name of the file in the parameters of a Content-Disposition; undefined: there is none. `filename*` is forbidden
 * in forms (RFC 7578, 4.2), but .NET's HttpClient always sends it beside an encoded `filename`, so it is used if it is well
 * formed, and trusted no more than the other.
 */
export function fileNameOf(parameters: ReadonlyMap<string, string>): string | undefined {
  const plain = parameters.get('filename');
  const extended = parameters.get('filename*') ?? continued(parameters);
  if (extended === undefined) return plain === undefined ? undefined : decoded(plain);
  return decodedExtended(extended) ?? decoded(plain ?? '');
}

/** `filename*0*=utf-8''...; filename*1*=...` (RFC 2231), joined to the form of `filename*`. */
function continued(parameters: ReadonlyMap<string, string>): string | undefined {
  let whole: string | undefined;
  for (let at = 0; ; at += 1) {
    const coded = parameters.get(`filename*${at}*`);
    const plain = parameters.get(`filename*${at}`);
    if (coded === undefined && plain === undefined) return whole;
    whole ??= coded === undefined ? "utf-8''" : '';
    whole += coded ?? encodeURIComponent((plain ?? '').toWellFormed());
  }
}

/** Decodes `utf-8'en'a%20b.pdf` (RFC 5987); undefined: it is malformed. */
function decodedExtended(text: string): string | undefined {
  const [, charset, value] = /^([\w-]{1,40})'[\w-]*'(.*)$/s.exec(text) ?? [];
  if (charset === undefined || value === undefined || /%(?![0-9a-f]{2})/i.test(value)) return undefined;
  return inCharset(charset, unescaped(value, '%'));
}

function decoded(plain: string): string {
  return decodedWords(plain) ?? decodedPercents(plain);
}

/** Adjacent encoded words are one text and may split a character; blanks between them are dropped. */
function decodedWords(text: string): string | undefined {
  const words = [...text.matchAll(ENCODED_WORD)];
  if (words.length === 0) return undefined;
  let name = '';
  let [at, run, charset] = [0, Buffer.alloc(0), ''];
  for (const [word, wordCharset = '', coding = '', value = ''] of words) {
    const start = text.indexOf(word, at);
    const between = text.slice(at, start);
    if (between.trim() !== '' || wordCharset.toLowerCase() !== charset) {
      const before = inCharset(charset || 'utf-8', run);
      if (before === undefined) return undefined;
      name += before + (between.trim() === '' && at > 0 ? '' : between);
      [run, charset] = [Buffer.alloc(0), wordCharset.toLowerCase()];
    }
    const bytes = /^b$/i.test(coding) ? Buffer.from(value, 'base64') : unescaped(value.replaceAll('_', ' '), '=');
    run = Buffer.concat([run, bytes]);
    at = start + word.length;
  }
  const last = inCharset(charset, run);
  return last === undefined ? undefined : name + last + text.slice(at);
}

/**
 * Some programs percent-encode the whole name, blanks and non-ASCII letters included; browsers encode only quotes and line
 * ends, and leave a percent sign as it is.
 */
function decodedPercents(text: string): string {
  if (text.includes('%') && /^[\x21-\x7e]+$/.test(text)) {
    try {
      return decodeURIComponent(text);
    } catch {
      // A percent sign that is no escape.
    }
  }
  return text.replace(/%(?:22|0d|0a)/gi, (escaped) => decodeURIComponent(escaped));
}

function unescaped(text: string, sign: '%' | '='): Buffer {
  const pieces = text.split(new RegExp(`(${sign}[0-9a-f]{2})`, 'i'));
  return Buffer.concat(
    pieces.map((piece, at) => (at % 2 === 1 ? Buffer.from(piece.slice(1), 'hex') : Buffer.from(piece))),
  );
}

function inCharset(charset: string, bytes: Buffer): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
