import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeEntry, IntakeRow, IntakeStore, Postponement } from '../intake-store.ts';
import type { Dialect, Engine, Row, Step } from './engine.ts';
import { type IntakeStatements, intakeStatements } from './intake-statements.ts';
import { NaturalBatch } from './natural-batch.ts';
import { integer, required, toSqlText } from './row-mapping.ts';

/** Rows per commit; no other write is committed meanwhile. */
const ROWS_AT_ONCE = 256;
/** Pause between two commits: each is an fsync that delays sends. */
const COMMIT_REST_MS = 5;
const ADOPTED_AT_ONCE = 1_000;
const RETRIED_AT_ONCE = 1_000;
/** Entries of dead owners are looked for at most this often. */
const LOST_EVERY_MS = 1_000;

/** Implements src/store/intake-store.ts, in SQL that both databases understand. */
export function createIntakeStore(
  engine: Engine,
  dialect: Dialect,
  clock: () => number = () => performance.now(),
): Omit<IntakeStore, 'noteListening'> {
  const sql = intakeStatements(dialect);
  let lookedAt = Number.NEGATIVE_INFINITY;

  /**
   * Inserts rows; returns the keys that are new. Calls that share the commit share the set: the first one to find its key in it
   * removes it and counts its row as received, all others count a duplicate.
   */
  const inserted = async (rows: readonly IntakeRow[]): Promise<Set<string>> => {
    const given = JSON.stringify(rows.map(rowValues));
    const [keys = []] = await engine.webhooks.write([{ statement: sql.record, values: { rows: given } }]);
    return new Set(keys.map((row) => required(row, 'key')));
  };
  const batches = new NaturalBatch(inserted, ROWS_AT_ONCE, () => sleep(COMMIT_REST_MS));
  const due = async (limit: number) =>
    (await engine.webhooks.read({ statement: sql.due, values: { limit } })).map(toEntry).toSorted(byReceipt);

  return {
    async recordIntake(rows) {
      if (rows.length === 0) return { received: 0, duplicates: 0 };
      const keys = await batches.add(rows);
      const received = rows.filter(({ key }) => keys.delete(key)).length;
      return { received, duplicates: rows.length - received };
    },

    async dueIntake(limit) {
      const own = await due(limit);
      if (own.length >= limit || clock() - lookedAt < LOST_EVERY_MS) return own;
      lookedAt = clock();
      const lost = await engine.read({ statement: sql.hasLost, values: {} });
      if (lost.length === 0) return own;
      await engine.write([{ statement: sql.adopt, values: { limit: ADOPTED_AT_ONCE } }]);
      return due(limit);
    },

    async postponeIntake(entries) {
      if (entries.length > 0) await engine.write([postponeStep(sql, entries)]);
    },

    async failIntake(seqs) {
      if (seqs.length > 0) await engine.write([{ statement: sql.fail, values: seqRows(seqs) }]);
    },

    async retryFailedIntake() {
      let count = 0;
      let at = 0;
      let after = 0;
      for (;;) {
        const [rows = []] = await engine.write([
          { statement: sql.retry, values: { at, after, limit: RETRIED_AT_ONCE } },
        ]);
        count += rows.length;
        if (rows.length < RETRIED_AT_ONCE) return count;
        at = Math.max(...rows.map((row) => integer(row, 'recorded_at')));
        after = Math.max(...rows.filter((row) => integer(row, 'recorded_at') === at).map((row) => integer(row, 'seq')));
      }
    },

    async intakeState() {
      const [row = {}] = await engine.read({ statement: sql.state, values: {} });
      return {
        waiting: integer(row, 'waiting'),
        oldestMs: row.oldest === null ? 0 : integer(row, 'oldest'),
        failed: integer(row, 'failed'),
      };
    },
  };
}

export const postponeStep = ({ postpone }: IntakeStatements, entries: readonly Postponement[]): Step => ({
  statement: postpone,
  values: { rows: JSON.stringify(entries.map(({ seq, inMs }) => ({ seq, in_ms: inMs }))) },
});

export const doneStep = ({ done }: IntakeStatements, seqs: readonly number[]): Step => ({
  statement: done,
  values: seqRows(seqs),
});

const seqRows = (seqs: readonly number[]) => ({ rows: JSON.stringify(seqs.map((seq) => ({ seq }))) });

const rowValues = ({ key, connectionId, receivedAtMs, body }: IntakeRow) => ({
  key: toSqlText(key),
  connection: toSqlText(connectionId),
  received: receivedAtMs,
  body: toSqlText(body),
});

const toEntry = (row: Row): IntakeEntry => ({
  seq: integer(row, 'seq'),
  key: required(row, 'key'),
  connectionId: required(row, 'connection_id'),
  receivedAtMs: integer(row, 'received_at'),
  body: required(row, 'body'),
  tries: integer(row, 'tries'),
  ageMs: integer(row, 'age'),
});

const byReceipt = (a: IntakeEntry, b: IntakeEntry): number => a.receivedAtMs - b.receivedAtMs || a.seq - b.seq;
