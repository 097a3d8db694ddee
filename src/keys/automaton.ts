/** What `run` returns once a form was found. */
export const matches = -1;

const width = 37;

/** As many letters in a row are looked up at once. No form is shorter. */
const gramLength = 4;

/** Letters (without case) and digits have a column in the table; all other characters are skipped. */
const columns = new Uint8Array(256);
for (const [at, letter] of [...'0123456789abcdefghijklmnopqrstuvwxyz'].entries()) {
  columns[letter.charCodeAt(0)] = at + 1;
  columns[letter.toUpperCase().charCodeAt(0)] = at + 1;
}

/**
 * Searches for many forms at once in a single pass with one table lookup per byte (Aho and Corasick, 1975). The state is a
 * single number, so a form that is split between chunks is found as well. A state is the offset of its row; 0 is the start.
 */
export class Automaton {
  readonly #next: Int32Array;
  readonly #depths: Uint16Array;
  /** One bit for each sequence of `gramLength` letters: whether a form contains it. */
  readonly #grams = new Uint8Array(Math.ceil(width ** gramLength / 8));
  /** Each form contains the gram of at least one of so many characters in a row. */
  readonly #stride: number;

  /** `forms`: lower-case letters and digits. */
  constructor(forms: readonly string[]) {
    const states = 1 + forms.reduce((sum, form) => sum + form.length, 0);
    const next = new Int32Array(states * width);
    const ends = new Uint8Array(states);
    const depths = new Uint16Array(states);
    let made = 1;
    for (const form of forms) {
      let state = 0;
      for (let at = 0; at < form.length; at++) {
        const place = state * width + (columns[form.charCodeAt(at)] ?? 0);
        if (next[place] === 0) {
          depths[made] = at + 1;
          next[place] = made++;
        }
        state = next[place] ?? 0;
      }
      ends[state] = 1;
    }
    this.#next = completed(next.slice(0, made * width), ends);
    this.#depths = depths;
    for (const form of forms) this.#addGrams(form);
    this.#stride = Math.min(...forms.map((form) => form.length)) - gramLength + 1;
  }

  /** How many letters of a form precede this state. */
  depth(state: number): number {
    return this.#depths[state / width] ?? 0;
  }

  /** The state after these bytes, or `matches`. */
  run(bytes: Uint8Array, from: number): number {
    const next = this.#next;
    let state = from;
    if (state === matches) return matches;
    for (let at = 0; at < bytes.length; at++) {
      const column = columns[bytes[at] ?? 0] ?? 0;
      if (column === 0) continue;
      state = next[state + column] ?? 0;
      if (state === matches) return matches;
    }
    return state;
  }

  /**
   * Whether bytes contain a form; the same as `run`. Looks at one gram in each stride, and runs only from where a form may have
   * begun before a gram that a form contains.
   */
  isIn(bytes: Uint8Array): boolean {
    const grams = this.#grams;
    const stride = this.#stride;
    const end = bytes.length;
    let from = 0;
    let state = 0;
    for (let at = stride - 1; at < end; ) {
      let gram = 0;
      let first = at;
      let letters = 0;
      for (; letters < gramLength && at < end; at++) {
        const column = columns[bytes[at] ?? 0] ?? 0;
        if (column === 0) continue;
        if (letters++ === 0) first = at;
        gram = gram * width + column;
      }
      if (letters < gramLength) return false;
      if (((grams[gram >> 3] ?? 0) & (1 << (gram & 7))) === 0) {
        from = first + 1;
        state = 0;
        at = first + stride;
        continue;
      }
      // On for as long as a form may have begun before or at this gram: each byte is passed once.
      do {
        if (from === end) return false;
        const column = columns[bytes[from++] ?? 0] ?? 0;
        if (column !== 0) state = this.#next[state + column] ?? 0;
        if (state === matches) return true;
      } while (from <= first || this.depth(state) >= gramLength);
      at = from + stride - 1 - this.depth(state);
    }
    return false;
  }

  #addGrams(form: string): void {
    for (let at = 0; at + gramLength <= form.length; at++) {
      let gram = 0;
      for (let of = at; of < at + gramLength; of++) gram = gram * width + (columns[form.charCodeAt(of)] ?? 0);
      this.#grams[gram >> 3] = (this.#grams[gram >> 3] ?? 0) | (1 << (gram & 7));
    }
  }
}

/** Breadth first: if a form does not continue, the search continues in the longest prefix of a form that ends there. */
function completed(next: Int32Array, ends: Uint8Array): Int32Array {
  const back = new Int32Array(next.length / width);
  const queue: number[] = [0];
  for (let head = 0; head < queue.length; head++) {
    const state = queue[head] ?? 0;
    const behind = back[state] ?? 0;
    for (let column = 1; column < width; column++) {
      const place = state * width + column;
      const child = next[place] ?? 0;
      const elsewhere = state === 0 ? 0 : (next[behind * width + column] ?? 0);
      if (child === 0) {
        next[place] = elsewhere;
        continue;
      }
      back[child] = elsewhere;
      if (ends[elsewhere] === 1) ends[child] = 1;
      queue.push(child);
    }
  }
  return next.map((state) => (ends[state] === 1 ? matches : state * width));
}
