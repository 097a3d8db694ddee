/** In UTF-16 units, as WATI's .NET counts. */
const NAME_CHARS_MAX = 200;

/**
 * Characters that are removed from a name, which is written into a header and read by the customer: controls, unpaired
 * surrogates, line separators, unassigned and private characters, U+FFFD, quotes, `;`, path separators, and every invisible
 * format character (bidi controls included) except the joiners U+200C and U+200D, which Persian, Indic scripts and emoji need.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\uFFFD";/\\]|(?![\u200C\u200D])\p{Cf}/u;

/** Escapes that a later server may decode into one of these characters. */
const ESCAPED = /%(?:0[0ad]|22|2f|5c)/gi;

/** Names that contain no visible letter, hidden files, and endings that Windows drops. */
const awkwardFirst = /^[\s.\u200C\u200D]/u;
const awkwardLast = /[\s.\u200C\u200D]$/u;

/**
 * The file name that WATI and the customer get: the caller's name, cleaned, or `file-<id>.<ext>` if nothing of it is left. If
 * its extension does not belong to the detected type, the right one is appended (`bill.exe` becomes `bill.exe.pdf`), because
 * WATI may derive the kind of file from it.
 *
 * @param name the decoded name; '' if there was none
 *
 * @param extensions of the detected type, lower case without dot, the usual one first
 */
export function safeFileName(name: string, fileId: string, extensions: readonly [string, ...string[]]): string {
  const clean = cleanFileName(name);
  const extension = extensionOf(clean);
  const fits = extensions.includes(extension);
  const end = fits ? clean.slice(-extension.length - 1) : `.${extensions[0]}`;
  const stem = shortened(fits ? clean.slice(0, -end.length) : clean, NAME_CHARS_MAX - end.length);
  return /^[_', ]*$/.test(stem) ? `file-${fileId}${end.toLowerCase()}` : `${stem}${end}`;
}

/** The last segment of a path, in NFC, without characters that are harmful to show or to write into a header. */
export function cleanFileName(name: string): string {
  const whole = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  // From a name that is far too long, the part that may be needed is kept: its beginning and its extension.
  const segment = (whole.length > 1000 ? whole.slice(0, 900) + whole.slice(-20) : whole).normalize('NFC');
  const clean = Array.from(segment.replaceAll('\r\n', ' '), harmless).join('');
  // A full-width percent sign or digit becomes a plain one in code-page conversions.
  const folded = clean.normalize('NFKC');
  const unescaped = folded.search(ESCAPED) === -1 ? clean : folded.replace(ESCAPED, '_');
  return withoutAwkwardEnds(unescaped.normalize('NFC'));
}

/**
 * A character, or its replacement. Checks its NFKC form too, because a full-width quote or slash becomes a plain one in
 * code-page conversions.
 */
function harmless(character: string): string {
  const folded = character.normalize('NFKC');
  if (!FORBIDDEN.test(character) && !FORBIDDEN.test(folded)) return character;
  if (/[\t\n\r\u0085\u2028\u2029]/.test(character)) return ' ';
  if (folded.includes('"')) return "'";
  if (folded.includes(';')) return ',';
  if (/[/\\]/.test(folded)) return '-';
  return /[\p{Cc}\p{Cf}]/u.test(character) ? '' : '_';
}

function withoutAwkwardEnds(name: string): string {
  const characters = Array.from(name);
  const isAwkward = (character: string | undefined, pattern: RegExp) =>
    character !== undefined && pattern.test(character.normalize('NFKC'));
  let first = 0;
  while (isAwkward(characters[first], awkwardFirst)) first += 1;
  let last = characters.length;
  while (last > first && isAwkward(characters[last - 1], awkwardLast)) last -= 1;
  // `.pdf` is an extension without a name.
  const isHidden = first > 0 && characters[first - 1] === '.' && !characters.slice(first, last).includes('.');
  return isHidden && last - first <= 4 ? '' : characters.slice(first, last).join('');
}

/** Cut without splitting a surrogate pair. */
function shortened(stem: string, charsMax: number): string {
  if (stem.length <= charsMax) return stem;
  return withoutAwkwardEnds(stem.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, ''));
}

/** `PDF` of `a.PDF` as `pdf`; '' if there is none. */
export function extensionOf(name: string): string {
  return /[^.]\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
}
