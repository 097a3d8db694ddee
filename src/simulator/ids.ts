import { createHash, randomBytes } from 'node:crypto';

/** Source of the simulator's ids. */
export interface Ids {
  uuid(kind: string): string;
  /** This many bytes, at most 32. */
  bytes(kind: string, count: number): Buffer;
  /** Restarts from the first id with this seed; without one, ids are random. */
  restart(seed?: string): void;
}

/**
 * Random bytes, taken from the system a page at a time: a fresh tenant has thousands of ids, and a system call for each would
 * take longer.
 */
function createStock(): (count: number) => Buffer {
  let stock = Buffer.alloc(0);
  let used = 0;
  return (count) => {
    if (used + count > stock.length) {
      stock = randomBytes(4_096);
      used = 0;
    }
    used += count;
    return stock.subarray(used - count, used);
  };
}

/**
 * With a seed, the n-th id of a kind is always the same, regardless of ids of other kinds: a test that reads one more contact
 * does not change the ids of its messages.
 */
export function createIds(): Ids {
  let seed: string | undefined;
  const made = new Map<string, number>();
  const random = createStock();

  function bytes(kind: string, count: number): Buffer {
    if (seed === undefined) return random(count);
    const next = (made.get(kind) ?? 0) + 1;
    made.set(kind, next);
    return createHash('sha256')
      .update(JSON.stringify([seed, kind, next]))
      .digest()
      .subarray(0, count);
  }

  return {
    bytes,
    uuid(kind) {
      const raw = bytes(kind, 16);
      // RFC 9562: version 4, variant 10.
      raw.writeUInt8((raw.readUInt8(6) & 0x0f) | 0x40, 6);
      raw.writeUInt8((raw.readUInt8(8) & 0x3f) | 0x80, 8);
      return raw.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    },
    restart(given) {
      seed = given;
      made.clear();
    },
  };
}
