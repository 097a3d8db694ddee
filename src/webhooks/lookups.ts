import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';

type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/** As the system resolves names, with its hosts file and search list. */
export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true });

export interface LookupLimits {
  /** At once. */
  max?: number;
  /** A name that took longer is not looked up again for `restMs`. */
  slowMs?: number;
  restMs?: number;
}

/**
 * At most so many at once, and one for each name. The system's look-ups share four threads with those of the upstream: names that
 * nobody answers for would take them all.
 */
export function limitLookups(resolve: Lookup, { max = 2, slowMs = 3_000, restMs = 30_000 }: LookupLimits = {}): Lookup {
  const underWay = new Map<string, Promise<LookupAddress[]>>();
  /** When names that were slow may be looked up again. */
  const resting = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let active = 0;
  const run: Lookup = async (hostname) => {
    if (active >= max) await new Promise<void>((next) => waiting.push(next));
    else active += 1;
    const started = performance.now();
    try {
      return await resolve(hostname);
    } finally {
      const now = performance.now();
      for (const [name, until] of resting) if (until <= now) resting.delete(name);
      if (now - started > slowMs) resting.set(hostname, now + restMs);
      // Its place is handed on.
      const next = waiting.shift();
      if (next) next();
      else active -= 1;
    }
  };
  return async (hostname) => {
    if ((resting.get(hostname) ?? 0) > performance.now()) throw new Error('the name was slow a moment ago');
    resting.delete(hostname);
    const same = underWay.get(hostname);
    if (same !== undefined) return same;
    const found = run(hostname).finally(() => underWay.delete(hostname));
    underWay.set(hostname, found);
    return found;
  };
}
