import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { TokenGrant, TokenRequest } from '../coordination-store.ts';
import { StoreError } from '../errors.ts';
import type { StoreOptions } from '../options.ts';
import {
  bindings,
  type Dialect,
  type Engine,
  OWNED,
  RESERVED_AHEAD_MAX_MS,
  type Row,
  SEQ_OF,
  type Statement,
  type Step,
} from '../sql/engine.ts';
import { integer } from '../sql/row-mapping.ts';
import { keepSecret, newSecret, toSecret } from '../sql/secret.ts';
import { openDatabase } from './file.ts';
import { GroupCommit } from './group-commit.ts';
import { PersistedClock } from './persisted-clock.ts';

/** One process has the file (locking_mode EXCLUSIVE), so every other owner is dead and no lease is needed. */
export const sqliteDialect: Dialect = {
  now: ':clock',
  wallNow: ':wallNow',
  // The owner counts how often the file was opened. All earlier owners are dead.
  ownerIsDead: 'owner < :me',
  deadOwners: (of) => {
    const { table, which } = OWNED[of];
    return `SELECT owner FROM ${table} WHERE ${which} AND owner < :me`;
  },
  leaseIsValid: 'TRUE',
  skipLocked: '',
  skipLockedAny: '',
  lockMessages: '',
  bytewise: 'COLLATE BINARY',
  skipLockedBroadcasts: '',
  recorderIsGone: 'owner <> :me',
  shareLock: '',
  scan: (index, equal, of = 'sends') => {
    const same = Object.entries(equal).map(([column, value]) => `${column} = ${value}`);
    const seq = `${of}.${SEQ_OF[of]}`;
    const where = [...same, `${seq} < :before`, `${seq} >= :from`].join(' AND ');
    return { of, table: `${of} INDEXED BY ${index}`, where, order: `${seq} DESC` };
  },
  hinted: (table, index) => `${table} INDEXED BY ${index}`,
  // A statement holds up the process, so that a list takes many short ones. Rows that no cache has take up to a millisecond each.
  visits: { least: 20, first: 120, most: 480 },
  newest: ({ of, table, where, order }, also) => {
    if (of === 'sends') return `${table} WHERE ${where} AND ${also} ORDER BY ${order} LIMIT :limit`;
    const few = also === 'TRUE' ? ':limit' : ':most';
    return `sends WHERE sends.seq IN (SELECT ${SEQ_OF[of]} FROM ${table} WHERE ${where} ORDER BY ${order} LIMIT ${few})
      AND ${also} ORDER BY sends.seq DESC LIMIT :limit`;
  },
  lateralJoin: (condition) => `CROSS JOIN sends ON sends.seq IN (SELECT seq FROM sends WHERE ${condition})`,
  among: (keys) => `IN (${keys})`,
  newestOfEach: (callers) => `${callers} CROSS JOIN events AS theirs ON theirs.seq IN
    (SELECT events.seq FROM events WHERE events.caller = given.caller AND events.seq > :after ORDER BY events.seq LIMIT :limit)`,
  inputRows: (columns) => {
    const taken = Object.keys(columns).map((name) => `value ->> '${name}' AS ${name}`);
    return `(SELECT ${taken.join(', ')} FROM json_each(:rows)) AS given`;
  },
  fence: [],
  counts: 'SELECT status, n FROM send_tallies',
  check: 'UPDATE send_store SET checks = checks + 1, clock = :clock',
};

/** How much of the persisted clock a crash may lose. */
const CLOCK_SAVED_EVERY_MS = 60_000;

/** Prepared statements of lists that are kept. */
const LISTED_MAX = 200;

/** The largest file that is rewritten while the service runs. That takes a fifth of a second (11 ms per megabyte). */
const REWRITTEN_MAX_BYTES = 16 * 1024 * 1024;

const FILE_BYTES = 'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size';

export class SqliteEngine implements Engine {
  readonly #db: DatabaseSync;
  readonly #commits: GroupCommit;
  readonly #clock: PersistedClock;
  readonly #me: number;
  readonly secret: Buffer;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #listed = new Set<string>();
  readonly #steady: () => number;
  readonly #wall: () => number;
  #slot = Number.NEGATIVE_INFINITY;
  readonly #spentUntil = new Map<string, number>();
  readonly #saving: NodeJS.Timeout;
  readonly #saveClock: () => void;
  readonly webhooks = this;

