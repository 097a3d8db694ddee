import { randomInt } from 'node:crypto';

const SEGMENT_ROWS = 65_536;

/**
 * Index from phone number to row. The numbers are stored by row (15 digits at most, exact in a double), and a hash table
 * contains row numbers: 16 MB for a million, where a Map of strings takes over 100.
 */
export class NumberTable {
  readonly #segments: Float64Array[] = [];
  /** Rows by the hash of their number; 0 means free, so rows count from 1. At most half of it is used. */
  #slots = new Uint32Array(1024);
  #size = 0;
  // Secret, so that no file can be made whose numbers all collide.
  readonly #seed = randomInt(2 ** 32);

  /** Adds a positive number. Returns the row in which it occurred before, else undefined. */
  add(number: number, row: number): number | undefined {
    const slot = this.#find(number);
    const earlier = this.#slots[slot];
    if (earlier) return earlier;
    this.#segment(row)[row % SEGMENT_ROWS] = number;
    this.#slots[slot] = row;
    this.#size += 1;
    if (this.#size > this.#slots.length / 2) this.#grow();
    return undefined;
  }

  /** The slot of the number, or the free slot for it. */
  #find(number: number): number {
    const mask = this.#slots.length - 1;
    let hash = Math.imul((number % 2 ** 32) ^ this.#seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ Math.floor(number / 2 ** 32), 0xc2b2ae35);
    let slot = (hash ^ (hash >>> 16)) & mask;
    for (;;) {
      const row = this.#slots[slot];
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

  #grow(): void {
    const rows = this.#slots;
    this.#slots = new Uint32Array(rows.length * 2);
    for (const row of rows) {
      if (row) this.#slots[this.#find(this.#numberAt(row) ?? 0)] = row;
    }
  }
}
