import type { BroadcastProgress, BroadcastReads, BroadcastStore } from '../broadcast-store.ts';
import { broadcastRecipients } from './broadcast-recipients.ts';
import { broadcastRecording } from './broadcast-recording.ts';
import { channelInRow, pageOfBroadcasts, toBroadcasts } from './broadcast-rows.ts';
import {
  broadcastProgressStatements,
  broadcastSweepStatements,
  broadcastReads as sql,
} from './broadcast-statements.ts';
import { Cursors, type ListName } from './cursor.ts';
import type { Dialect, Engine, Value } from './engine.ts';
import { bySequence, integer, queueValues, required, toMessage, toQueueKey, toSqlText } from './row-mapping.ts';

export function createBroadcastStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): BroadcastStore {
  const { discardInDoubt, ...recording } = broadcastRecording(engine, dialect, now);
  const progress = broadcastProgress(engine, dialect, { now, discardInDoubt });
  return { ...recording, ...broadcastReads(engine), ...broadcastRecipients(engine, dialect), ...progress };
}

function broadcastReads(engine: Engine): BroadcastReads {
  const cursors = new Cursors(engine.secret);
  return {
    async findBroadcast(caller, id) {
      return toBroadcasts(await engine.read({ statement: sql.find, values: { id, caller } }))[0];
    },

    async countRejections(id) {
      const rows = await engine.read({ statement: sql.countRejections, values: { id } });
      return Object.fromEntries(rows.map((row) => [required(row, 'reason'), integer(row, 'n')]));
    },

    async listBroadcasts(caller, page) {
      const list: ListName = ['broadcasts', caller];
      const values: Record<string, Value> = { caller, limit: page.limit + 1, ...cursors.before(page, list) };
      const statement = page.cursor === undefined ? sql.list : sql.listAfter;
      const rows = await engine.list({ statement, values });
      const { broadcasts, end } = pageOfBroadcasts(rows, page.limit);
      return { broadcasts, ...cursors.next(end, list) };
    },

    async countPausedByService() {
      const [row] = await engine.read({ statement: sql.countPausedByService, values: {} });
      return row === undefined ? 0 : integer(row, 'n');
    },

    async listRunningQueues() {
      return (await engine.read({ statement: sql.listRunningQueues, values: {} })).map(toQueueKey);
    },

    async listRunningBroadcasts(limit, queue) {
      const step = queue
        ? { statement: sql.listRunningOf, values: { limit, ...queueValues(queue) } }
        : { statement: sql.listRunning, values: { limit } };
      const rows = await engine.read(step);
      return rows.map((row) => ({
        id: required(row, 'id'),
        caller: required(row, 'caller'),
        connectionId: required(row, 'connection_id'),
        template: required(row, 'template'),
        name: required(row, 'name'),
        ...channelInRow(row),
        ...(row.per_minute !== null && { perMinute: integer(row, 'per_minute') }),
      }));
    },
  };
}

function broadcastProgress(
  engine: Engine,
  dialect: Dialect,
  { now, discardInDoubt }: { now: () => number; discardInDoubt: () => Promise<void> },
): BroadcastProgress {
  const { changeStatus, claimBatch, takePace, paceLeft, listClaimed } = broadcastProgressStatements(dialect);
  const { sweeps, finish, hasOpen } = broadcastSweepStatements(dialect);
  return {
    async changeBroadcastStatus(caller, id, { to, by = 'caller', reason }) {
      const [, found = []] = await engine.write([
        { statement: changeStatus, values: { caller, id, to, by, reason: toSqlText(reason), wall: now() } },
        { statement: sql.find, values: { caller, id } },
      ]);
      return toBroadcasts(found)[0];
    },

    async claimBatch(id, limit) {
      const [claimed = []] = await engine.write([{ statement: claimBatch, values: { id, limit, wall: now() } }]);
      return claimed.sort(bySequence).map(toMessage);
    },

    async takePace(id, n) {
      const [taken = [], [row] = []] = await engine.write([
        { statement: takePace, values: { id, n } },
        { statement: paceLeft, values: { id } },
      ]);
      return taken.length > 0 || row === undefined ? 0 : Math.max(1, integer(row, 'wait_ms'));
    },

    async listClaimed(id) {
      const rows = await engine.read({ statement: listClaimed, values: { id } });
      return rows.map((row) => ({ id: required(row, 'id'), attempt: integer(row, 'attempts') }));
    },

    async sweepBroadcasts(limit, ended) {
      await discardInDoubt();
      // Each replica asks once a second, so that usually costs one read.
      if ((await engine.read({ statement: hasOpen, values: {} })).length === 0) return 0;
      let left = limit;
      for (const statement of sweeps) {
        if (left <= 0) break;
        const [rows = []] = await engine.write([{ statement, values: { limit: left, wall: now() } }]);
        left -= rows.length;
        if (statement === finish && ended) {
          for (const row of rows) ended({ id: required(row, 'id'), caller: required(row, 'caller') });
        }
      }
      return limit - left;
    },
  };
}
