import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';

/** A write that waits for its commit. `attempt` does the work and returns a callback for when it is durable. */
interface PendingWrite {
  attempt(): () => void;
  /** SQLite rolls back a failed single statement by itself. */
  skipSavepoint: boolean;
  reject(error: StoreError): void;
}

/** Writes per commit. A commit blocks its thread: about 5 ms for this many writes. */
const GROUP_MAX = 256;

/** Under load, the event loop may accept requests for seconds before it runs `setImmediate` callbacks. */
const WAIT_MAX_MS = 50;

/**
 * The writes of one event-loop turn share one transaction and one fsync, which is most of the cost of a commit (0.15 ms where
 * it was measured). They are acknowledged after the commit. The transaction begins and ends within one turn.
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
      // Rolled back here, and overwritten in the log (#overwriteFailedFrame), so it can never be read later.
      const error = new StoreError(`the store could not commit: ${reason(cause)}`, { cause, notCommitted: true });
      this.#rollBack();
      for (const { waiting } of done) waiting.reject(error);
      for (const waiting of group.slice(current)) waiting.reject(error);
      this.#overwriteFailedFrame();
      return;
    }
    for (const { acknowledge } of done) acknowledge();
  }

  /** A failed write rejects only its own promise, unless it ended the whole transaction, as a full disk may. */
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
      // This may fail too. SQLite ends the transaction all the same; if not, the next BEGIN fails.
    }
  }

  /**
   * After a failed fsync, the rejected transaction may be complete in the log, and reopening the file would treat it as
   * committed. The next commit overwrites it, since the log continues after the last good one, so make one at once. For the
   * same reason the connection is not reopened. While the disk keeps failing, check() is the next to try.
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
