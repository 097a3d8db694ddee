import { randomInt } from 'node:crypto';

const SEGMENT_ROWS = 65_536;
/** The lowest bits of a hash choose the table. */
const SHARD_BITS = 6;

interface Shard {
  /** Rows by the hash of their number; 0 means free, so rows count from 1. At most half of it is used. */
  slots: Uint32Array;
  size: number;
}

/**
 * Index from phone number to row. The numbers are stored by row (15 digits at most, exact in a double), and hash tables contain row
 * numbers: 16 MB for a million, where a Map of strings takes over 100. There are many tables, because a single one of a million rows
 * holds up the event loop when it grows.
 */
export class NumberTable {
  readonly #segments: Float64Array[] = [];
  readonly #shards: Shard[] = [];
  // Secret, so that no file can be made whose numbers all collide.
  readonly #seed = randomInt(2 ** 32);

  /** Adds a positive number. Returns the row in which it occurred before, else undefined. */
  add(number: number, row: number): number | undefined {
    const hash = this.#hash(number);
    const shard = this.#shard(hash & (2 ** SHARD_BITS - 1));
    const slot = this.#find(shard.slots, hash, number);
    const earlier = shard.slots[slot];
    if (earlier) return earlier;
    this.#segment(row)[row % SEGMENT_ROWS] = number;
    shard.slots[slot] = row;
    shard.size += 1;
    if (shard.size > shard.slots.length / 2) this.#grow(shard);
    return undefined;
  }

  #hash(number: number): number {
    let hash = Math.imul((number % 2 ** 32) ^ this.#seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ Math.floor(number / 2 ** 32), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  /** The slot of the number, or the free slot for it. */
  #find(slots: Uint32Array, hash: number, number: number): number {
    const mask = slots.length - 1;
    let slot = (hash >>> SHARD_BITS) & mask;
    for (;;) {
      const row = slots[slot];
      if (!row || this.#numberAt(row) === number) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #numberAt(row: number): number | undefined {
    return this.#segments[Math.floor(row / SEGMENT_ROWS)]?.[row % SEGMENT_ROWS];
  }

  #segment(row: number): Float64Array {
    const index = Math.floor(row / SEGMENT_ROWS);
    const segment = this.#segments[index] ?? new Float64Array(SEGMENT_ROWS);
    this.#segments[index] = segment;
    return segment;
  }

  #shard(index: number): Shard {
    const shard = this.#shards[index] ?? { slots: new Uint32Array(16), size: 0 };
    this.#shards[index] = shard;
    return shard;
  }

  #grow(shard: Shard): void {
    const rows = shard.slots;
    shard.slots = new Uint32Array(rows.length * 2);
    for (const row of rows) {
      if (row === 0) continue;
      const number = this.#numberAt(row) ?? 0;
      shard.slots[this.#find(shard.slots, this.#hash(number), number)] = row;
    }
  }
}
