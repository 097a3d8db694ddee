/** The longest header row. It is buffered until its end shows the delimiter. */
const startBytesMax = 64 * 1024;
const bom = Buffer.from('\uFEFF');

export interface CsvDialect {
  delimiter: ',' | ';' | '\t';
  /** Old Mac programs end lines with `\r`; all others with `\n`, with or without `\r` before it. */
  endsWithCr: boolean;
  /** The first line is Excel's `sep=;`. */
  sepLine: boolean;
  /** A delimiter that is recognized and not accepted. */
  foreignDelimiter?: string;
}

const delimiters = new Map([
  [0x2c, ','],
  [0x3b, ';'],
  [0x09, '\t'],
] as const);

const foreignDelimiters = new Map([
  [0x7c, '|'],
  [0x3a, ':'],
]);

/** Buffers the first lines of a file until they show its delimiter and header. */
export class CsvStart {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #quoted = false;
  #lastWasCr = false;
  readonly #counts = new Map<number, number>();

  get tooLong(): boolean {
    return this.#length > startBytesMax;
  }

  /** Whether the first line has ended. */
  endsIn(bytes: Buffer): boolean {
    // A copy, because the writer may reuse the memory of its chunk.
    this.#chunks.push(Buffer.from(bytes));
    this.#length += bytes.length;
    for (const byte of bytes) {
      if (this.#lastWasCr || (byte === 0x0a && !this.#quoted)) return true;
      if (byte === 0x22) this.#quoted = !this.#quoted;
      else if (this.#quoted) continue;
      else if (byte === 0x0d) this.#lastWasCr = true;
      else if (byte === 0x2c || byte === 0x3b || byte === 0x09 || foreignDelimiters.has(byte))
        this.#counts.set(byte, (this.#counts.get(byte) ?? 0) + 1);
    }
    return false;
  }

  /** The format of the file, and its bytes so far from the header row on. */
  read(): { dialect: CsvDialect; rest: Buffer } {
    const held = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    const start = held.indexOf(bom) === 0 ? held.subarray(bom.length) : held;
    const sep = /^"?sep=([,;\t])"?(\r\n|\n|\r|$)/i.exec(start.toString('latin1', 0, 12));
    const cr = start.indexOf(0x0d);
    const lf = start.indexOf(0x0a);
    return {
      dialect: {
        delimiter: sep?.[1] === ',' || sep?.[1] === ';' || sep?.[1] === '\t' ? sep[1] : this.#mostFrequent(),
        endsWithCr: cr !== -1 && (lf === -1 || cr + 1 < lf) && !this.#quotedBefore(start, cr),
        sepLine: sep !== null,
        ...this.#foreignDelimiter(start),
      },
      rest: start.subarray(sep?.[0].length ?? 0),
    };
  }

  #quotedBefore(start: Buffer, end: number): boolean {
    return start.subarray(0, end).filter((byte) => byte === 0x22).length % 2 === 1;
  }

  /** A word followed by a colon and a blank counts as the name of a column. */
  #foreignDelimiter(start: Buffer): Pick<CsvDialect, 'foreignDelimiter'> {
    const first = this.#counts.keys().next().value ?? 0x2c;
    const foreignDelimiter = this.#counts.size === 1 ? foreignDelimiters.get(first) : undefined;
    const isWord = foreignDelimiter === undefined || start.includes(`${foreignDelimiter} `);
    return isWord ? {} : { foreignDelimiter };
  }

  #mostFrequent(): CsvDialect['delimiter'] {
    let found: CsvDialect['delimiter'] = ',';
    let most = this.#counts.get(0x2c) ?? 0;
    for (const [byte, delimiter] of delimiters) {
      const count = this.#counts.get(byte) ?? 0;
      if (count > most) [found, most] = [delimiter, count];
    }
    return found;
  }
}
