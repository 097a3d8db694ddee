import type { PermitStore, SlotStore } from '../coordination-store.ts';
import { WAITING } from './tracking-schema.ts';

/** What the verbs ask of a database. Two live here: src/store/sqlite and src/store/postgres. */

export type Value = string | number | null;
export type Row = Record<string, unknown>;

/** SQL is written with `:name` parameters. PostgreSQL takes them as `$1`, `$2`, SQLite is quickest with a `?` for each place. */
export interface Statement {
  readonly named: string;
  readonly numbered: string;
  /** Behind `$1`, `$2`. */
  readonly names: readonly string[];
  readonly positional: string;
  /** Behind each `?`: a name that stands twice is here twice. */
  readonly bindOrder: readonly string[];
}

export interface Step {
  readonly statement: Statement;
  readonly values: Readonly<Record<string, Value>>;
}

/** One index in its order, backwards. */
export interface IndexScan {
  table: string;
  where: string;
  order: string;
}

export interface Engine extends SlotStore, PermitStore {
  /** Runs the steps in one transaction; resolves when they are durable. Throws StoreError. */
  write(steps: readonly Step[]): Promise<Row[][]>;
  read(step: Step): Promise<Row[]>;
  /** As `read`, for what may take long: it fails before anything else has to wait for it. */
  list(step: Step): Promise<Row[]>;
  heartbeat(): Promise<void>;
  /** Lets go of old versions of rows, in which texts stand that are no longer kept; where the database does not by itself. */
  checkpoint?(): void;
  /** Takes deleted rows out of the files, as far as the database lets us; `isAlone`: nobody else waits. Throws StoreError. */
  scrub(exclusive: boolean): Promise<void>;
  /** What only this store knows, and all of its processes (src/store/sql/secret.ts). */
  readonly secret: Buffer;
  /** Whether processes of an earlier version live, which know contents by plain digests; as of the last heartbeat. */
  hasOlderReplicas(): boolean;
  holdsLease(): boolean;
  /** The owner that it writes as. */
  epoch(): number;
  close(): Promise<void>;
}

/** A hold of a 429 is no longer; a clock that was set back must not silence everybody for as long. */
export const SLOT_AHEAD_MAX_MS = 60_000;

/** Where the two databases cannot share their words. Every engine supplies `:me`, the owner that it writes as. */
export interface Dialect {
  /** The ageing clock in whole milliseconds: never a wall clock of ours. */
  readonly now: string;
  /** Holds for a row of `sends` whose owner is dead. */
  readonly ownerIsDead: string;
  /** The ids of owners that are dead, as a choice of rows, among those that have such rows. */
  readonly deadOwners: (of: keyof typeof OWNED) => string;
  /** Holds while `:me` may send. */
  readonly leaseIsValid: string;
  /** Ends a choice of rows of `sends`, so that no two processes choose the same one. */
  readonly skipLocked: string;
  /** The same for a choice from one table, whichever it is. */
  readonly skipLockedAny: string;
  /** Ends a choice of rows of `sends` in an order, in which they are locked until the transaction ends. */
  readonly lockMessages: string;
  /** As `skipLocked`, for rows of `broadcasts`. */
  readonly skipLockedBroadcasts: string;
  /** Holds for a row of `broadcasts` whose owner is dead, or believed to be. */
  readonly recorderIsGone: string;
  /** Ends a choice of a broadcast that must stay as it is until the statement is done. */
  readonly shareLock: string;
  /** Rows of `sends` that begin with these values in this index, which ends with `seq`, from `:from` to before `:before`. */
  scan(index: string, equal: Readonly<Record<string, string>>): IndexScan;
  /** What follows FROM: the newest `:limit` rows of a walk for which a condition holds; asks it of no more than `most`. */
  newest(walk: IndexScan, also: string, most: number): string;
  /** Joins to each row of `broadcasts` those rows of `sends` that a condition with ORDER BY and LIMIT chooses. */
  lateralJoin(condition: string): string;
  /** Rows named `given` out of the JSON in `:rows`, an array of objects with these keys; all small letters. */
  inputRows(columns: Readonly<Record<string, 'TEXT' | 'INTEGER' | 'BIGINT'>>): string;
  /** What recover does first, in the same transaction. */
  readonly fence: readonly string[];
  readonly counts: string;
  readonly check: string;
}

/** Rows that end with their owner or are adopted from it, as the partial indexes have them. */
export const OWNED = {
  sending: { table: 'sends', which: "status = 'sending'" },
  streams: { table: 'sends', which: "status = 'queued' AND call_json IS NULL" },
  intake: { table: 'intake', which: WAITING },
} as const;

const parameter = /(?<!:):([a-z]\w*)/gi;

export function statement(named: string): Statement {
  const bindOrder = Array.from(named.matchAll(parameter), ([, name = '']) => name);
  const names = [...new Set(bindOrder)];
  return {
    named,
    numbered: named.replace(parameter, (_, name: string) => `$${names.indexOf(name) + 1}`),
    names,
    positional: named.replace(parameter, '?'),
    bindOrder,
  };
}

/** The values that are asked for, in this order; the engine's own win. A forgotten one is our mistake, not a NULL. */
export function bindings(step: Step, names: readonly string[], own: Readonly<Record<string, Value>>): Value[] {
  return names.map((name) => {
    const value = own[name] ?? step.values[name];
    if (value === undefined) throw new TypeError(`no value for :${name} in ${step.statement.named}`);
    return value;
  });
}
