import { foreignPatterns } from '../lib/patterns.ts';

/** The most characters of a reason that are examined. */
const readMax = 1_000;
/** The most characters of the scrubbed text. */
const keptMax = 300;
/** The most characters of a key, name or address that are examined. */
const wordMax = 24;

const { blanks, unprintable, piece, number, notDigit } = foreignPatterns;

/**
 * Scrubs the upstream's words for callers: one line of at most 300 characters, without addresses, host names, e-mail addresses,
 * credentials, stacks and phone numbers. All other words stay as they are.
 */
export function scrubErrorText(words: string): string {
  const line = withoutStack(words.slice(0, readMax).toWellFormed())
    .replace(blanks.pattern, ' ')
    .replace(unprintable.pattern, '')
    .trim();
  return cut(maskedPieces(line).replace(number.pattern, maskedNumber), keptMax);
}

/** At most this many UTF-16 units, without splitting a character. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const end = length - 3;
  // If the cut splits a surrogate pair, its first half is removed as well.
  const isSplit = /^[\uDC00-\uDFFF]$/.test(text[end] ?? '');
  return `${text.slice(0, isSplit ? end - 1 : end)}...`;
}

const day = /^(19|20)\d{2}-\d{2}-\d{2}\b/;

const maskedNumber = (run: string): string =>
  day.test(run) ? run : `***${run.replace(notDigit.pattern, '').slice(-4)}`;

/** Frames of a stack that follow a message: `at Name.Of (file:1:2)`, `at Name.Of() in file`, `File "x", line 1`. */
function withoutStack(words: string): string {
  const starts = ['\n    at ', '\n\tat ', '\n   at ', '\n  at ', ' at ', 'Traceback (', 'File "', 'Caused by:', '--->'];
  let end = words.length;
  for (const start of starts) {
    for (let at = words.indexOf(start); at >= 0 && at < end; at = words.indexOf(start, at + 1)) {
      if (start !== ' at ' || isFrame(words.slice(at + 4, at + 204))) end = at;
    }
  }
  return end === words.length ? words : `${words.slice(0, end)} [stack]`;
}

/** A name with brackets right after it, or a position in brackets after a name: `a.b(String c)`, `async a (/b/c.js:1:2)`. */
function isFrame(rest: string): boolean {
  const words = rest.split(' ', 3);
  const [name = ''] = words;
  if (name.includes('.') && name.includes('(')) return true;
  return words.slice(1).some((word) => word.startsWith('(') && (word.includes('/') || word.includes(':')));
}

/** Words after which a credential follows. */
const announces = new Set(
  'bearer basic token apikey key secret password passwd pwd authorization session cookie jwt signature'.split(' '),
);

/** How certain it is that the next piece is a credential. */
type Suspicion = 'certain' | 'likely' | 'none';

function maskedPieces(line: string): string {
  let suspicion: Suspicion = 'none';
  let out = '';
  let from = 0;
  for (const match of line.matchAll(piece.pattern)) {
    const [whole] = match;
    const { word, tail } = trimmed(whole);
    const gap = line.slice(from, match.index);
    from = match.index + whole.length;
    const isScheme = word.toLowerCase() === 'bearer';
    // `Bearer x` is replaced as one.
    out += isScheme ? gap : `${gap}${maskedPiece(word, suspicion)}${tail}`;
    // A colon on its own, as JSON has it, does not change what is expected.
    if (word !== '') suspicion = isScheme ? 'certain' : announcing(word, tail);
    else if (suspicion !== 'none' && tail.includes(':')) suspicion = 'certain';
  }
  return (out + line.slice(from)).replace(blanks.pattern, ' ').trim();
}

/** After `api key: x` a credential certainly follows; after `token expired` perhaps. */
function announcing(word: string, tail: string): Suspicion {
  if (!announcesSecret(word)) return 'none';
  return tail.includes(':') || word.endsWith('=') || word.toLowerCase() === 'basic' ? 'certain' : 'likely';
}

function announcesSecret(word: string): boolean {
  const parts = word.slice(-wordMax).toLowerCase().replace('=', '').split(/[_.-]/);
  return announces.has(parts.at(-1) ?? '') || announces.has(parts.join(''));
}

