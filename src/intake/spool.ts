import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeRow } from '../store/intake-store.ts';
import type { Connection } from '../store/sqlite/connection.ts';
import { openConnection } from '../store/sqlite/open-connection.ts';
import type { IntakeSink, Recorded } from './intake-recorder.ts';

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
  /** Without a thread of its own, which costs a short test most of its time. */
  sameThread?: boolean;
}

const noopWrite = 'UPDATE spool SET checks = checks + 1';
const insert = 'INSERT INTO spooled (key, connection_id, received_at, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING';
const listOldest = 'SELECT seq, key, connection_id, received_at, body FROM spooled WHERE seq > ? ORDER BY seq LIMIT ?';
const remove = 'DELETE FROM spooled WHERE seq IN (SELECT value FROM json_each(?))';
/** Reads no further than 10,000 rows. */
const standing = `SELECT COUNT(*) AS waiting, MIN(received_at) AS oldest
  FROM (SELECT received_at FROM spooled ORDER BY seq LIMIT 10000)`;

/** Rows moved with one commit. */
const batchMax = 256;
/** Interval in which moved rows are erased from the write-ahead log. */
const tidyEveryMs = 60_000;

/**
 * A local SQLite file in front of a store over a network. A webhook is answered 200 once it is in the file; its rows are then
 * moved to the target. A row is deleted from the file after the target has committed it. If the process dies in between, it is
 * moved twice, and the target drops the duplicate by its key. The file is used by a thread of its own, so that a slow disk holds up
 * no request.
 */
export class Spool implements IntakeSink {
  readonly #options: SpoolOptions;
  readonly #connection: Connection;
  readonly #tidying: NodeJS.Timeout;
  #batch = batchMax;
  /** The `seq` from which rows are moved next. It advances past a row that the target refuses, so that the row does not block others. */
  #after = 0;
  #isMoving = false;
  /** Rows were recorded since the last read. */
  #isWoken = false;
  #isFailing = false;
  #isClosed = false;
  /** The file is closed. */
  #isGone = false;
  #wasWritten = false;
  #endPause = () => {};
  #moving: Promise<void> = Promise.resolve();

  private constructor(options: SpoolOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
    this.#tidying = setInterval(() => this.#tidy(), tidyEveryMs).unref();
  }

  static async open(options: SpoolOptions): Promise<Spool> {
    return new Spool(options, await openConnection(options.path, { migrations, noopWrite }, options.sameThread));
  }

  async recordIntake(rows: readonly IntakeRow[]): Promise<Recorded> {
    await this.#connection.write(
      rows.map(({ key, connectionId, receivedAtMs, body }) => ({
        sql: insert,
        values: [key, connectionId, receivedAtMs, body],
      })),
    );
    this.wake();
    return { received: rows.length };
  }

  /** Starts to move rows, unless a run is in progress. */
  wake(): void {
    this.#isWoken = true;
    if (this.#isMoving || this.#isClosed) return;
    this.#isMoving = true;
    this.#moving = this.#moveAll();
  }

  async state(): Promise<{ waiting: number; oldestMs: number }> {
    if (this.#isGone) return { waiting: 0, oldestMs: 0 };
    const [{ waiting, oldest } = {}] = await this.#connection.read({ sql: standing, values: [] });
    const now = (this.#options.now ?? Date.now)();
    return { waiting: Number(waiting), oldestMs: oldest === null ? 0 : Math.max(0, now - Number(oldest)) };
  }

  /** Rows that are left are moved after the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#tidying);
    this.#endPause();
    await Promise.race([this.#moving, sleep(this.#options.closeMs ?? 2_000, undefined, { ref: false })]);
    if (this.#isGone) return;
    this.#isGone = true;
    await this.#connection.close();
  }

  async #moveAll(): Promise<void> {
    for (let isDone = false; !isDone && !this.#isClosed; ) {
      let count = 0;
      try {
        this.#isWoken = false;
        const rows = await this.#next();
        count = rows.length;
        isDone = count === 0 && this.#after === 0 && !this.#isWoken;
        if (count > 0) await this.#move(rows);
        else this.#after = 0;
      } catch (error) {
        if (!this.#isFailing) this.#options.onFault?.(error);
        this.#isFailing = true;
        this.#batch = Math.max(1, Math.floor(count / 2));
        await this.#pause();
      }
    }
    this.#isMoving = false;
  }

  async #move(rows: readonly SpooledRow[]): Promise<void> {
    // Halves a refused batch until the single row that the target refuses is found. That row is skipped until all others are
    // moved.
    const [row] = rows;
    if (rows.length === 1 && row !== undefined) this.#after = row.seq;
    await this.#options.target.recordIntake(rows);
    if (this.#isGone) return; // the next process moves them once more
    const seqs = JSON.stringify(rows.map(({ seq }) => seq));
    await this.#connection.write([{ sql: remove, values: [seqs] }]);
    this.#wasWritten = true;
    this.#isFailing = false;
    this.#batch = Math.min(batchMax, rows.length * 2);
    this.#options.onMoved?.();
  }

  async #next(): Promise<SpooledRow[]> {
    const rows = await this.#connection.read({ sql: listOldest, values: [this.#after, this.#batch] });
    return rows.map(({ seq, key, connection_id, received_at, body }) => ({
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
    this.#connection.checkpoint().catch(() => undefined); // the disk is full, which the next `recordIntake` reports
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
