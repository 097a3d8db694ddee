import fc from 'fast-check';

/** Every code point, those of ASCII most often. The units of fast-check for this build a table of all characters, which takes half a second. */
export const anyCharacter = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCodePoint(code)) },
  { weight: 2, arbitrary: fc.integer({ min: 0x80, max: 0x10ffff }).map(toCharacter) },
);

/** Half of a surrogate pair is no character. */
function toCharacter(code: number): string {
  return String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? code - 0x800 : code);
}

/** A character as people see it: also one of several code points. */
export const anyGrapheme = fc.oneof(
  { weight: 6, arbitrary: anyCharacter },
  {
    weight: 1,
    arbitrary: fc.constantFrom('e\u0301', '\u{1f1ee}\u{1f1f3}', '\u{1f469}\u200d\u{1f467}', '\u0915\u094d\u0937\u093f'),
  },
);
