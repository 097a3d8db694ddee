import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';
import type { Row, Value } from '../sql/engine.ts';
import { GroupCommit } from './group-commit.ts';

/** A statement with its values in order. */
export interface Bound {
  readonly sql: string;
  readonly values: readonly Value[];
}

export interface FileSchema {
  /** Applied in order; append only. */
  readonly migrations: readonly (readonly string[])[];
  /** A statement that changes something that does not matter; see GroupCommit. */
  readonly noopWrite: string;
}

/** The only connection to the file, in this thread or in one of its own. */
export interface Connection {
  /** Runs the statements in one transaction. Resolves when it is durable. Throws StoreError. */
  write(steps: readonly Bound[]): Promise<Row[][]>;
  read(step: Bound): Promise<Row[]>;
  /** Like `read`, for statements whose text depends on the request: only some of them stay prepared. */
  list(step: Bound): Promise<Row[]>;
  checkpoint(): Promise<void>;
  scrub(isAlone: boolean): Promise<void>;
  /** Closes the file after all earlier requests are committed. */
  close(): Promise<void>;
}

/** Maximum number of statements of lists that stay prepared. */
const LISTED_MAX = 200;

/** The largest file that is rewritten while the service runs, which takes a fifth of a second (11 ms per megabyte). */
const REWRITTEN_MAX_BYTES = 16 * 1024 * 1024;

const FILE_BYTES = 'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size';

/** The connection in the thread that calls it. */
export class LocalConnection implements Connection {
  readonly #db: DatabaseSync;
  readonly #commits: GroupCommit;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #listed = new Set<string>();

  constructor(db: DatabaseSync, noopWrite: string) {
    this.#db = db;
    const touch = db.prepare(noopWrite);
    this.#commits = new GroupCommit(db, () => void touch.run());
  }

  async write(steps: readonly Bound[]): Promise<Row[][]> {
    return this.#commits.run(() => steps.map((step) => this.#run(step)), steps.length === 1);
  }

  async read(step: Bound): Promise<Row[]> {
    try {
      return this.#run(step);
    } catch (cause) {
      throw new StoreError(`the store could not read: ${reason(cause)}`, { cause, notCommitted: true });
    }
  }

  list(step: Bound): Promise<Row[]> {
    this.#listed.add(step.sql);
    const [oldest] = this.#listed;
    if (oldest !== undefined && this.#listed.size > LISTED_MAX) {
      this.#listed.delete(oldest);
      this.#prepared.delete(oldest);
    }
    return this.read(step);
  }

  /** Truncates the log, which otherwise keeps everything that transactions wrote. */
  async checkpoint(): Promise<void> {
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (cause) {
      throw new StoreError(`the store could not empty its log: ${reason(cause)}`, { cause });
    }
  }

  /**
   * Deleted rows are overwritten at once, but pages that were split or joined may contain copies of rows in their gaps; a
   * rewritten file has none. No write is committed meanwhile, so a large file is rewritten only if nothing else uses it.
   */
  async scrub(isAlone: boolean): Promise<void> {
    try {
      const { bytes } = this.#db.prepare(FILE_BYTES).get() ?? {};
      if (isAlone) this.#db.exec('PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY');
      else if (Number(bytes) <= REWRITTEN_MAX_BYTES) this.#db.exec('VACUUM');
    } catch (cause) {
      throw new StoreError(`the store could not write its file anew: ${reason(cause)}`, { cause });
    }
    await this.checkpoint();
  }

  async close(): Promise<void> {
    this.#commits.flush();
    this.#db.close();
  }

  #run({ sql, values }: Bound): Row[] {
    const known = this.#prepared.get(sql) ?? this.#db.prepare(sql);
    this.#prepared.set(sql, known);
    return known.all(...values);
  }
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
