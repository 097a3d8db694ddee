import type { StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeRow } from '../store/intake-store.ts';
import { openDatabase } from '../store/sqlite/file.ts';
import { GroupCommit } from '../store/sqlite/group-commit.ts';
import type { IntakeSink, Recorded } from './recorder.ts';

/** Applied in order; append only. */
const migrations = [
  [
    `CREATE TABLE spooled (
       seq INTEGER PRIMARY KEY AUTOINCREMENT,
       key TEXT NOT NULL UNIQUE,
       connection_id TEXT NOT NULL,
       received_at INTEGER NOT NULL,
       body TEXT NOT NULL
     )`,
    'CREATE TABLE spool (checks INTEGER NOT NULL)',
    'INSERT INTO spool VALUES (0)',
  ],
];

export interface SpoolOptions {
  path: string;
  /** Where the rows are moved to. */
  target: IntakeSink;
  /** Rows were recorded at the target. */
  onMoved?: () => void;
  /** Called once when the target begins to fail. */
  onFault?: (error: unknown) => void;
  /** Wall clock, ms. */
  now?: () => number;
  /** Pause between retries while the target fails, ms. */
  retryMs?: number;
  /** How long the shutdown waits for a target that hangs, ms. */
  closeMs?: number;
}

/** Rows moved with one commit. */
const batchMax = 256;
/** Interval in which moved rows are erased from the write-ahead log. */
const tidyEveryMs = 60_000;

/**
 * A local SQLite file in front of a store over a network. A webhook is answered 200 once it is in the file; its rows are then
 * moved to the target. A row is deleted from the file after the target has committed it. If the process dies in between, it is
 * moved twice, and the target drops the duplicate by its key.
 */
export class Spool implements IntakeSink {
  readonly #options: SpoolOptions;
  readonly #db: ReturnType<typeof openDatabase>;
  readonly #commits: GroupCommit;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;
  readonly #tidying: NodeJS.Timeout;
  #batch = batchMax;
  /** The `seq` from which rows are moved next. It advances past a row that the target refuses, so that the row does not block others. */
  #after = 0;
  #isMoving = false;
  #isFailing = false;
  #isClosed = false;
  #wasWritten = false;
  #endPause = () => {};
  #moving: Promise<void> = Promise.resolve();

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#db = openDatabase(options.path, migrations);
    const touch = this.#db.prepare('UPDATE spool SET checks = checks + 1');
    this.#commits = new GroupCommit(this.#db, () => void touch.run());
    this.#insert = this.#db.prepare(
      'INSERT INTO spooled (key, connection_id, received_at, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#oldest = this.#db.prepare(
      'SELECT seq, key, connection_id, received_at, body FROM spooled WHERE seq > ? ORDER BY seq LIMIT ?',
    );
    this.#remove = this.#db.prepare('DELETE FROM spooled WHERE seq = ?');
    this.#count = this.#db.prepare('SELECT count(*) AS waiting, min(received_at) AS oldest FROM spooled');
    this.#tidying = setInterval(() => this.#tidy(), tidyEveryMs).unref();
  }

  async recordIntake(rows: readonly IntakeRow[]): Promise<Recorded> {
    await this.#commits.run(() => {
      for (const { key, connectionId, receivedAtMs, body } of rows) {
        this.#insert.run(key, connectionId, receivedAtMs, body);
      }
    });
    this.wake();
    return { received: rows.length };
  }

  /** Starts to move rows, unless a run is in progress. */
  wake(): void {
    if (this.#isMoving || this.#isClosed) return;
    this.#isMoving = true;
    this.#moving = this.#moveAll().finally(() => {
      this.#isMoving = false;
    });
  }

  state(): { waiting: number; oldestMs: number } {
    if (!this.#db.isOpen) return { waiting: 0, oldestMs: 0 };
    const { waiting, oldest } = this.#count.get() ?? {};
    const now = (this.#options.now ?? Date.now)();
    return { waiting: Number(waiting), oldestMs: oldest === null ? 0 : Math.max(0, now - Number(oldest)) };
  }

  /** Rows that are left are moved after the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#tidying);
    this.#endPause();
    await Promise.race([this.#moving, sleep(this.#options.closeMs ?? 2_000, undefined, { ref: false })]);
    this.#commits.flush();
    if (this.#db.isOpen) this.#db.close();
  }

  async #moveAll(): Promise<void> {
    for (let isDone = false; !isDone && !this.#isClosed; ) {
      let count = 0;
      try {
        const rows = this.#next();
        count = rows.length;
        isDone = count === 0 && this.#after === 0;
        if (count > 0) await this.#move(rows);
        else this.#after = 0;
      } catch (error) {
        if (!this.#isFailing) this.#options.onFault?.(error);
        this.#isFailing = true;
        this.#batch = Math.max(1, Math.floor(count / 2));
        await this.#pause();
      }
    }
  }

  async #move(rows: readonly SpooledRow[]): Promise<void> {
    // Halves a refused batch until the single row that the target refuses is found. That row is skipped until all others are
    // moved.
    const [row] = rows;
    if (rows.length === 1 && row !== undefined) this.#after = row.seq;
    await this.#options.target.recordIntake(rows);
    await this.#commits.run(() => {
      for (const { seq } of rows) this.#remove.run(seq);
    });
    this.#wasWritten = true;
    this.#isFailing = false;
    this.#batch = Math.min(batchMax, rows.length * 2);
    this.#options.onMoved?.();
  }

  #next(): SpooledRow[] {
    return this.#oldest.all(this.#after, this.#batch).map(({ seq, key, connection_id, received_at, body }) => ({
      seq: Number(seq),
      key: String(key),
      connectionId: String(connection_id),
      receivedAtMs: Number(received_at),
      body: String(body),
    }));
  }

  /** Truncates the write-ahead log, which otherwise keeps customers' texts of deleted rows. */
  #tidy(): void {
    if (!this.#wasWritten || this.#isClosed) return;
    this.#wasWritten = false;
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The disk is full, which the next `record` reports.
    }
  }

  #pause(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.retryMs ?? 1_000);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

type SpooledRow = IntakeRow & { readonly seq: number };
