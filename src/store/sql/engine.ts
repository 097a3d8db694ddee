import type { CallerTokenStore, ReservationStore } from '../coordination-store.ts';
import { WAITING } from './tracking-schema.ts';

/** What the shared SQL needs of a database. Implemented by src/store/sqlite and src/store/postgres. */

export type Value = string | number | null;
export type Row = Record<string, unknown>;

/** SQL written with `:name` parameters, in the two forms that the drivers take. Each value is bound once, however often it is used. */
export interface Statement {
  readonly named: string;
  /** With `$1`, for PostgreSQL. */
  readonly numbered: string;
  /** With `?1`, for SQLite. */
  readonly positional: string;
  /** The parameters, in the order of their numbers. */
  readonly names: readonly string[];
  /** PostgreSQL plans it once a connection: each row is found by a unique index, whatever the values are. */
  readonly isPlannedOnce: boolean;
}

export interface Step {
  readonly statement: Statement;
  readonly values: Readonly<Record<string, Value>>;
}

/** The tables that lists scan, and the column that contains the sequence number of the message. */
export const SEQ_OF = { sends: 'seq', deliveries: 'send_seq' } as const;
export type ScanTable = keyof typeof SEQ_OF;

/** Scans one index backwards. */
export interface IndexScan {
  of: ScanTable;
  table: string;
  where: string;
  order: string;
}

/** Runs statements over connections of its own. */
export interface Lane {
  /** Runs the steps in one transaction; resolves when they are durable. Throws StoreError. */
  write(steps: readonly Step[]): Promise<Row[][]>;
  read(step: Step): Promise<Row[]>;
}

export interface Engine extends Lane, ReservationStore, CallerTokenStore {
  /**
   * For recording webhooks, one commit at a time, and for applying them, one pass at a time. Sends do not wait for them, nor
   * they for sends. Only for statements that find each row by an index.
   */
  readonly webhooks: Lane;
  /**
   * For inserts, claims and completions of sends. Waiting ones share a statement, which soon gives up if another transaction holds one
   * of its rows. Absent if many statements cost as little as one.
   */
  readonly marks?: Lane;
  /** Like `read`, for slow queries: it fails before it delays other work. */
  list(step: Step): Promise<Row[]>;
  heartbeat(): Promise<void>;
  /** Removes old versions of rows, which may contain erased texts, if the database does not do so by itself. */
  checkpoint?(): Promise<void>;
  /** Removes deleted rows from the files, as far as possible; `exclusive`: nothing else uses the store. Throws StoreError. */
  scrub(exclusive: boolean): Promise<void>;
  /** Shared by all processes on this store (src/store/sql/secret.ts). */
  readonly secret: Buffer;
  /** Whether replicas of an earlier version run, which compare contents by plain digests; as of the last heartbeat. */
  hasOlderReplicas(): boolean;
  /** Calls back when another process has recorded events. Returns a function that stops this. */
  onForeignEvents(listener: () => void): () => void;
  holdsLease(): boolean;
  /** See `Dialect.wallNow`. PostgreSQL: as of the last heartbeat, continued by this machine's monotonic clock. */
  wallNow(): number;
  /** The id of the owner that this process writes in its rows. */
  epoch(): number;
  close(): Promise<void>;
}

/** No longer than the longest pause after a 429, so that a clock that is set back cannot stop all calls for longer. */
export const RESERVED_AHEAD_MAX_MS = 60_000;

