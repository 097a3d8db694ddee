import { setImmediate } from 'node:timers/promises';
import type { ListPage } from '../message-store.ts';
import type { MessageHistory, OperatorMessageStore, PastState, UnknownMessages } from '../operator-message-store.ts';
import { toBroadcasts } from './broadcast-rows.ts';
import { Cursors } from './cursor.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Dialect, Engine, Row } from './engine.ts';
import { operatorMessageStatements, UNKNOWN_VISITED_MAX } from './operator-message-statements.ts';
import { integer, isStatus, optional, required, toSqlText, wallTime } from './row-mapping.ts';

/** Groups per read. Counting blocks the event loop, because a call has up to a thousand messages. */
const COUNTED_AT_ONCE = 10;

export function createOperatorMessageStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): OperatorMessageStore {
  const sql = operatorMessageStatements(dialect);
  return {
    async findAnyMessage(id) {
      const [row] = await engine.read({ statement: sql.find, values: { id } });
      if (!row) return undefined;
      const past = await engine.read({ statement: sql.past, values: { id } });
      return toHistory(row, past.map(toPast), now());
    },

    async noteRequeued(attempts) {
      if (attempts.length === 0) return;
      const rows = attempts.map(({ sentAt, code, detail, ...attempt }) => ({
        ...attempt,
        sent_at: sentAt === undefined ? null : wallTime(sentAt),
        code: toSqlText(code),
        detail: toSqlText(detail),
      }));
      await engine.write([{ statement: sql.noteRequeued, values: { rows: JSON.stringify(rows), wall: now() } }]);
    },

    async findAnyBroadcast(id) {
      return toBroadcasts(await engine.read({ statement: sql.findBroadcast, values: { id } }))[0];
    },

    async findBroadcasts(ids) {
      if (ids.length === 0) return [];
      const rows = JSON.stringify(ids.map((id) => ({ id })));
      return toBroadcasts(await engine.read({ statement: sql.findBroadcasts, values: { rows } }));
    },

    listOpenBroadcasts: async (limit) =>
      toBroadcasts(await engine.read({ statement: sql.listOpen, values: { limit } })),

    listUnknown: unknownLists(engine, sql, now),
  };
}

function unknownLists(
  engine: Engine,
  sql: ReturnType<typeof operatorMessageStatements>,
  now: () => number,
): OperatorMessageStore['listUnknown'] {
  const cursors = new Cursors(engine.secret);

  const read = async (rows: readonly Row[]) => {
    const values = { rows: JSON.stringify(rows.map((row) => ({ seq: integer(row, 'seq') }))) };
    const samples = await engine.list({ statement: sql.findUnknown, values });
    const counts = new Map<number, Row>();
    const shared = rows.filter(({ lost_call: lostCall }) => lostCall !== null);
    for (let from = 0; from < shared.length; from += COUNTED_AT_ONCE) {
      const some = shared.slice(from, from + COUNTED_AT_ONCE).map((row) => ({ seq: integer(row, 'seq') }));
      const counted = await engine.list({ statement: sql.countUnknown, values: { rows: JSON.stringify(some) } });
      for (const row of counted) counts.set(integer(row, 'seq'), row);
      await setImmediate();
    }
    return { samples: new Map(samples.map((row) => [integer(row, 'seq'), row])), counts };
  };

  return async ({ limit, cursor }: ListPage) => {
    const list = ['unknown'] as const;
    const { before = Number.MAX_SAFE_INTEGER } = cursors.before(cursor === undefined ? {} : { cursor }, list);
    const found = await engine.list({ statement: sql.groupUnknown, values: { before, limit: limit + 1 } });
    const page = found.slice(0, limit);
    const { samples, counts } = await read(page);
    const groups = page.flatMap((row) => {
      const seq = integer(row, 'seq');
      const sample = samples.get(seq);
      const counted = counts.get(seq);
      // A group whose newest message is on an earlier page is listed there.
      const wasListed = counted !== undefined && integer(counted, 'newest') >= before;
      return sample === undefined || wasListed ? [] : [toUnknown(sample, counted, now())];
    });
    return { groups: groups.filter(({ count, resent }) => resent < count), ...cursors.next(endOf(found, limit), list) };
  };
}

/** Returns the sequence number before which all messages belong to later pages. */
function endOf(found: readonly Row[], limit: number): number | undefined {
  const next = found[limit];
  if (next !== undefined) return integer(next, 'seq') + 1;
  const [any] = found;
  return any !== undefined && integer(any, 'visited') === UNKNOWN_VISITED_MAX ? integer(any, 'lowest') : undefined;
}

/** Converts a time of the ageing clock to wall clock. */
function wallOf(row: Row, column: string, wall: number): number | undefined {
  return row[column] === null ? undefined : wall + integer(row, column) - integer(row, 'clock');
}

function toHistory(row: Row, past: PastState[], wall: number): MessageHistory {
  const lookedAt = wallOf(row, 'looked_at', wall);
  const child = optional(row, 'child_id');
  return {
    message: toShownMessage(row),
    past,
    ...(lookedAt !== undefined && { lookedAt }),
    ...(child !== undefined && { resend: { id: child, createdAt: integer(row, 'child_created_at') } }),
  };
}

function toPast(row: Row): PastState {
  const event = required(row, 'event');
  const code = optional(row, 'code');
  const detail = optional(row, 'detail');
  return {
    event: isStatus(event) ? event : 'requeued',
    attempt: integer(row, 'attempt'),
    at: integer(row, 'at'),
    ...(row.sent_at !== null && { sentAt: integer(row, 'sent_at') }),
    ...(code !== undefined && { code }),
    ...(detail !== undefined && { detail }),
  };
}

/** `counted` is absent for a message with a call of its own. */
function toUnknown(sample: Row, counted: Row | undefined, wall: number): UnknownMessages {
  const broadcastId = optional(sample, 'broadcast_id');
  const lostCall = optional(sample, 'lost_call');
  const template = optional(sample, 'template');
  const times: Row = { ...(counted ?? sample), clock: sample.clock };
  const sentAt = times.sent_at === null ? undefined : integer(times, 'sent_at');
  const notAfter = sample.not_after === null ? undefined : integer(sample, 'not_after');
  const nextLookAt = wallOf(times, 'next_look_at', wall);
  return {
    caller: required(sample, 'caller'),
    connectionId: required(sample, 'connection_id'),
    ...(broadcastId !== undefined && { broadcastId }),
    ...(lostCall !== undefined && { lostCall }),
    ...(template !== undefined && { template }),
    ...(sentAt !== undefined && { sentAt }),
    ...(notAfter !== undefined && { notAfter }),
    ...(nextLookAt !== undefined && { nextLookAt }),
    count: counted ? integer(counted, 'unknown') : 1,
    found: counted ? integer(counted, 'found') : 0,
    resent: integer(counted ?? sample, 'resent'),
    looked: counted ? integer(counted, 'looked') : sample.looked_at === null ? 0 : 1,
    sampleId: required(sample, 'id'),
  };
}
