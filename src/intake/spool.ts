import type { IntakeRow } from '../store/intake-port.ts';
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
  /** Where its rows move on to. */
  target: IntakeSink;
  /** Hears once when the target begins to fail. */
  onFault?: (error: unknown) => void;
  /** Wall clock, ms. */
  now?: () => number;
  /** Between two tries while the target fails, ms. */
  retryMs?: number;
}

/** So many rows are moved with one commit. */
const batchMax = 256;

/**
 * A file in front of a store over a network: what it has recorded is answered 200, and moves on as the store takes it. A row is
 * deleted here after it is durable there, so a crash in between records it twice, which its key makes once.
 */
export class Spool implements IntakeSink {
  readonly #options: SpoolOptions;
  readonly #db: ReturnType<typeof openDatabase>;
  readonly #commits: GroupCommit;
  #batch = batchMax;
  /** Rows behind it come next: one that the target does not take holds up no other. */
  #after = 0;
  #isMoving = false;
  #isFailing = false;
  #isClosed = false;
  #pause: { timer: NodeJS.Timeout; go: () => void } | undefined;
  #moving: Promise<void> = Promise.resolve();

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#db = openDatabase(options.path, migrations);
    const touch = this.#db.prepare('UPDATE spool SET checks = checks + 1');
    this.#commits = new GroupCommit(this.#db, () => void touch.run());
  }

  async recordIntake(rows: readonly IntakeRow[]): Promise<Recorded> {
    await this.#commits.run(() => {
      const insert = this.#db.prepare(
        'INSERT INTO spooled (key, connection_id, received_at, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      );
      for (const { key, connectionId, receivedAtMs, body } of rows) insert.run(key, connectionId, receivedAtMs, body);
    });
    this.wake();
    return { received: rows.length };
  }

  /** Moves on what is there, and from now on what comes. */
  wake(): void {
    this.#pause?.go();
    if (this.#isMoving || this.#isClosed) return;
    this.#isMoving = true;
    this.#moving = this.#moveAll().finally(() => {
      this.#isMoving = false;
    });
  }

  state(): { waiting: number; oldestMs: number } {
    const { waiting, oldest } =
      this.#db.prepare('SELECT count(*) AS waiting, min(received_at) AS oldest FROM spooled').get() ?? {};
    const now = (this.#options.now ?? Date.now)();
    return { waiting: Number(waiting), oldestMs: oldest === null ? 0 : Math.max(0, now - Number(oldest)) };
  }

  /** What is left moves on at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pause?.go();
    await this.#moving;
    this.#commits.flush();
    if (this.#db.isOpen) this.#db.close();
  }

  async #moveAll(): Promise<void> {
    while (!this.#isClosed) {
      const rows = this.#next();
      if (rows.length === 0 && this.#after === 0) break;
      if (rows.length === 0) this.#after = 0;
      else await this.#move(rows);
    }
    // The log keeps what its transactions wrote until it is emptied: texts of customers.
    if (!this.#isClosed) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  async #move(rows: readonly SpooledRow[]): Promise<void> {
    try {
      await this.#options.target.recordIntake(rows);
      await this.#commits.run(() => {
        const remove = this.#db.prepare('DELETE FROM spooled WHERE seq = ?');
        for (const { seq } of rows) remove.run(seq);
      });
      this.#isFailing = false;
      this.#batch = Math.min(batchMax, this.#batch * 2);
    } catch (error) {
      if (!this.#isFailing) this.#options.onFault?.(error);
      this.#isFailing = true;
      // Should one row be at fault, it is found by halves, and passed over for now.
      const [row] = rows;
      if (rows.length === 1 && row !== undefined) this.#after = row.seq;
      this.#batch = Math.max(1, Math.floor(rows.length / 2));
      await this.#rest();
    }
  }

  #next(): SpooledRow[] {
    const rows = this.#db
      .prepare('SELECT seq, key, connection_id, received_at, body FROM spooled WHERE seq > ? ORDER BY seq LIMIT ?')
      .all(this.#after, this.#batch);
    return rows.map(({ seq, key, connection_id, received_at, body }) => ({
      seq: Number(seq),
      key: String(key),
      connectionId: String(connection_id),
      receivedAtMs: Number(received_at),
      body: String(body),
    }));
  }

  #rest(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(this.#pause?.timer);
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: setTimeout(go, this.#options.retryMs ?? 1_000), go };
    });
  }
}

type SpooledRow = IntakeRow & { readonly seq: number };
