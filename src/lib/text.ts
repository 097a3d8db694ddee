/**
 * The one rule for text that people will read, wherever it is received. Accepted text is not changed, composed or decomposed.
 * Text that cannot be displayed as intended is refused, not repaired.
 */

/** Tabs and line ends are allowed; the other control characters of C0 and C1, and DEL, are not. */
const control = /(?![\t\n\r])\p{Cc}/u;
/** A quick check, because most text has none of these, and it runs for millions of cells. */
const suspicious = /[\p{Cc}\p{Cs}\u2028\u2029\uFFFD]/u;
const lineControl = /[\t\r\n\u2028\u2029]/;
/** Characters that are invisible on their own. Unicode classifies the Braille blank as a letter, but readers see an empty field. */
const invisibleOnly = /^[\s\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]*$/u;

export const isBlank = (text: string): boolean => invisibleOnly.test(text);

/** Why this text is refused, in words; undefined: it is accepted. `line`: text of one line, such as a name or a button. */
export function textFault(text: string, kind: 'lines' | 'line' = 'lines'): string | undefined {
  if (!suspicious.test(text)) return undefined;
  if (!text.isWellFormed()) return 'has half of a surrogate pair, which is no character';
  if (text.includes('\0')) return 'has a NUL (U+0000)';
  const found = control.exec(text)?.[0];
  if (found !== undefined) return `has the control character ${codePoint(found)}`;
  if (text.includes('\uFFFD')) return 'has U+FFFD, which stands where text was read in the wrong encoding';
  if (kind === 'line' && lineControl.test(text)) return 'has a line break or a tab, and must be one line';
  return undefined;
}

const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
