import type { DueMessage, LookupProgress, ReconcileStore } from '../reconcile-store.ts';
import { FAILED } from './broadcast-schema.ts';
import { type Dialect, type Engine, type Row, type Statement, type Step, statement } from './engine.ts';
import { FIRST_LOOK_MS } from './look-times.ts';
import { COLUMNS } from './message-columns.ts';
import { bySequence, integer, isoTime, toMessage, toSqlText } from './row-mapping.ts';
import { LOOKED, SOUGHT } from './schema.ts';

const MINUTE_MS = 60_000;
/** Time from the end of a message to its first lookup, with a margin for the recipients of one call, 1 ms each. */
const SOON_MS = FIRST_LOOK_MS + 2_000;
const AGAIN_MS = MINUTE_MS / 2;
/** Lookups end this long after the end of a message. */
const PATIENCE_MS = 120 * MINUTE_MS;
const CALLS_MAX = 100;
const RECIPIENTS_MAX = 20_000;
/** Rows per commit. SQLite has one writer, so other commits wait for each of these. */
const ASKED_AT_ONCE = 500;

interface DueLookups {
  /** Returns a row if a message is due. */
  readonly hasDue: Statement;
  /** Returns up to `limit` messages that are due, and schedules their next lookup. */
  readonly takeDue: Statement;
}

export function createReconcileStore(engine: Engine, dialect: Dialect): ReconcileStore {
  const sql = reconcileStatements(dialect);

  const write = async (statement: Statement, values: Step['values']): Promise<Row[]> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows;
  };

  /** Reads first, because usually nothing is due, and a read costs less than a write. */
  const take = async (
    { hasDue, takeDue }: DueLookups,
    values: Step['values'],
    limit: number,
  ): Promise<DueMessage[]> => {
    if (limit <= 0 || (await engine.read({ statement: hasDue, values })).length === 0) return [];
    return toDue(await write(takeDue, { ...values, limit }));
  };

  return {
    async takeDueLookups(limit) {
      const first = await take(sql.lookFirst, {}, limit);
      return [...first, ...(await take(sql.look, {}, limit - first.length))];
    },

    takeDueOfRecipient: ({ to, connectionId }, limit) =>
      take(sql.lookBeside, { recipient: toSqlText(to), connection: connectionId }, limit),

    async recordLookups(ids, how) {
      if (ids.length === 0) return;
      const rows = JSON.stringify(ids.map((id) => ({ id })));
      await write(how === 'done' ? sql.looked : sql.postpone, { rows });
    },

    async requestReconciliation(broadcastId) {
      const [left] = await engine.read({ statement: sql.left, values: { id: broadcastId } });
      // A round in progress continues; what is left of it becomes due now.
      if (left !== undefined && integer(left, 'n') === 0) await write(sql.ask, { id: broadcastId });
      const [clock] = await engine.read({ statement: sql.clock, values: { id: broadcastId } });
      if (!clock) return;
      const values = { id: broadcastId, askedAt: integer(clock, 'at') };
      for (let after = 0, isLast = false; !isLast; ) {
        const [batch] = await engine.read({
          statement: sql.askBatch,
          values: { id: broadcastId, after, limit: ASKED_AT_ONCE },
        });
        if (batch === undefined || batch.until === null) return;
        const until = integer(batch, 'until');
        await write(sql.askEach, { ...values, after, until });
        isLast = integer(batch, 'n') < ASKED_AT_ONCE;
        after = until;
      }
    },

    async reconcileProgress(broadcastId) {
      const [[left], calls] = await Promise.all([
        engine.read({ statement: sql.left, values: { id: broadcastId } }),
        engine.list({ statement: sql.lostCalls, values: { id: broadcastId } }),
      ]);
      return { left: left === undefined ? 0 : integer(left, 'n'), lostCalls: calls.map(toLostCall) };
    },

    async countDueLookups(limit) {
      const [row] = await engine.read({ statement: sql.due, values: { limit } });
      return row === undefined ? 0 : integer(row, 'n');
    },
  };
}

const toDue = (rows: readonly Row[]): DueMessage[] =>
  rows.toSorted(bySequence).map((row) => ({ ...toMessage(row), lookup: integer(row, 'looks') }));

const toLostCall = (row: Row): LookupProgress['lostCalls'][number] => ({
  sentAt: isoTime(integer(row, 'sent_at')),
  recipients: integer(row, 'n'),
  found: integer(row, 'found'),
  looked: integer(row, 'looked'),
});

