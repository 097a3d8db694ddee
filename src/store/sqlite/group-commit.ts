import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';

/** A verb that waits for its commit. `attempt` does the work and answers what to call once it is durable. */
interface PendingWrite {
  attempt(): () => void;
  /** SQLite undoes a statement that fails, by itself. */
  skipSavepoint: boolean;
  reject(error: StoreError): void;
}

/** One commit holds up the event loop for as long as its verbs take: some 5 ms for this many. */
const GROUP_MAX = 256;

/** In a flood, the event loop may take in requests for seconds before it comes to what it was asked to do at its turn's end. */
const WAIT_MAX_MS = 50;

/**
 * The verbs of one turn share one transaction and one fsync, which is what a commit costs (0.15 ms where it was measured). Nobody is
 * answered before the commit. Nothing else can see the transaction either: it begins and ends within one turn.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #noopWrite: () => void;
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  #waiting: PendingWrite[] = [];
  #firstCameMs = 0;
  #scheduled = false;

  /** `noopWrite` changes something that does not matter; see #overwriteFailedFrame. */
  constructor(db: DatabaseSync, noopWrite: () => void) {
    this.#db = db;
    this.#noopWrite = noopWrite;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#end = db.prepare('COMMIT');
  }

  run<T>(work: () => T, skipSavepoint = false): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) this.#firstCameMs = performance.now();
      this.#waiting.push({
        attempt: () => {
          const answer = work();
          return () => resolve(answer);
        },
        skipSavepoint,
        reject,
      });
      if (this.#waiting.length >= GROUP_MAX || performance.now() - this.#firstCameMs > WAIT_MAX_MS) this.flush();
      else this.#schedule();
    });
  }

  /** Commits what waits, now. */
  flush(): void {
    while (this.#waiting.length > 0) this.#commit(this.#waiting.splice(0, GROUP_MAX));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#waiting.length > 0) this.#commit(this.#waiting.splice(0, GROUP_MAX));
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #commit(group: readonly PendingWrite[]): void {
    const done: { waiting: PendingWrite; acknowledge: () => void }[] = [];
    let current = 0;
    try {
      this.#begin.run();
      for (; current < group.length; current++) {
        const waiting = group[current];
        const acknowledge = waiting && this.#attempt(waiting);
        if (waiting && acknowledge) done.push({ waiting, acknowledge });
      }
      this.#end.run();
    } catch (cause) {
      // It is undone here, and what may stand of it in the log is overwritten (#overwriteFailedFrame): no later verb finds it.
      const error = new StoreError(`the store could not commit: ${reason(cause)}`, { cause, notCommitted: true });
      this.#rollBack();
      for (const { waiting } of done) waiting.reject(error);
      for (const waiting of group.slice(current)) waiting.reject(error);
      this.#overwriteFailedFrame();
      return;
    }
    for (const { acknowledge } of done) acknowledge();
  }

  /** One verb's failure is its own, unless it took the whole transaction with it, as a full disk may. */
  #attempt(waiting: PendingWrite): (() => void) | undefined {
    const { skipSavepoint } = waiting;
    if (!skipSavepoint) this.#db.exec('SAVEPOINT verb');
    try {
      const acknowledge = waiting.attempt();
      if (!skipSavepoint) this.#db.exec('RELEASE verb');
      return acknowledge;
    } catch (cause) {
      if (!this.#db.isTransaction) throw cause;
      if (!skipSavepoint) this.#db.exec('ROLLBACK TO verb; RELEASE verb');
      waiting.reject(new StoreError(`the store could not write: ${reason(cause)}`, { cause, notCommitted: true }));
      return undefined;
    }
  }

  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    } catch {
      // The disk may fail here too. SQLite forgets the transaction all the same; the next BEGIN says so if it did not.
    }
  }

  /**
   * When fsync fails, the refused transaction may stand complete in the log, and a reopening would take it for committed.
   * The next commit overwrites it, since the log goes on where the last good one ended: so make one at once. For the same
   * reason the connection is kept and not reopened. While the disk keeps failing, check() is the next to try.
   */
  #overwriteFailedFrame(): void {
    try {
      this.#begin.run();
      this.#noopWrite();
      this.#end.run();
    } catch {
      this.#rollBack();
    }
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
