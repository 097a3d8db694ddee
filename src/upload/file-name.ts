/** UTF-16 units, as WATI's .NET counts them; delivery rules 2.7. */
const NAME_CHARS_MAX = 200;

/**
 * What may not stand in a name that we write into a header and a customer reads: controls, unpaired surrogates, line
 * separators, unassigned and private characters, U+FFFD, quotes, `;`, path separators, and every invisible format
 * character (bidi controls among them) but the joiners U+200C and U+200D, which Persian, Indic scripts and emoji need.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\uFFFD";/\\]|(?![\u200C\u200D])\p{Cf}/u;

/** Escapes that a later hop may decode into one of the above; browsers write quote, CR and LF so. */
const ESCAPED = /%(?:0[0ad]|22|2f|5c)/i;

/** No letter would be left to see, a hidden file, or an end that Windows drops. */
const AWKWARD = /^[\s.\u200C\u200D]|[\s.]$/u;

function isHarmless(name: string): boolean {
  // NFKC too: a full-width quote or slash becomes a real one in code-page conversions.
  const folded = name.normalize('NFKC');
  return !FORBIDDEN.test(name) && !FORBIDDEN.test(folded) && !ESCAPED.test(folded) && !AWKWARD.test(folded);
}

/**
 * The file name that goes to WATI and on to the customer: the caller's in NFC, or `file-<id>.<ext>` when it is not
 * harmless (delivery rules 2.7). An extension that does not belong to the checked type gets the right one behind it
 * (`bill.exe` becomes `bill.exe.pdf`): WATI may derive the kind from it.
 *
 * @param name as the caller wrote it, unescaped; '' when there was none
 * @param extensions of the checked type, lower case without dot, the usual one first
 */
export function safeFileName(name: string, fileId: string, extensions: readonly [string, ...string[]]): string {
  const normal = name.normalize('NFC');
  const fits = extensions.includes(extensionOf(normal));
  const full = fits ? normal : `${normal}.${extensions[0]}`;
  const usable = normal !== '' && full.length <= NAME_CHARS_MAX && isHarmless(normal);
  return usable ? full : `file-${fileId}.${extensions[0]}`;
}

/** `PDF` of `a.PDF` as `pdf`; '' when there is none. */
export function extensionOf(name: string): string {
  return /[^.]\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
}
