/** Position and cause of a JSON syntax error. Quotes nothing of the text, which may contain a secret. */
export interface JsonFault {
  line: number;
  column: number;
  what: string;
}

class Stop extends Error {
  readonly at: number;

  constructor(at: number, what: string) {
    super(what);
    this.at = at;
  }
}

/** Replaces V8's message, which quotes the text and often lacks the position. Also finds a property that occurs twice in one object. */
export function findJsonFault(text: string): JsonFault | undefined {
  try {
    new Scanner(text).whole();
    return undefined;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    const before = text.slice(0, error.at).split(/\r\n|\r|\n/);
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, what: error.message };
  }
}

const literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
const string = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const blanks = /[ \t\r\n]*/y;
/** Deeper than any callers file, and far from the stack's limit. */
const depthMax = 50;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): void {
    this.#value(0);
    if (this.#next() !== '') throw new Stop(this.#at, 'something follows after the end');
  }

  #value(depth: number): void {
    if (depth > depthMax) throw new Stop(this.#at, 'it is nested too deeply');
    const next = this.#next();
    if (next === '[') this.#list(depth);
    else if (next === '{') this.#object(depth);
    else if (next === '"') this.#string();
    else if (!this.#match(literal)) throw new Stop(this.#at, unexpected(next));
  }

  #list(depth: number): void {
    this.#at += 1;
    if (this.#take(']')) return;
    do {
      if (this.#next() === ']') throw new Stop(this.#at, 'there is a comma too many before this bracket');
      this.#value(depth + 1);
    } while (this.#take(','));
    if (!this.#take(']')) throw new Stop(this.#at, this.#missing('a comma or a closing ]'));
  }

  #object(depth: number): void {
    this.#at += 1;
    const names = new Set<string>();
    if (this.#take('}')) return;
    do {
      const next = this.#next();
      if (next === '}') throw new Stop(this.#at, 'there is a comma too many before this brace');
      if (next !== '"') throw new Stop(this.#at, next === '' ? ended : 'a name in double quotes is missing here');
      const at = this.#at;
      const name = this.#string();
      if (names.has(name)) throw new Stop(at, 'this property stands twice in its entry');
      names.add(name);
      if (!this.#take(':')) throw new Stop(this.#at, this.#missing('a colon'));
      this.#value(depth + 1);
    } while (this.#take(','));
    if (!this.#take('}')) throw new Stop(this.#at, this.#missing('a comma or a closing }'));
  }

  #string(): string {
    const begin = this.#at;
    const found = this.#match(string);
    if (found === undefined) throw new Stop(begin, 'this text is not closed, or has a character that must be escaped');
    return found;
  }

  #missing(what: string): string {
    return this.#next() === '' ? ended : `${what} is missing here`;
  }

  /** The next character that is not blank; empty at the end. */
  #next(): string {
    this.#match(blanks);
    return this.#text[this.#at] ?? '';
  }

  #take(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

const ended = 'it ends in the middle; a bracket or a brace is not closed';

function unexpected(next: string): string {
  if (next === '') return ended;
  if (next === "'") return 'text stands in double quotes, not in single ones';
  if (next === '/' || next === '#') return 'JSON has no comments';
  return 'a value is missing or misspelt here';
}
