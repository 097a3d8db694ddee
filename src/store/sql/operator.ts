import { StoreError } from '../errors.ts';
import type { MessageFilter } from '../message-store.ts';
import type { CallerWork, OpenBroadcasts, OperatorStore, SendingStop, Stopped } from '../operator-store.ts';
import { pageOfBroadcasts, toBroadcasts } from './broadcast-rows.ts';
import { Cursors } from './cursor.ts';
import type { Dialect, Engine, Row, Statement, Step } from './engine.ts';
import { readPage } from './list-page.ts';
import { listBroadcastsStep, type OperatorStatements, operatorStatements } from './operator-statements.ts';
import { integer, isoTime, optional, required, toSqlText } from './row-mapping.ts';

/** Counts no further than this, because counting a million rows takes long and the exact number is not needed. */
const COUNTED_MAX = 1_000;
const CANCELLED = 'an operator cancelled it';

type SendingStops = Pick<OperatorStore, 'findSendingStop' | 'stopSending'>;
type OperatorLists = Pick<OperatorStore, 'listMessagesOf' | 'listAllBroadcasts'>;

export function createOperatorStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): OperatorStore {
  const sql = operatorStatements(dialect);
  const change = async (statement: Statement, values: Step['values']): Promise<number> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows.length;
  };
  return {
    ...sendingStops(engine, sql, now),
    ...operatorLists(engine, dialect, sql),

    listCallers: async () =>
      (await engine.read({ statement: sql.listCallers, values: {} })).map((row) => required(row, 'caller')),

    async summarizeWork(callers) {
      const rows = JSON.stringify(callers.map((caller) => ({ caller })));
      return (await engine.read({ statement: sql.summarizeWork, values: { rows, most: COUNTED_MAX } })).map(toWork);
    },

    countOpenBroadcasts: async () =>
      (await engine.read({ statement: sql.countOpenBroadcasts, values: {} })).map(toOpen),

    async changeAnyBroadcastStatus(id, to) {
      const [, found = []] = await engine.write([
        { statement: sql.changeStatus, values: { id, to, wall: now() } },
        { statement: sql.findAny, values: { id } },
      ]);
      return toBroadcasts(found)[0];
    },

    async cancelQueued(caller, limit) {
      const cancel = (status: string, most: number) =>
        change(sql.cancelQueued, { caller, status, limit: most, detail: CANCELLED, wall: now() });
      const queued = await cancel('queued', limit);
      return queued < limit ? queued + (await cancel('scheduled', limit - queued)) : queued;
    },
    cancelBroadcasts: (caller) => change(sql.cancelBroadcasts, { caller, wall: now() }),
  };
}

function sendingStops(engine: Engine, sql: OperatorStatements, now: () => number): SendingStops {
  return {
    findSendingStop: async () => toStop(await engine.read({ statement: sql.findStop, values: {} })),

    async stopSending({ stopped, reason, changedBy }) {
      const answers = await engine.write([
        { statement: sql.upsertStop, values: { reason: toSqlText(reason), changedBy, wall: now() } },
        { statement: sql.deleteStopped, values: {} },
        { statement: sql.insertStopped, values: { rows: JSON.stringify(stopRows(stopped)) } },
        { statement: sql.findStop, values: {} },
      ]);
      const stop = toStop(answers[3] ?? []);
      if (!stop) throw new StoreError('the store does not know what it was told of sending');
      return stop;
    },
  };
}

function operatorLists(engine: Engine, dialect: Dialect, sql: OperatorStatements): OperatorLists {
  const cursors = new Cursors(engine.secret);

  /** The callers whose messages may match: for a broadcast or a lost call, only its own. */
  const relevant = async (
    callers: readonly string[],
    { broadcastId, lostCall }: MessageFilter,
  ): Promise<readonly string[]> => {
    if (broadcastId === undefined && lostCall === undefined) return callers;
    const rows = await engine.read(
      broadcastId === undefined
        ? { statement: sql.findCallersOfCall, values: { lostCall: toSqlText(lostCall) } }
        : { statement: sql.findCaller, values: { id: broadcastId } },
    );
    const owners = rows.map((row) => required(row, 'caller'));
    return callers.filter((caller) => owners.includes(caller));
  };

  return {
    async listMessagesOf(callers, filter, page) {
      const query = { limit: page.limit, ...cursors.before(page, ['all sends']) };
      const asked = { callers: await relevant(callers, filter), filter };
      const { messages, end } = await readPage({ engine, dialect }, asked, query);
      return { messages, ...cursors.next(end, ['all sends']) };
    },

    async listAllBroadcasts(filter, page) {
      const { before } = cursors.before(page, ['all broadcasts']);
      const rows = await engine.list(listBroadcastsStep(filter, page.limit + 1, before));
      const { broadcasts, end } = pageOfBroadcasts(rows, page.limit);
      return { broadcasts, ...cursors.next(end, ['all broadcasts']) };
    },
  };
}

function toWork(row: Row): CallerWork {
  const times = [row.last_single, row.last_broadcast].map((time) => Number(time ?? 0));
  const last = Math.max(...times);
  return {
    caller: required(row, 'caller'),
    queued: integer(row, 'queued') + integer(row, 'scheduled') + integer(row, 'staged'),
    sending: integer(row, 'sending'),
    ...(last > 0 && { lastRecordedAt: isoTime(last) }),
  };
}

const stopRows = ({ all, callers, connections }: Stopped) => [
  ...(all ? [{ scope: 'all', name: '' }] : []),
  ...callers.map((name) => ({ scope: 'caller', name })),
  ...connections.map((name) => ({ scope: 'connection', name })),
];

/** Each row contains the stop, and one thing that is stopped, or none. */
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
  const status = required(row, 'status');
  return {
    caller: required(row, 'caller'),
    connectionId: required(row, 'connection_id'),
    status: status === 'paused' || status === 'scheduled' ? status : 'running',
    count: integer(row, 'n'),
  };
}
