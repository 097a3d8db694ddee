import type { SlotStore } from './port.ts';

/** What the verbs ask of a database. Two live here: src/store/sqlite and src/store/postgres. */

export type Value = string | number | null;
export type Row = Record<string, unknown>;

/** SQL with `:name` parameters, which SQLite takes as they are and PostgreSQL as `$1`, `$2`. */
export interface Statement {
  readonly named: string;
  readonly numbered: string;
  readonly names: readonly string[];
}

export interface Step {
  readonly statement: Statement;
  readonly values: Readonly<Record<string, Value>>;
}

export interface Engine extends SlotStore {
  /** Runs the steps in one transaction; resolves when they are durable. Throws StoreError. */
  write(steps: readonly Step[]): Promise<Row[][]>;
  read(step: Step): Promise<Row[]>;
  heartbeat(): Promise<void>;
  /** Lets go of old versions of rows, in which texts stand that are no longer kept; where the database does not by itself. */
  tidy?(): void;
  holdsLease(): boolean;
  /** The owner that it writes as. */
  epoch(): number;
  close(): Promise<void>;
}

/** A hold of a 429 is no longer; a clock that was set back must not silence everybody for as long. */
export const SLOT_AHEAD_MAX_MS = 60_000;

/** Where the two databases cannot share their words. Every engine supplies `:me`, the owner that it writes as. */
export interface Dialect {
  /** The ageing clock in whole milliseconds: never a wall clock of ours (delivery.md 2.6). */
  readonly now: string;
  /** Holds for a row of `sends` whose owner is dead. */
  readonly lost: string;
  /** Holds while `:me` may send. */
  readonly leased: string;
  /** Ends a choice of rows, so that no two processes choose the same one. */
  readonly claim: string;
  /** What recover does first, in the same transaction. */
  readonly fence: readonly string[];
  readonly counts: string;
  readonly check: string;
}

export function statement(named: string): Statement {
  const names: string[] = [];
  const numbered = named.replace(/(?<!:):([a-z]\w*)/gi, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return { named, numbered, names };
}

/** The values that a statement names, in its order; the engine's own win. A forgotten one is our mistake, not a NULL. */
export function bindings(step: Step, own: Readonly<Record<string, Value>>): [name: string, value: Value][] {
  return step.statement.names.map((name) => {
    const value = own[name] ?? step.values[name];
    if (value === undefined) throw new TypeError(`no value for :${name} in ${step.statement.named}`);
    return [name, value];
  });
}
