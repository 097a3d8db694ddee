import { setImmediate } from 'node:timers/promises';
import { pageOfBroadcasts, toBroadcasts } from './broadcasts.ts';
import { Cursors } from './cursor.ts';
import type { Dialect, Engine, Row, Statement, Step } from './engine.ts';
import { type FoundSends, pageOf, readSends } from './list-page.ts';
import type { OpenBroadcasts, OperatorStore, SendingStop, Stopped } from './operator-port.ts';
import { listBroadcastsStep, operatorStatements } from './operator-statements.ts';
import { StoreError } from './port.ts';
import { integer, isoTime, optional, required, text } from './row.ts';

/** Nobody needs to know more exactly how much a caller has waiting, and to count a million takes long. */
const COUNTED_MAX = 1_000;
const CANCELLED = 'an operator cancelled it';

/** The verbs of src/store/operator-port.ts, in SQL that both databases speak. */
export function operatorVerbs(engine: Engine, dialect: Dialect, now: () => number = () => Date.now()): OperatorStore {
  const sql = operatorStatements(dialect);
  const cursors = new Cursors(engine.secret);

  const read = (statement: Statement, values: Step['values'] = {}): Promise<Row[]> =>
    engine.read({ statement, values });
  const changed = async (statement: Statement, values: Step['values']): Promise<number> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows.length;
  };

  return {
    sendingStop: async () => toStop(await read(sql.stop)),

    async stopSending({ stopped, reason, changedBy }) {
      const answers = await engine.write([
        { statement: sql.says, values: { reason: text(reason), changedBy, wall: now() } },
        { statement: sql.forget, values: {} },
        { statement: sql.stopEach, values: { rows: JSON.stringify(stopRows(stopped)) } },
        { statement: sql.stop, values: {} },
      ]);
      const stands = toStop(answers[3] ?? []);
      if (!stands) throw new StoreError('the store does not know what it was told of sending');
      return stands;
    },

    recordedCallers: async () => (await read(sql.callers)).map((row) => required(row, 'caller')),

    async workOf(callers) {
      const rows = await read(sql.work, {
        rows: JSON.stringify(callers.map((caller) => ({ caller }))),
        most: COUNTED_MAX,
      });
      return rows.map((row) => {
        const times = [row.last_single, row.last_broadcast].map((time) => Number(time ?? 0));
        const last = Math.max(...times);
        return {
          caller: required(row, 'caller'),
          queued: integer(row, 'queued') + integer(row, 'staged'),
          sending: integer(row, 'sending'),
          ...(last > 0 && { lastRecordedAt: isoTime(last) }),
        };
      });
    },

    openBroadcasts: async () => (await read(sql.openBroadcasts)).map(toOpen),

    async listSendsOf(callers, filter, page) {
      const [named] = filter.broadcastId === undefined ? [] : await read(sql.callerOf, { id: filter.broadcastId });
      const owner = named && required(named, 'caller');
      const asked = filter.broadcastId === undefined ? callers : callers.filter((caller) => caller === owner);
      const ask = { limit: page.limit, ...cursors.before(page, ['all sends']) };
      const found: FoundSends[] = [];
      for (const one of asked) {
        found.push(await readSends({ engine, dialect }, { caller: one, filter }, ask));
        // SQLite answers before it returns: others get their turn in between.
        await setImmediate();
      }
      const { sends, end } = pageOf(found, page.limit);
      return { sends, ...cursors.next(end, ['all sends']) };
    },

    async listAllBroadcasts(filter, page) {
      const { before } = cursors.before(page, ['all broadcasts']);
      const rows = await engine.list(listBroadcastsStep(filter, page.limit + 1, before));
      const { broadcasts, end } = pageOfBroadcasts(rows, page.limit);
      return { broadcasts, ...cursors.next(end, ['all broadcasts']) };
    },

    async steerAnyBroadcast(id, to) {
      const [, found = []] = await engine.write([
        { statement: sql.steerAny, values: { id, to, wall: now() } },
        { statement: sql.findAny, values: { id } },
      ]);
      return toBroadcasts(found)[0];
    },

    cancelQueued: (caller, limit) => changed(sql.cancelQueued, { caller, limit, detail: CANCELLED, wall: now() }),
    cancelBroadcasts: (caller) => changed(sql.cancelBroadcasts, { caller, wall: now() }),
  };
}

/** One row for each thing that is stopped. */
const stopRows = ({ all, callers, connections }: Stopped) => [
  ...(all ? [{ scope: 'all', name: '' }] : []),
  ...callers.map((name) => ({ scope: 'caller', name })),
  ...connections.map((name) => ({ scope: 'connection', name })),
];

/** The last word stands in each row, and beside it one thing that is stopped, or none. */
function toStop(rows: readonly Row[]): SendingStop | undefined {
  const [word] = rows;
  if (word === undefined) return undefined;
  const named = (scope: string) =>
    rows
      .filter((row) => row.scope === scope)
      .map((row) => optional(row, 'name') ?? '')
      .toSorted();
  return {
    stopped: { all: named('all').length > 0, callers: named('caller'), connections: named('connection') },
    reason: required(word, 'reason'),
    changedBy: required(word, 'changed_by'),
    changedAt: isoTime(integer(word, 'changed_at')),
  };
}

function toOpen(row: Row): OpenBroadcasts {
  const status = required(row, 'status') === 'paused' ? 'paused' : 'running';
  return {
    caller: required(row, 'caller'),
    connectionId: required(row, 'connection_id'),
    status,
    count: integer(row, 'n'),
  };
}
