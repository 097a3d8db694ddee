import { Automaton, matches } from './automaton.ts';
import { formsOf } from './forms.ts';
import { Unescaper } from './unescape.ts';

/** How many levels of nested escapes are decoded. */
const layersMax = 3;

/** After this many bytes of a stream, escapes are not decoded any more: it is a file then, and not an error message. */
const unescapedMax = 256 * 1024;

/** How many former keys are remembered. */
const formerMax = 8;

/** Replaces a key in text. */
export const hiddenKey = '[secret]';

/** Scans the chunks of one text or stream, and tells whether it contains a key in any form. */
export interface Search {
  /** True once a key was found. `isLast`: no more chunks follow. */
  push(chunk: Buffer, isLast?: boolean): boolean;
  /** The bytes scanned last may be the beginning of a key. */
  isAmid(): boolean;
}

/** The length from which a match is no coincidence. */
const tellingDepth = 6;

/** Finds the keys of the service in foreign text. `keys` is called for each scan, because it grows when a key is replaced. */
export class KeyFinder {
  readonly #keys: () => readonly string[];
  #known: readonly string[] = [];
  #automaton = new Automaton([]);

  constructor(keys: () => readonly string[]) {
    this.#keys = keys;
  }

  search(): Search {
    const automaton = this.#current();
    let plain = 0;
    let bytes = 0;
    const layers: { unescaper: Unescaper; state: number }[] = Array.from({ length: layersMax }, () => ({
      unescaper: new Unescaper(),
      state: 0,
    }));
    return {
      push: (chunk, isLast = false) => {
        plain = automaton.run(chunk, plain);
        if (plain === matches) return true;
        if (bytes > unescapedMax) return false;
        bytes += chunk.length;
        let text = chunk;
        for (const layer of layers) {
          text = layer.unescaper.push(text, isLast);
          layer.state = automaton.run(text, layer.state);
          if (layer.state === matches) return true;
        }
        return false;
      },
      isAmid: () =>
        automaton.depth(plain) >= tellingDepth || layers.some(({ state }) => automaton.depth(state) >= tellingDepth),
    };
  }

  /** Whether a text contains a key, whatever it is encoded in: only ASCII characters are compared. */
  isIn(text: string | Buffer): boolean {
    const automaton = this.#current();
    let bytes = typeof text === 'string' ? Buffer.from(text) : text;
    if (automaton.isIn(bytes)) return true;
    for (let layer = 0; layer < layersMax; layer++) {
      const unescaped = new Unescaper().push(bytes, true);
      if (unescaped === bytes || unescaped.length === bytes.length) return false;
      if (automaton.isIn(unescaped)) return true;
      bytes = unescaped;
    }
    return false;
  }

  /** The text with every key replaced; undefined if it contains one in a form that cannot be replaced. */
  without(text: string): string | undefined {
    const rest = this.#keys().reduce((left, key) => (key === '' ? left : left.replaceAll(key, hiddenKey)), text);
    return this.isIn(rest) ? undefined : rest;
  }

  #current(): Automaton {
    const keys = this.#keys();
    const known = this.#known;
    if (keys.length !== known.length || keys.some((key, at) => key !== known[at])) {
      this.#known = [...keys];
      this.#automaton = new Automaton(keys.slice(-1 - formerMax).flatMap(formsOf));
    }
    return this.#automaton;
  }
}

/** Remembers every key that was in use, the current one last. */
export function rememberKeys(current: () => string): { current: () => string; all: () => readonly string[] } {
  const seen: string[] = [];
  const look = () => {
    const key = current();
    if (seen.at(-1) !== key) seen.push(key);
    if (seen.length > formerMax + 1) seen.shift();
    return key;
  };
  return {
    current: look,
    all: () => {
      look();
      return seen;
    },
  };
}