export function reconcileStatements({ now, skipLocked, inputRows }: Dialect) {
  const these = `id IN (SELECT given.id FROM ${inputRows({ id: 'TEXT' })}) AND status = 'unknown'`;
  // 1, 5, 15 and 60 minutes after the end. The statement that returns a due lookup schedules the next one.
  const look = (which: string): DueLookups => ({
    hasDue: statement(`
      SELECT 1 AS one FROM sends WHERE next_look_at <= ${now} AND status = 'unknown' AND ${which} LIMIT 1`),
    takeDue: statement(`
      WITH due AS MATERIALIZED
        (SELECT seq AS due_seq FROM sends WHERE next_look_at <= ${now} AND status = 'unknown' AND ${which}
         ORDER BY next_look_at LIMIT :limit ${skipLocked})
      UPDATE sends SET looks = looks + 1, next_look_at = ended_at +
        CASE looks WHEN 0 THEN ${5 * MINUTE_MS} WHEN 1 THEN ${15 * MINUTE_MS} WHEN 2 THEN ${60 * MINUTE_MS} END
      WHERE seq IN (SELECT due_seq FROM due) RETURNING looks, ${COLUMNS}`),
  });
  const isOld = `${LOOKED} < COALESCE((SELECT looks_asked_at FROM broadcasts WHERE broadcasts.id = :id), 0)`;
  // Repeats the condition of the partial index, or SQLite would not use it.
  const unknownOf = `broadcast_id = :id AND status = 'unknown' AND broadcast_id IS NOT NULL AND ${FAILED}`;
  return {
    lookFirst: look('next_look_at IS NOT NULL AND look_place = 0'),
    look: look('next_look_at IS NOT NULL'),
    lookBeside: look('recipient = :recipient AND connection_id = :connection AND sent_at IS NOT NULL'),
    looked: statement(`UPDATE sends SET looked_at = ${now} WHERE ${these} RETURNING seq`),
    // Limited in time, because some histories can never be read.
    postpone: statement(`
      UPDATE sends SET looks = CASE WHEN looks > 0 THEN looks - 1 ELSE 0 END, next_look_at = ${now} + ${AGAIN_MS}
      WHERE ${these} AND ended_at > ${now} - ${PATIENCE_MS} RETURNING seq`),

    ask: statement(`UPDATE broadcasts SET looks_asked_at = ${now} WHERE id = :id RETURNING seq`),
    clock: statement(`SELECT ${now} AS at FROM broadcasts WHERE id = :id`),
    // Batches by number, so that no statement reads past the messages that it asks for.
    askBatch: statement(`
      SELECT MAX(seq) AS until, COUNT(*) AS n FROM
        (SELECT seq FROM sends WHERE ${unknownOf} AND seq > :after ORDER BY seq LIMIT :limit) AS batch`),
    askEach: statement(`
      WITH asked AS MATERIALIZED
        (SELECT seq AS asked_seq FROM sends
         WHERE ${unknownOf} AND seq > :after AND seq <= :until AND ${isOld}
           AND (next_look_at IS NULL OR next_look_at > CAST(:askedAt AS BIGINT) + look_place)
         ORDER BY seq ${skipLocked})
      UPDATE sends SET next_look_at = CAST(:askedAt AS BIGINT) + look_place
      WHERE seq IN (SELECT asked_seq FROM asked) RETURNING seq`),
    left: statement(`
      SELECT COUNT(*) AS n FROM
        (SELECT 1 FROM sends WHERE broadcast_id = :id AND ${SOUGHT} AND ${isOld} LIMIT ${RECIPIENTS_MAX}) AS counted`),
    lostCalls: statement(`
      SELECT MIN(sent_at) AS sent_at, COUNT(*) AS n,
        SUM(CASE WHEN status = 'accepted' THEN 1 ELSE 0 END) AS found,
        SUM(CASE WHEN status = 'unknown' AND looked_at IS NOT NULL THEN 1 ELSE 0 END) AS looked
      FROM (SELECT lost_call, sent_at, status, looked_at FROM sends
            WHERE broadcast_id = :id AND lost_call IS NOT NULL ORDER BY lost_call LIMIT ${RECIPIENTS_MAX}) AS lost
      GROUP BY lost_call ORDER BY MIN(sent_at), lost_call LIMIT ${CALLS_MAX}`),
    due: statement(`
      SELECT COUNT(*) AS n FROM
        (SELECT 1 FROM sends WHERE next_look_at IS NOT NULL AND next_look_at <= ${now} + ${SOON_MS} LIMIT :limit) AS counted`),
  };
}