/** A piece without the punctuation after it. */
function trimmed(whole: string): { word: string; tail: string } {
  let end = whole.length;
  while (end > 0 && '.:!?'.includes(whole[end - 1] ?? ' ')) end--;
  return { word: whole.slice(0, end), tail: whole.slice(end) };
}

const credentials = '[credentials]';
/** An ordinary word, in contrast to generated characters. */
const word = /^[A-Za-z]{1,20}$/;

function maskedPiece(text: string, suspicion: Suspicion): string {
  if (text === '') return text;
  if (suspicion === 'certain' && !announcesSecret(text)) return credentials;
  if (suspicion === 'likely' && text.length >= 6 && !word.test(text)) return credentials;
  if (text.includes('://') || text.startsWith('www.') || text.startsWith('//')) return '[address]';
  if (isIp(text)) return '[address]';
  const equals = text.indexOf('=');
  if (equals >= 0) return maskedPair(text.slice(0, equals), '=', text.slice(equals + 1));
  if (text.includes('@')) return '[e-mail]';
  const colon = text.indexOf(':');
  if (colon > 0 && announcesSecret(text.slice(0, colon))) return `${text.slice(0, colon)}:${credentials}`;
  if (isPath(text)) return '[path]';
  if (isToken(text)) return credentials;
  return isHost(text) ? '[host]' : text;
}

/** `api_key=x`; the values after further equal signs are judged together with it. */
function maskedPair(name: string, sign: string, value: string): string {
  if (announcesSecret(name)) return `${name}${sign}${credentials}`;
  return `${maskedPiece(name, 'none')}${sign}${maskedPiece(value.replaceAll('=', ' ').trim(), 'none')}`;
}

function isIp(text: string): boolean {
  const [address = ''] = text.split('/', 1);
  const groups = (address.split(':', 1)[0] ?? '').split('.');
  if (groups.length === 4 && groups.every((group) => /^\d{1,3}$/.test(group))) return true;
  const hextets = address.split(':');
  const areHextets = hextets.every((each) => /^[0-9a-f.]{0,15}$/i.test(each));
  return areHextets && hextets.length >= 3 && (address.includes('::') || hextets.length >= 6);
}

/** `/usr/src/app.js`, `C:\inetpub\x`, `lib/app/x.ts:12`. */
function isPath(text: string): boolean {
  const slashes = text.split(/[\\/]/).length - 1;
  const isRooted = text.startsWith('/') || text.startsWith('~') || /^[A-Za-z]:[\\/]/.test(text);
  return /[a-z]/i.test(text) && (slashes >= 2 || (slashes === 1 && isRooted));
}

/** A host name: labels with dots between them, the last one of letters; or any name with a port. */
function isHost(text: string): boolean {
  const [name = '', port, ...more] = text.split(':');
  const hasPort = port !== undefined && more.length === 0 && /^\d{2,5}$/.test(port.split('/', 1)[0] ?? '');
  if (hasPort && /[a-z]/i.test(name)) return true;
  const labels = (name.split('/', 1)[0] ?? '').split('.');
  const last = labels.at(-1) ?? '';
  const isName = labels.length >= 2 && labels.every((label) => /^[\p{L}\p{N}_-]{1,63}$/u.test(label));
  return isName && (/^\p{L}{2,24}$/u.test(last) || last.startsWith('xn--'));
}

/** Letters and digits that form no words: long, mixed, and not of the form `order_update_2024`. */
function isToken(text: string): boolean {
  if (text.length < 16) return false;
  const parts = text.split(/[_.~+/:-]/);
  if (parts.some((part) => part.length >= 8 && turns(part, isDigit) >= 3)) return true;
  // The groups of a UUID are hexadecimal, and may all be short.
  if (parts.length === 5 && parts.every((part) => /^[0-9a-f]{4,12}$/i.test(part))) return true;
  return parts.some((part) => part.length >= 16 && turns(part, isUpper) > part.length / 3);
}

const isDigit = (letter: string): boolean => letter >= '0' && letter <= '9';
const isUpper = (letter: string): boolean => letter !== letter.toLowerCase();

/** How often letters of one kind and other characters alternate. */
function turns(part: string, isOfKind: (letter: string) => boolean): number {
  let count = 0;
  let was = false;
  for (const letter of part) {
    const is = isOfKind(letter);
    if (is !== was) count++;
    was = is;
  }
  return count;
}
