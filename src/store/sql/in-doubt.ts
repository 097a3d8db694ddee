/** Records that are taken out at once: it holds up the event loop for some 10 ms. */
const withdrawMax = 500;

/**
 * Records whose writing failed: the commit may have happened, or happen yet (a connection was lost, and the database
 * goes on without it). That there is nothing to take out is no proof: a lost insert may wait for a lock, or its commit
 * for a slow disk, and how long is not for us to say. So `withdraw` first uses up the id, in the same transaction. Both
 * inserts cannot stand, and of two at once one waits for the other: then it is over. To end the lost backend by its pid,
 * or to wait for as long as its statement may take, would be less sure: a pooler invents pids, and a commit has no limit.
 */
export class InDoubtInserts {
  readonly #ids = new Set<string>();
  readonly #withdraw: (ids: readonly string[]) => Promise<unknown>;

  constructor(withdraw: (ids: readonly string[]) => Promise<unknown>) {
    this.#withdraw = withdraw;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Takes it out, and keeps it out. Where this fails it stays in doubt. */
  async resolve(id: string): Promise<void> {
    this.#ids.add(id);
    await this.#withdraw([id]);
    this.#ids.delete(id);
  }

  async resolveAll(): Promise<void> {
    const ids = [...this.#ids];
    for (let from = 0; from < ids.length; from += withdrawMax) {
      const batch = ids.slice(from, from + withdrawMax);
      await this.#withdraw(batch);
      for (const id of batch) this.#ids.delete(id);
    }
  }
}
