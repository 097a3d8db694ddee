import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';

type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/** As the system resolves names, with its hosts file and search list. */
export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true });

export interface LookupLimits {
  /** At once, one of them only for names that were found quickly the last time. */
  max?: number;
  /** A name that took longer is not looked up again for `restMs`. Nobody waits longer than this for its turn. */
  slowMs?: number;
  restMs?: number;
}

const knownMax = 10_000;

/** How names fared when they were looked up last. */
class Names {
  readonly #slowMs: number;
  readonly #restMs: number;
  /** Those that were found quickly, the latest last. */
  readonly #known = new Set<string>();
  /** When those that were slow may be looked up again. */
  readonly #resting = new Map<string, number>();

  constructor(slowMs: number, restMs: number) {
    this.#slowMs = slowMs;
    this.#restMs = restMs;
  }

  isKnown(name: string): boolean {
    return this.#known.has(name);
  }

  isResting(name: string): boolean {
    return (this.#resting.get(name) ?? 0) > performance.now();
  }

  note(name: string, ms: number, isFound: boolean): void {
    const now = performance.now();
    for (const [each, until] of this.#resting) if (until <= now) this.#resting.delete(each);
    if (ms > this.#slowMs) this.#resting.set(name, now + this.#restMs);
    this.#known.delete(name);
    if (isFound && ms <= this.#slowMs) this.#known.add(name);
    const [oldest] = this.#known;
    if (this.#known.size > knownMax && oldest !== undefined) this.#known.delete(oldest);
  }
}

interface Turn {
  until: number;
  begin: () => void;
  giveUp: () => void;
}

/**
 * At most so many at once, and one for each name. The system's look-ups share four threads with those of the upstream: names that
 * nobody answers for would take them all. A caller can make up any number of such names, so they never hold up those that are known.
 */
export function limitLookups(resolve: Lookup, limits: LookupLimits = {}): Lookup {
  const { max = 3, slowMs = 3_000, restMs = 30_000 } = limits;
  const underWay = new Map<string, Promise<LookupAddress[]>>();
  const names = new Names(slowMs, restMs);
  const lanes = [
    { most: max, waiting: [] as Turn[] },
    { most: Math.max(1, max - 1), waiting: [] as Turn[] },
  ] as const;
  let active = 0;

  /** Those of known names first. */
  const handOn = () => {
    for (const { most, waiting } of lanes) {
      while (active < most) {
        const turn = waiting.shift();
        if (turn === undefined) break;
        if (turn.until <= performance.now()) turn.giveUp();
        else {
          active += 1;
          turn.begin();
        }
      }
    }
  };
  const turnOf = (hostname: string) =>
    new Promise<void>((begin, fail) => {
      const giveUp = () => fail(new Error('the names before it were slow'));
      lanes[names.isKnown(hostname) ? 0 : 1].waiting.push({ until: performance.now() + slowMs, begin, giveUp });
      handOn();
    });
  const run: Lookup = async (hostname) => {
    await turnOf(hostname);
    const started = performance.now();
    let isFound = false;
    try {
      const addresses = await resolve(hostname);
      isFound = addresses.length > 0;
      return addresses;
    } finally {
      active -= 1;
      names.note(hostname, performance.now() - started, isFound);
      handOn();
    }
  };
  return async (hostname) => {
    if (names.isResting(hostname)) throw new Error('the name was slow a moment ago');
    const same = underWay.get(hostname);
    if (same !== undefined) return same;
    const found = run(hostname).finally(() => underWay.delete(hostname));
    underWay.set(hostname, found);
    return found;
  };
}
