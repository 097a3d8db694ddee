import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';

type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/** As the system resolves names, with its hosts file and search list. */
export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true });

/**
 * At most so many at once, and one for each name. The system's look-ups share four threads with those of the upstream: names that
 * nobody answers for would take them all.
 */
export function limitLookups(resolve: Lookup, max = 2): Lookup {
  const underWay = new Map<string, Promise<LookupAddress[]>>();
  const waiting: (() => void)[] = [];
  let active = 0;
  const run: Lookup = async (hostname) => {
    if (active >= max) await new Promise<void>((next) => waiting.push(next));
    else active += 1;
    try {
      return await resolve(hostname);
    } finally {
      // Its place is handed on.
      const next = waiting.shift();
      if (next) next();
      else active -= 1;
    }
  };
  return (hostname) => {
    const same = underWay.get(hostname);
    if (same !== undefined) return same;
    const found = run(hostname).finally(() => underWay.delete(hostname));
    underWay.set(hostname, found);
    return found;
  };
}
