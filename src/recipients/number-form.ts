import { counted } from '../lib/counted.ts';

/** Digits with country code, as WATI takes them and the store keeps them. */
const plainNumber = /^[1-9][0-9]{6,14}$/;

/** Characters that people write between the groups of a number that begins with `+`. */
const separated = /^\+[\p{Zs}\p{Pd}0-9.()[\]]*$/u;
/** The longest text that is examined. */
const lengthMax = 100;
const separators = /[^0-9]/g;

export type NumberForm = { digits: string } | { fault: string };

/** Reads a phone number with its country code into its digits. A fault says what to change and never repeats the number. */
export function readForm(text: string): NumberForm {
  if (plainNumber.test(text)) return { digits: text };
  if (text.length > lengthMax) return { fault: 'is too long for a number' };
  const fault = wordsFor(text);
  if (fault !== undefined) return { fault };
  const digits = text.replace(separators, '');
  return plainNumber.test(digits) ? { digits } : { fault: countFault(digits) };
}

/** The same for the part after the country code, in a cell of its own: here separators need no `+`. */
export function readNational(text: string): NumberForm {
  if (text.startsWith('00')) return { fault: 'begins with 00: write it without the 00 and the country code' };
  if (/^[0-9]{1,15}$/.test(text)) return { digits: text };
  if (text.length > lengthMax) return { fault: 'is too long for a number' };
  if (text.startsWith('+')) {
    return { fault: 'has a + and its country code, which CountryCode gives too: keep one of the two' };
  }
  const digits = text.replace(separators, '');
  // Whether a leading 0 belongs to the number depends on its country.
  const fault = wordsFor(`+${text.replace(/^([^0-9]*)0+/, '$1')}`);
  return fault === undefined && digits.length > 0 ? { digits } : { fault: wordsFor(text) ?? countFault(digits) };
}

/** Why a cell is no calling code (without its `+`). */
export function codeFault(code: string): string {
  if (code === '') return 'has no country code: fill CountryCode, or write the number with + and its country code';
  const cause = codeRules.find(([pattern]) => pattern.test(code))?.[1] ?? 'is not the calling code of a country';
  return `cannot be read: CountryCode ${cause}, such as 91`;
}

type Rule = readonly [pattern: RegExp, words: string];

/** The first match names the cause. */
const rules: readonly Rule[] = [
  [/^[\s\p{Cf}]*$/u, 'is blank'],
  [
    /^[+-]?\d+([.,]\d+)?e[+-]?\d+$/i,
    'is in scientific notation and has lost digits: in a spreadsheet format the column as text, then enter or paste the numbers again',
  ],
  [/^\s*["'\u2018\u2019`]/u, 'has an apostrophe or a quote in front: remove it'],
  [/^\s*=/, 'is a formula: keep its value, the number alone'],
  [/^\+?[^+]*\d[.,]0+$/, 'ends in a decimal part such as .0: write the column as text or as whole numbers'],
  [/\p{Cf}/u, 'has an invisible character in it: type the number anew'],
  [/\p{Cc}/u, 'has a tab, a line break or a control character in it'],
  [/@/, 'has an @ in it: write the number alone'],
  [
    /^\s*\p{L}[\p{L} ]{0,20}[.:]?\s*\+?[(\d][^+\p{L}]*$/u,
    'has a word such as whatsapp: or tel: in front: write the number alone',
  ],
  [/^\s*(https?:|wa\.me)/i, 'is an address: write the number alone'],
  [/(\d\s*(x|ext\.?|#)\s*\d+)\s*$/i, 'has an extension: write the number without it'],
  [/\(0+\)/, 'has a (0) in it: leave it out behind the country code'],
  [
    /^\+?\d{1,3}(,\d{2,3})+$/,
    'has commas between its digits: in a spreadsheet format the column as text, or as whole numbers without separators',
  ],
  [/[/;,|&]|.\+/u, 'holds more than one number, or a character between its digits that is not known'],
  [/\p{L}/u, 'has letters in it'],
  [/(?![0-9])\p{Nd}/u, 'has digits other than 0 to 9'],
  [/^[\s]+\d/u, 'has a blank in front (in an address write + as %2B)'],
  [/^\d+[\s]+$/u, 'has a blank behind it'],
  [/^\s*00/, 'begins with 00: write it without 00 in front'],
  [/^\+[^0-9]*00/, 'begins with 00 behind the +: write it without 00 in front'],
  [/^\+[^0-9]*0/, 'has a 0 behind the +: write the country code in its place'],
  [/^\s*0/, 'begins with 0: write the country code in the place of the 0'],
  [/^[-\u2013\u2212]\s*\d+$/u, 'is negative'],
  [
    /^[^+]*[\s\p{Pd}.()[\]]/u,
    'has blanks, dots, dashes or brackets, which are taken behind a + only: write + and the country code in front, or digits alone',
  ],
];

const codeRules: readonly Rule[] = [
  [/^["'\u2018\u2019`]/u, 'has an apostrophe or a quote in front: write the digits alone'],
  [/^=/, 'is a formula: keep its value'],
  [/^\d+[.,]0+$/, 'ends in a decimal part such as .0: write whole numbers'],
  [/^00/, 'begins with 00: write it without 00 in front'],
  [/^0/, 'begins with 0: write it without the 0'],
  [/\p{L}/u, 'has letters: write the calling code in digits'],
  [/(?![0-9])\p{Nd}/u, 'has digits other than 0 to 9'],
  [
    /^1[^0-9]?[2-9]\d\d$/,
    'has an area code behind the 1: write the area code in front of the number, and the code alone here',
  ],
  [/[^0-9]/, 'has more than digits: write the calling code alone'],
];

function wordsFor(text: string): string | undefined {
  for (const [pattern, words] of rules) if (pattern.test(text)) return words;
  if (text.startsWith('+') ? !separated.test(text) : /[^0-9]/.test(text)) return 'has a character that no number has';
  return undefined;
}

const countFault = (digits: string): string =>
  `has ${counted(digits.length, 'digit')}; with its country code a number has 7 to 15`;