  constructor(path: string, options: StoreOptions) {
    this.#db = openDatabase(path);
    this.#steady = options.monotonicClock ?? (() => performance.now());
    this.#wall = options.wallClock ?? (() => Date.now());
    const store: Row = this.#db.prepare('UPDATE send_store SET owner = owner + 1 RETURNING owner, clock').get() ?? {};
    this.#me = integer(store, 'owner');
    this.secret = toSecret(this.#db.prepare(keepSecret.positional).get(newSecret())?.secret);
    this.#clock = new PersistedClock(integer(store, 'clock'), this.#steady);
    const save = this.#db.prepare('UPDATE send_store SET clock = ?');
    this.#saveClock = () => void save.run(this.#clock.now());
    this.#commits = new GroupCommit(this.#db, this.#saveClock);
    this.#saving = setInterval(() => {
      this.#commits.run(this.#saveClock, true).catch(() => undefined); // writes report a full disk; this may wait
    }, CLOCK_SAVED_EVERY_MS).unref();
  }

  async write(steps: readonly Step[]): Promise<Row[][]> {
    this.#mustBeOpen();
    return this.#commits.run(() => steps.map((step) => this.#run(step)), steps.length === 1);
  }

  async read(step: Step): Promise<Row[]> {
    this.#mustBeOpen();
    try {
      return this.#run(step);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : cause;
      throw new StoreError(`the store could not read: ${why}`, { cause, notCommitted: true });
    }
  }

  /** The same as other reads: the statement bounds how many rows it visits. Callers choose its form, so few forms are kept. */
  list(step: Step): Promise<Row[]> {
    this.#listed.add(step.statement.positional);
    const [oldest] = this.#listed;
    if (oldest !== undefined && this.#listed.size > LISTED_MAX) {
      this.#listed.delete(oldest);
      this.#prepared.delete(oldest);
    }
    return this.read(step);
  }

  /** The log keeps what its transactions wrote until it is truncated. */
  checkpoint(): void {
    this.#mustBeOpen();
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (cause) {
      throw new StoreError(`the store could not empty its log: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
    }
  }

  /**
   * Deleted rows are overwritten at once, but pages that were split or joined may contain copies of rows in their gaps; a
   * rewritten file has none. Rewriting blocks the process, so a large file is rewritten only if nothing else uses it.
   */
  async scrub(isAlone: boolean): Promise<void> {
    this.#mustBeOpen();
    try {
      const { bytes } = this.#db.prepare(FILE_BYTES).get() ?? {};
      if (isAlone) this.#db.exec('PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY');
      else if (Number(bytes) <= REWRITTEN_MAX_BYTES) this.#db.exec('VACUUM');
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : cause;
      throw new StoreError(`the store could not write its file anew: ${why}`, { cause });
    }
    this.checkpoint();
  }

  async heartbeat(): Promise<void> {
    this.#mustBeOpen();
  }

  /** In memory: there is one process, and the slots of an earlier one are used up. */
  async reservePermit(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }> {
    this.#mustBeOpen();
    const nowMs = this.#steady();
    const slot = Math.min(Math.max(this.#slot, nowMs), nowMs + RESERVED_AHEAD_MAX_MS);
    this.#slot = slot + intervalMs;
    return { waitMs: slot - nowMs, nowMs, replicas: 1 };
  }

  async blockReservations(ms: number): Promise<void> {
    this.#mustBeOpen();
    this.#slot = Math.max(this.#slot, this.#steady() + Math.min(ms, RESERVED_AHEAD_MAX_MS));
  }

  async takeTokens(
    caller: string,
    { perSecond, burst, maxTokens: most, debt: owed }: TokenRequest,
  ): Promise<TokenGrant> {
    this.#mustBeOpen();
    const now = this.#steady();
    const spent = Math.min(burst, owed + Math.max(0, ((this.#spentUntil.get(caller) ?? 0) - now) * (perSecond / 1000)));
    const granted = Math.min(most, Math.floor(burst - spent + 1e-3));
    const spentMs = ((spent + granted) / perSecond) * 1000;
    this.#spentUntil.set(caller, now + spentMs);
    return { granted, waitMs: Math.max(0, spentMs - ((burst - 1) * 1000) / perSecond), replicas: 1 };
  }

  hasOlderReplicas(): boolean {
    return false;
  }

  /** There is no other process. */
  onForeignEvents(_listener: () => void): () => void {
    return () => undefined;
  }

  holdsLease(): boolean {
    return this.#db.isOpen;
  }

  wallNow(): number {
    return Math.floor(this.#wall());
  }

  epoch(): number {
    return this.#me;
  }

  async close(): Promise<void> {
    if (!this.#db.isOpen) return;
    clearInterval(this.#saving);
    const saved = this.#commits.run(this.#saveClock, true).catch(() => undefined); // a full disk must not prevent closing
    this.#commits.flush();
    await saved;
    this.#db.close();
  }

  #run(step: Step): Row[] {
    const values = bindings(step, step.statement.names, {
      me: this.#me,
      clock: this.#clock.now(),
      wallNow: this.wallNow(),
    });
    return this.#prepare(step.statement).all(...values);
  }

  #prepare({ positional }: Statement): StatementSync {
    const known = this.#prepared.get(positional);
    if (known !== undefined) return known;
    const prepared = this.#db.prepare(positional);
    this.#prepared.set(positional, prepared);
    return prepared;
  }

  #mustBeOpen(): void {
    if (!this.#db.isOpen) throw new StoreError('the store is closed', { notCommitted: true });
  }
}
