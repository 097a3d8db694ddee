import type { Engine, Lane, Row, Statement, Step, Value } from './engine.ts';
import { fewAtOnce } from './few-at-once.ts';
import { COMPLETION, INSERTED } from './lifecycle-statements.ts';
import type { MessageStatements } from './message-statements.ts';
import type { ChargeSteps } from './quotas.ts';
import { isOfOneRow, RowBatch } from './row-batch.ts';
import { required } from './row-mapping.ts';

/** Maximum number of rows per statement. */
const ROWS_MAX = 128;
/** Maximum number of charged inserts per transaction: each takes three statements. */
const CHARGES_MAX = 32;
/** Maximum number of rows that are written alone at the same time. Each may wait for a lock, and reads need connections too. */
const ALONE_MAX = 3;
/** As long as a statement may take. */
const ALONE_WAIT_MS = 5_000;

export type Values = Readonly<Record<string, Value>> & { readonly id: string };

/** State transitions of single messages. Each returns the changed row, or undefined if there is none. */
export interface Marks {
  insert(values: Values): Promise<Row | undefined>;
  /** Inserts only if the quota has room. */
  insertCharged(values: Values, charge: ChargeSteps): Promise<Row | undefined>;
  claim(values: Values & { readonly attempt: number }): Promise<Row | undefined>;
  complete(values: Values): Promise<Row | undefined>;
  /**
   * Returns the ids of the rows that have changed and whose new status matches the request. If one row makes the statement fail, each
   * is written alone: the failure of a row is thrown once all others are written.
   */
  changeAll(statement: Statement, rows: readonly Values[], options?: ChangeOptions): Promise<ReadonlySet<string>>;
}

interface ChangeOptions {
  fits?: (asked: Values, status: unknown) => boolean;
  /** A row that fails alone counts as unchanged, unless all rows fail. */
  skipFailed?: boolean;
}

export function createMarks(engine: Engine, sql: MessageStatements, now: () => number): Marks {
  const { marks } = engine;
  const few = fewAtOnce(ALONE_MAX, ALONE_WAIT_MS);
  const alone: Lane = { write: (steps) => few(() => engine.write(steps)), read: (step) => engine.read(step) };
  const single = marks === undefined ? oneByOne(engine, sql) : inBatches({ marks, alone }, sql, now);
  return {
    ...single,
    async changeAll(statement, rows, { fits = () => true, skipFailed = false } = {}) {
      if (rows.length === 0) return new Set();
      const change = (lane: Lane, some: readonly Values[]) =>
        only(lane, { statement, values: { rows: JSON.stringify(some), wall: now() } });
      const changed = await change(marks ?? engine, rows).catch((error) => {
        if (rows.length === 1 || !isOfOneRow(error)) throw error;
        return eachAlone(rows, (row) => change(alone, [row]), skipFailed);
      });
      const statuses = new Map(changed.map((row) => [required(row, 'id'), row.status]));
      return new Set(rows.filter((asked) => statuses.has(asked.id) && fits(asked, statuses.get(asked.id))).map(idOf));
    },
  };
}

async function eachAlone(
  rows: readonly Values[],
  write: (row: Values) => Promise<Row[]>,
  skipFailed: boolean,
): Promise<Row[]> {
  const results = await Promise.allSettled(rows.map(write));
  const written = results.filter((result) => result.status === 'fulfilled');
  const failed = results.find((result) => result.status === 'rejected');
  if (failed && !(skipFailed && written.length > 0)) throw failed.reason;
  return written.flatMap(({ value }) => value);
}

const idOf = ({ id }: Values): string => id;

const only = async (lane: Lane, step: Step): Promise<Row[]> => (await lane.write([step]))[0] ?? [];

interface ChargedInsert {
  readonly id: string;
  readonly values: Values;
  readonly charge: ChargeSteps;
}
type Single = Omit<Marks, 'changeAll'>;

function oneByOne(lane: Lane, sql: MessageStatements): Single {
  const first = async (statement: Statement, values: Values) => (await lane.write([{ statement, values }]))[0]?.[0];
  return {
    insert: (values) => first(sql.insert, values),
    insertCharged: async (values, charge) => (await writeCharged(lane, sql, [{ id: values.id, values, charge }]))[0],
    claim: (values) => first(sql.claim, values),
    complete: (values) => first(sql.complete, values),
  };
}

/** Requests that arrive while a statement runs share the next statement of their kind, so batches grow with the load. */
function inBatches({ marks, alone }: { marks: Lane; alone: Lane }, sql: MessageStatements, now: () => number): Single {
  const batchOf = (one: Statement, all: Statement, columns: readonly string[]) =>
    new RowBatch<Values>(
      {
        one: (values) => only(marks, { statement: one, values }),
        all: (rows) => only(marks, { statement: all, values: { rows: toInputRows(rows, columns), wall: now() } }),
        alone: (values) => only(alone, { statement: one, values }),
      },
      ROWS_MAX,
    );
  const inserts = batchOf(sql.insert, sql.insertAll, Object.keys(INSERTED));
  const claims = batchOf(sql.claim, sql.claimAll, ['id', 'attempt']);
  const completions = batchOf(sql.complete, sql.completeAll, Object.keys(COMPLETION));
  const charged = new RowBatch<ChargedInsert>(
    {
      one: (insert) => writeCharged(marks, sql, [insert]),
      all: (inserts) => writeCharged(marks, sql, inserts),
      alone: (insert) => writeCharged(alone, sql, [insert]),
    },
    CHARGES_MAX,
  );
  return {
    insert: (values) => inserts.add(values),
    insertCharged: (values, charge) => charged.add({ id: values.id, values, charge }),
    claim: (values) => claims.add(values),
    complete: (values) => completions.add(values),
  };
}

/**
 * Charges and inserts each in turn, in one transaction. Ordered by caller, because each charge locks the row of its caller, and two
 * transactions could otherwise deadlock.
 */
async function writeCharged(lane: Lane, sql: MessageStatements, inserts: readonly ChargedInsert[]): Promise<Row[]> {
  const ordered = inserts.toSorted(
    ({ charge: a }, { charge: b }) => Number(a.caller > b.caller) - Number(a.caller < b.caller),
  );
  const steps = ordered.map(({ charge: { charge, refund }, values }) => [
    charge,
    { statement: sql.insertCharged, values },
    refund,
  ]);
  const answers = await lane.write(steps.flat());
  return answers.flatMap((rows, at) => (at % 3 === 1 ? rows : []));
}

/** Dialect.inputRows expects names in lower case. What a row does not name is NULL. */
const toInputRows = (rows: readonly Values[], columns: readonly string[]): string =>
  JSON.stringify(rows.map((row) => toInputRow(row, columns)));

function toInputRow(row: Values, columns: readonly string[]): Record<string, Value> {
  const given: Record<string, Value> = {};
  for (const name of columns) {
    const value = row[name];
    if (value !== undefined && value !== null) given[name.toLowerCase()] = value;
  }
  return given;
}
