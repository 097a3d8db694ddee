/** Rows deleted at once; more would delay other writes by over 10 ms. */
const BATCH_MAX = 500;

/**
 * Inserts whose commit is in doubt: the connection was lost before the acknowledgement. Deleting by id is not enough, because
 * a delayed commit may still arrive: a lost insert may wait for a lock, and its commit for a slow disk, without a limit. So
 * `replaceByTombstones` inserts a tombstone with the same id first, in the same transaction. Only one of the two inserts can
 * succeed, and of two at once one waits for the other. Ending the lost backend by its pid would be less certain, because a
 * connection pooler invents pids.
 */
export class InDoubtInserts {
  readonly #ids = new Set<string>();
  readonly #replaceByTombstones: (ids: readonly string[]) => Promise<unknown>;

  constructor(replaceByTombstones: (ids: readonly string[]) => Promise<unknown>) {
    this.#replaceByTombstones = replaceByTombstones;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Deletes the row and prevents a later commit. If this fails, the id stays in doubt. */
  async resolve(id: string): Promise<void> {
    this.#ids.add(id);
    await this.#replaceByTombstones([id]);
    this.#ids.delete(id);
  }

  async resolveAll(): Promise<void> {
    const ids = [...this.#ids];
    for (let from = 0; from < ids.length; from += BATCH_MAX) {
      const batch = ids.slice(from, from + BATCH_MAX);
      await this.#replaceByTombstones(batch);
      for (const id of batch) this.#ids.delete(id);
    }
  }
}
