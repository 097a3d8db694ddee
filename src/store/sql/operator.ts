import { setImmediate } from 'node:timers/promises';
import { StoreError } from '../errors.ts';
import type { OpenBroadcasts, OperatorStore, SendingStop, Stopped } from '../operator-store.ts';
import { pageOfBroadcasts, toBroadcasts } from './broadcasts.ts';
import { Cursors } from './cursor.ts';
import type { Dialect, Engine, Row, Statement, Step } from './engine.ts';
import { type FoundMessages, pageOf, readMessages } from './list-page.ts';
import { listBroadcastsStep, operatorStatements } from './operator-statements.ts';
import { integer, isoTime, optional, required, toSqlText } from './row-mapping.ts';

/** Nobody needs to know more exactly how much a caller has waiting, and to count a million takes long. */
const COUNTED_MAX = 1_000;
const CANCELLED = 'an operator cancelled it';

/** The verbs of src/store/operator-store.ts, in SQL that both databases speak. */
export function createOperatorStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): OperatorStore {
  const sql = operatorStatements(dialect);
  const cursors = new Cursors(engine.secret);

  const read = (statement: Statement, values: Step['values'] = {}): Promise<Row[]> =>
    engine.read({ statement, values });
  const changed = async (statement: Statement, values: Step['values']): Promise<number> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows.length;
  };

  return {
    findSendingStop: async () => toStop(await read(sql.findStop)),

    async stopSending({ stopped, reason, changedBy }) {
      const answers = await engine.write([
        { statement: sql.upsertStop, values: { reason: toSqlText(reason), changedBy, wall: now() } },
        { statement: sql.deleteStopped, values: {} },
        { statement: sql.insertStopped, values: { rows: JSON.stringify(stopRows(stopped)) } },
        { statement: sql.findStop, values: {} },
      ]);
      const stands = toStop(answers[3] ?? []);
      if (!stands) throw new StoreError('the store does not know what it was told of sending');
      return stands;
    },

    listCallers: async () => (await read(sql.listCallers)).map((row) => required(row, 'caller')),

    async summarizeWork(callers) {
      const rows = await read(sql.summarizeWork, {
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

    countOpenBroadcasts: async () => (await read(sql.countOpenBroadcasts)).map(toOpen),

    async listMessagesOf(callers, filter, page) {
      const [named] = filter.broadcastId === undefined ? [] : await read(sql.findCaller, { id: filter.broadcastId });
      const owner = named && required(named, 'caller');
      const asked = filter.broadcastId === undefined ? callers : callers.filter((caller) => caller === owner);
      const ask = { limit: page.limit, ...cursors.before(page, ['all sends']) };
      const found: FoundMessages[] = [];
      for (const one of asked) {
        found.push(await readMessages({ engine, dialect }, { caller: one, filter }, ask));
        // SQLite answers before it returns: others get their turn in between.
        await setImmediate();
      }
      const { messages, end } = pageOf(found, page.limit);
      return { messages, ...cursors.next(end, ['all sends']) };
    },

    async listAllBroadcasts(filter, page) {
      const { before } = cursors.before(page, ['all broadcasts']);
      const rows = await engine.list(listBroadcastsStep(filter, page.limit + 1, before));
      const { broadcasts, end } = pageOfBroadcasts(rows, page.limit);
      return { broadcasts, ...cursors.next(end, ['all broadcasts']) };
    },

    async changeAnyBroadcastStatus(id, to) {
      const [, found = []] = await engine.write([
        { statement: sql.changeStatus, values: { id, to, wall: now() } },
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
