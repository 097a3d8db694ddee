/** UTF-16 units, as WATI's .NET counts them. */
const NAME_CHARS_MAX = 200;

/**
 * Characters that are removed from a name, which goes into a header and is read by the customer: controls, unpaired surrogates,
 * line separators, unassigned and private characters, U+FFFD, quotes, `;`, path separators, and every invisible format character
 * (bidi controls among them) but the joiners U+200C and U+200D, which Persian, Indic scripts and emoji need.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\uFFFD";/\\]|(?![\u200C\u200D])\p{Cf}/u;

/** Escapes that a later hop may decode into one of the above. */
const ESCAPED = /%(?:0[0ad]|22|2f|5c)/gi;

/** No letter would be left to see, a hidden file, or an end that Windows drops. */
const awkwardFirst = /^[\s.\u200C\u200D]/u;
const awkwardLast = /[\s.\u200C\u200D]$/u;

/**
 * The file name that goes to WATI and on to the customer: the caller's, cleaned, or `file-<id>.<ext>` when nothing is left
 * of it. An extension that does not belong to the checked type gets the right one behind it (`bill.exe` becomes
 * `bill.exe.pdf`): WATI may derive the kind from it.
 *
 * @param name as the caller meant it, decoded; '' when there was none
 * @param extensions of the checked type, lower case without dot, the usual one first
 */
export function safeFileName(name: string, fileId: string, extensions: readonly [string, ...string[]]): string {
  const clean = cleanFileName(name);
  const extension = extensionOf(clean);
  const fits = extensions.includes(extension);
  const end = fits ? clean.slice(-extension.length - 1) : `.${extensions[0]}`;
  const stem = shortened(fits ? clean.slice(0, -end.length) : clean, NAME_CHARS_MAX - end.length);
  return /^[_', ]*$/.test(stem) ? `file-${fileId}${end.toLowerCase()}` : `${stem}${end}`;
}

/** The last segment of a path, in NFC, without what is harmful to show or to write into a header. */
export function cleanFileName(name: string): string {
  const whole = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  // A name that is far too long keeps what may be needed: its beginning and its extension.
  const segment = (whole.length > 1000 ? whole.slice(0, 900) + whole.slice(-20) : whole).normalize('NFC');
  const clean = Array.from(segment.replaceAll('\r\n', ' '), harmless).join('');
  // A full-width percent sign or digit becomes a plain one in code-page conversions.
  const folded = clean.normalize('NFKC');
  const unescaped = folded.search(ESCAPED) === -1 ? clean : folded.replace(ESCAPED, '_');
  return withoutAwkwardEnds(unescaped.normalize('NFC'));
}

/** One character, or what stands for it. NFKC too: a full-width quote or slash becomes a real one in code-page conversions. */
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

/** No half of a character at the end. */
function shortened(stem: string, charsMax: number): string {
  if (stem.length <= charsMax) return stem;
  return withoutAwkwardEnds(stem.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, ''));
}

/** `PDF` of `a.PDF` as `pdf`; '' when there is none. */
export function extensionOf(name: string): string {
  return /[^.]\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
}