/** SQL in which the two databases differ. Every engine binds `:me`, the owner that it writes. */
export interface Dialect {
  /** The clock by which records age, in ms: the database's or a monotonic one, never this machine's wall clock. */
  readonly now: string;
  /** The wall clock of the store, ms, by which messages are scheduled and expire. It can be changed, so nothing else uses it. */
  readonly wallNow: string;
  /** Condition: the owner of a row of `sends` is dead. */
  readonly ownerIsDead: string;
  /** A query for the ids of dead owners among those that have such rows. */
  readonly deadOwners: (of: keyof typeof OWNED) => string;
  /** Condition: the lease of `:me` is valid. */
  readonly leaseIsValid: string;
  /** Ends a SELECT of `sends`, so that two processes never select the same row. */
  readonly skipLocked: string;
  /** The same for a SELECT from any one table. */
  readonly skipLockedAny: string;
  /** Ends an ordered SELECT of `sends`. The rows are locked in that order until the transaction ends. */
  readonly lockMessages: string;
  /** Behind a text: it is compared by its bytes, whatever the collation of the database. */
  readonly bytewise: string;
  /** Like `skipLocked`, for rows of `broadcasts`. */
  readonly skipLockedBroadcasts: string;
  /** Condition on a row of `broadcasts`: the owner's lease has expired, whether or not recovery has noticed. */
  readonly recorderIsGone: string;
  /** Ends a SELECT of a broadcast that must not change until the statement has ended. */
  readonly shareLock: string;
  /**
   * Rows with these values in this index, which ends with the sequence number, before `:before`. The statement checks `:from`
   * again, because not every database can end a scan there.
   */
  scan(index: string, equal: Readonly<Record<string, string>>, of?: ScanTable): IndexScan;
  /** A table in a FROM clause, with a hint to read it by this index. PostgreSQL chooses the index itself. */
  hinted(table: string, index: string): string;
  /** Number of index entries that one statement of a list visits: at first, and the limits after slow and fast statements. */
  readonly visits: { readonly least: number; readonly first: number; readonly most: number };
  /** FROM clause: the newest `:limit` rows of `sends` of a scan for which a condition holds, visiting at most `:most` rows. */
  newest(scan: IndexScan, also: string): string;
  /** Joins to each row of `broadcasts` the rows of `sends` selected by a condition with ORDER BY and LIMIT. */
  lateralJoin(condition: string): string;
  /** Condition behind a column: its value is one of those that this query returns. Looks each up in an index. */
  among(keys: string): string;
  /** FROM clause: for each `caller` of a table `given`, the numbers of its first `:limit` events after `:after`, as `theirs`. */
  newestOfEach(callers: string): string;
  /** The last statement of a transaction that records events; absent if there are no other processes. */
  readonly announceEvents?: Statement;
  /** A table `given` made from the JSON array of objects in `:rows`. Column names in lower case. */
  inputRows(columns: Readonly<Record<string, 'TEXT' | 'INTEGER' | 'BIGINT'>>): string;
  /** Runs first in the transaction of a recovery or an adoption. */
  readonly fence: readonly string[];
  readonly counts: string;
  /** Merges rows of `counts`; absent if there is one per status. */
  readonly mergeTallies?: Statement;
  readonly check: string;
}

/** Rows that end with their owner, or are adopted from it, as the conditions of the partial indexes. */
export const OWNED = {
  sending: { table: 'sends', which: "status = 'sending'" },
  streams: { table: 'sends', which: "status = 'queued' AND call_json IS NULL" },
  intake: { table: 'intake', which: WAITING },
  endpoints: { table: 'webhook_endpoints', which: 'TRUE' },
} as const;

const parameter = /(?<!:):([a-z]\w*)/gi;

export function statement(named: string): Statement {
  const names = [...new Set(Array.from(named.matchAll(parameter), ([, name = '']) => name))];
  const numbers = (sign: string) => named.replace(parameter, (_, name: string) => `${sign}${names.indexOf(name) + 1}`);
  return { named, numbered: numbers('$'), positional: numbers('?'), names, isPlannedOnce: false };
}

export const plannedOnce = (named: string): Statement => ({ ...statement(named), isPlannedOnce: true });

/** The values in the order of the parameters, with the engine's own for the others. A missing value is a programming error, not a NULL. */
export function bindings(step: Step, names: readonly string[], own: Readonly<Record<string, Value>>): Value[] {
  return names.map((name) => {
    const given = step.values[name];
    const value = given === undefined ? own[name] : given;
    if (value === undefined) throw new TypeError(`no value for :${name} in ${step.statement.named}`);
    return value;
  });
}
