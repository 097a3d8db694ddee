import type { EndpointProgress, ParkedEvent, WebhookEndpointStore } from '../webhook-endpoint-store.ts';
import type { Dialect, Engine, Row, Statement, Step } from './engine.ts';
import { factValues, toEvent } from './event-row.ts';
import { NaturalBatch } from './natural-batch.ts';
import { integer, optional, required, toSqlText } from './row-mapping.ts';
import { type ProgressStatements, progressStatements } from './webhook-statements.ts';

type Progress = Pick<WebhookEndpointStore, 'saveEndpointProgress' | 'dueParked' | 'nextParkedDueInMs' | 'parkedCounts'>;

/** Maximum number of endpoints in one commit: those that write at the same time share it. */
const ENDPOINTS_AT_ONCE = 32;

/** Records the progress of endpoints, and parked events. */
export function progressOperations(engine: Engine, dialect: Dialect, now: () => number): Progress {
  const sql = progressStatements(dialect);

  /** Ids of the endpoints that were written. */
  const save = async (all: readonly EndpointProgress[]): Promise<Set<EndpointProgress>> => {
    const steps = all.map((progress) => progressSteps(sql, progress, now()));
    const answers = await engine.write(steps.flat());
    const saved = new Set<EndpointProgress>();
    let first = 0;
    for (const [at, progress] of all.entries()) {
      if ((answers[first] ?? []).length > 0) saved.add(progress);
      first += steps[at]?.length ?? 0;
    }
    return saved;
  };
  const batches = new NaturalBatch(save, ENDPOINTS_AT_ONCE);

  return {
    saveEndpointProgress: async (progress) => (await batches.add([progress])).has(progress),

    async dueParked(id, limit) {
      const rows = await engine.read({ statement: sql.due, values: { id, limit } });
      return rows.map((row) => ({ ...toParked(row), event: toEvent(row) }));
    },

    async nextParkedDueInMs(id) {
      const [row] = await engine.read({ statement: sql.nextDue, values: { id } });
      return row === undefined || row.due_in === null ? undefined : Math.max(0, integer(row, 'due_in'));
    },

    async parkedCounts(ids) {
      if (ids.length === 0) return new Map();
      const values = { rows: JSON.stringify(ids.map((id) => ({ id }))) };
      const rows = await engine.read({ statement: sql.counts, values });
      return new Map(
        rows.map((row) => [required(row, 'id'), { pending: integer(row, 'pending'), failed: integer(row, 'failed') }]),
      );
    },
  };
}

/** The first statement decides whether the endpoint is written: all others check the same epoch. */
function progressSteps(sql: ProgressStatements, progress: EndpointProgress, wall: number): Step[] {
  const { id, epoch, attempts, parked, unparked, replay, disable, facts = [] } = progress;
  const of = { id, epoch };
  const save: Step = {
    statement: sql.save,
    values: {
      ...of,
      position: progress.position,
      ahead: JSON.stringify(progress.ahead),
      failures: progress.failures,
      failingSince: progress.failingSince ?? null,
      lastSuccessAt: progress.lastSuccessAt ?? null,
      attempts: attempts.length,
      disable: disable?.reason ?? null,
      request: replay?.request ?? -1,
      replayPosition: replay && !replay.isDone ? replay.position : null,
      replayUntil: replay && !replay.isDone ? replay.until : null,
      replayAhead: JSON.stringify(replay && !replay.isDone ? replay.ahead : []),
    },
  };
  const step = (statement: Statement, rows: readonly object[], more: Step['values'] = {}): Step[] =>
    rows.length > 0 ? [{ statement, values: { ...of, ...more, rows: JSON.stringify(rows) } }] : [];
  return [
    save,
    ...step(
      sql.unpark,
      unparked.map((seq) => ({ seq })),
    ),
    ...step(sql.park, parked.map(parkedValues), { wall }),
    ...step(sql.attempts, attemptValues(attempts)),
    ...step(sql.facts, facts.map(factValues)),
  ];
}

const parkedValues = ({ eventSeq, state, tries, dueInMs, lastStatus, lastError }: ParkedEvent) => ({
  seq: eventSeq,
  state,
  tries,
  due_in: dueInMs ?? 0,
  status: lastStatus ?? null,
  error: toSqlText(lastError),
});

const attemptValues = (attempts: EndpointProgress['attempts']) =>
  attempts.map(({ eventSeq, at, status, durationMs, error }, place) => ({
    back: attempts.length - 1 - place,
    seq: eventSeq,
    at,
    status: status ?? null,
    ms: Math.round(durationMs),
    error: toSqlText(error),
  }));

function toParked(row: Row): ParkedEvent {
  const lastError = optional(row, 'last_error');
  return {
    eventSeq: integer(row, 'event_seq'),
    state: required(row, 'state') === 'failed' ? 'failed' : 'pending',
    tries: integer(row, 'tries'),
    dueInMs: Math.max(0, integer(row, 'due_in')),
    ...(row.last_status !== null && { lastStatus: integer(row, 'last_status') }),
    ...(lastError !== undefined && { lastError }),
  };
}
