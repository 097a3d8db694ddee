import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';

type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/** Resolves names with the system's resolver, including its hosts file and search list. */
export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true });

export interface LookupLimits {
  /**
   * Maximum number of lookups at once. One of these slots is reserved for names that resolved quickly the last time.
   */
  max?: number;
  /**
   * A name that took longer than this is not looked up again for `restMs`. No request waits longer than this for a
   * slot.
   */
  slowMs?: number;
  restMs?: number;
}

const knownMax = 10_000;

/** How lookups of each name went the last time. */
class Names {
  readonly #slowMs: number;
  readonly #restMs: number;
  /** Names that resolved quickly, the latest last. */
  readonly #known = new Set<string>();
  /** When names that were slow may be looked up again. */
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
 * Limits concurrent lookups, and makes one per name at a time. The system's resolver shares four threads with lookups
 * of the upstream, and names that no server answers for would occupy them all. A caller can invent any number of such
 * names, so they never delay known ones.
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

  /** Gives free slots to waiting lookups, known names first. */
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
