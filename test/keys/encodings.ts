const each = (key: string, form: (letter: string) => string) => [...key].map(form).join('');
const hexOf = (letter: string) => letter.charCodeAt(0).toString(16).padStart(2, '0');
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** How a key may be quoted, as it stands within a JSON text. */
export const encodings: Readonly<Record<string, (key: string) => string>> = {
  'as it is': (key) => key,
  'behind Bearer': (key) => `authorization=Bearer: ${key}`,
  'in capitals': (key) => key.toUpperCase(),
  'the most of it': (key) => `${key.slice(0, -4)}****`,
  backwards: (key) => [...key].reverse().join(''),
  'in groups': (key) => key.replace(/(.{4})/g, '$1-'),
  'with what has no width': (key) => each(key, (letter) => `${letter}\u200b`),
  hex: (key) => Buffer.from(key).toString('hex'),
  'hex in capitals': (key) => Buffer.from(key).toString('hex').toUpperCase(),
  'hex with colons': (key) => each(key, (letter) => `${hexOf(letter)}:`),
  base64,
  'base64 of a header': (key) => base64(`Bearer ${key}`),
  'base64 of a user and it': (key) => base64(`a:${key}`),
  'base64 of JSON': (key) => base64(JSON.stringify({ apiKey: key, n: 1 })),
  'base64 with line breaks': (key) => base64(key).replace(/(.{10})/g, '$1\\r\\n'),
  base64url: (key) => Buffer.from(`?>${key}`).toString('base64url'),
  'base64 of base64': (key) => base64(base64(key)),
  'base64 of hex': (key) => base64(Buffer.from(key).toString('hex')),
  'encoded for URLs': (key) => each(key, (letter) => `%${hexOf(letter)}`),
  'encoded for URLs in part': (key) => each(key, (letter) => (letter > 'c' ? `%${hexOf(letter)}` : letter)),
  'encoded for URLs twice': (key) => each(key, (letter) => `%25${hexOf(letter).toUpperCase()}`),
  'base64 encoded for URLs': (key) => base64(`${key}?`).replace(/[+/=]/g, encodeURIComponent),
  'escaped as JSON': (key) => each(key, (letter) => `\\u00${hexOf(letter)}`),
  'escaped as JSON in JSON': (key) => each(key, (letter) => `\\\\u00${hexOf(letter)}`),
  'escaped as a script': (key) => each(key, (letter) => `\\\\x${hexOf(letter)}`),
  'as HTML, decimal': (key) => each(key, (letter) => `&#${letter.charCodeAt(0)};`),
  'as HTML, hex': (key) => each(key, (letter) => `&#x${hexOf(letter)};`),
  'as HTML in HTML': (key) => each(key, (letter) => `&amp;#${letter.charCodeAt(0)};`),
  'as codes': (key) => each(key, (letter) => `${letter.charCodeAt(0)},`),
};
