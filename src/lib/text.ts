/**
 * The one rule for text that people will read, wherever it comes in. What is taken stays as it is, composed or decomposed;
 * what no screen can show as it was meant is refused, never repaired.
 */

/** Tabs and line ends are text; the other controls of C0 and C1, and DEL, are not. */
const control = /(?![\t\n\r])\p{Cc}/u;
/** Most text has none of these, and millions of cells are looked at. */
const suspicious = /[\p{Cc}\p{Cs}\u2028\u2029\uFFFD]/u;
const lineControl = /[\t\r\n\u2028\u2029]/;
/** Characters that are invisible alone. The Braille blank is a letter to Unicode, and an empty field to the reader. */
const invisibleOnly = /^[\s\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]*$/u;

export const isBlank = (text: string): boolean => invisibleOnly.test(text);

/** Why this is no text, in words; undefined: it is. `line`: text of one line, such as a name or a button. */
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
