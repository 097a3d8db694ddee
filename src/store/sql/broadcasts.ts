import type { BroadcastStatus, BroadcastStore, NewBroadcast, StoredBroadcast } from '../broadcast-store.ts';
import { StoreError } from '../errors.ts';
import type { NewMessage } from '../message-store.ts';
import { QuotaExceededError } from '../quota-store.ts';
import { broadcastStatements } from './broadcast-statements.ts';
import { ContentMacs } from './content-mac.ts';
import { Cursors, type ListName } from './cursor.ts';
import type { Dialect, Engine, Row, Statement, Step, Value } from './engine.ts';
import { chargeStep, createQuotaStore, refundStep } from './quotas.ts';
import {
  bySequence,
  emptyCounts,
  integer,
  isoTime,
  isStatus,
  optional,
  queueValues,
  required,
  toMessage,
  toQueueKey,
  toSqlJson,
  toSqlText,
} from './row-mapping.ts';

/** The verbs of src/store/broadcast-store.ts, in SQL that both databases speak. */
export function createBroadcastStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): BroadcastStore {
  const sql = broadcastStatements(dialect);
  const macs = new ContentMacs(engine);
  const cursors = new Cursors(engine.secret);
  /** They may stand, or stand later: each would keep its key for as long as this process lives. */
  const doubtful = new Set<string>();

  const write = async (statement: Statement, values: Step['values']): Promise<Row[]> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows;
  };
  const one = (rows: readonly Row[]): StoredBroadcast | undefined => toBroadcasts(rows)[0];

  async function discardBroadcast(id: string): Promise<void> {
    doubtful.add(id);
    // Its opening may be under way yet, with nobody to hear of it.
    await engine.write([
      { statement: sql.insertTombstone, values: { id, wall: now() } },
      { statement: sql.discard, values: { id } },
    ]);
    doubtful.delete(id);
  }

  const findBroadcastByKey: BroadcastStore['findBroadcastByKey'] = async (caller, route, key) =>
    one(await engine.read({ statement: sql.findByKey, values: { caller, route, key } }));

  return {
    discardBroadcast,
    findBroadcastByKey,

    async openBroadcast(broadcast) {
      const { caller, idempotency } = broadcast;
      // Again, because what stood in the way may be gone before we could read it.
      for (let tries = 0; tries < 3; tries++) {
        try {
          if ((await write(sql.open, openValues(broadcast, now()))).length > 0) return { opened: true };
        } catch (error) {
          if (!(error instanceof StoreError && error.notCommitted)) {
            await discardBroadcast(broadcast.id).catch(() => undefined);
          }
          throw error;
        }
        const known = await findBroadcastByKey(caller, idempotency.route, idempotency.key);
        if (known !== undefined) return { existing: known };
      }
      throw new StoreError(`the id ${broadcast.id} was used before`);
    },

    async addRecipients(id, sends) {
      const rows = JSON.stringify(sends.map(recipientValues));
      const [grown = []] = await engine.write([
        { statement: sql.incrementTotal, values: { id, n: sends.length, wall: now() } },
        { statement: sql.addRecipients, values: { id, rows } },
      ]);
      return grown.length > 0;
    },

    async publishBroadcast(id, fingerprint, quota) {
      const wall = now();
      const charge = quota && { ...quota, chargedBy: id };
      const known = macs.kept(fingerprint);
      const printed = { contentMac: toSqlText(known.contentMac), fingerprint: toSqlText(known.fingerprint) };
      const [released = [], , found = [], charged = []] = await engine
        .write([
          ...(charge ? [chargeStep(charge, wall)] : []),
          { statement: charge ? sql.publishCharged : sql.publish, values: { id, ...printed, wall } },
          { statement: sql.insertCounter, values: { id } },
          { statement: sql.findPublished, values: { id } },
          ...(charge ? [refundStep('broadcast', charge)] : []),
        ])
        .then((answers) => (charge ? [...answers.slice(1, 4), answers[0]] : answers));
      if (quota && charged.length === 0) {
        throw new QuotaExceededError(
          quota.n,
          await createQuotaStore(engine, now).quotaLeft(quota.caller, quota.limits),
        );
      }
      return released.length === 0 ? undefined : one(found);
    },

    async findBroadcast(caller, id) {
      return one(await engine.read({ statement: sql.find, values: { id, caller } }));
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

    async changeBroadcastStatus(caller, id, to, { by, reason } = { by: 'caller' }) {
      const [, found = []] = await engine.write([
        { statement: sql.changeStatus, values: { caller, id, to, by, reason: toSqlText(reason), wall: now() } },
        { statement: sql.find, values: { caller, id } },
      ]);
      return one(found);
    },

    async countPausedByService() {
      const [row] = await engine.read({ statement: sql.countPausedByService, values: {} });
      return row === undefined ? 0 : integer(row, 'n');
    },

    async listRunningQueues() {
      return (await engine.read({ statement: sql.listRunningQueues, values: {} })).map(toQueueKey);
    },

    async listRunningBroadcasts(limit, lane) {
      const step = lane
        ? { statement: sql.listRunningOf, values: { limit, ...queueValues(lane) } }
        : { statement: sql.listRunning, values: { limit } };
      const rows = await engine.read(step);
      return rows.map((row) => ({
        id: required(row, 'id'),
        caller: required(row, 'caller'),
        connectionId: required(row, 'connection_id'),
        template: required(row, 'template'),
        name: required(row, 'name'),
        ...channelOf(row),
      }));
    },

    async claimBatch(id, limit) {
      const claimed = await write(sql.claimBatch, { id, limit, wall: now() });
      return claimed.sort(bySequence).map(toMessage);
    },

    async listClaimed(id) {
      const rows = await engine.read({ statement: sql.listClaimed, values: { id } });
      return rows.map((row) => ({ id: required(row, 'id'), attempt: integer(row, 'attempts') }));
    },

    async sweepBroadcasts(limit, ended) {
      for (const id of [...doubtful]) await discardBroadcast(id);
      let left = limit;
      for (const statement of sql.sweeps) {
        if (left <= 0) break;
        const rows = await write(statement, { limit: left, wall: now() });
        left -= rows.length;
        if (statement === sql.finish && ended) {
          for (const row of rows) ended({ id: required(row, 'id'), caller: required(row, 'caller') });
        }
      }
      return limit - left;
    },
  };
}

function openValues({ idempotency, ...broadcast }: NewBroadcast, wall: number): Record<string, Value> {
  const { channel, ...rest } = broadcast;
  return {
    ...rest,
    channel: toSqlText(channel),
    name: toSqlText(rest.name),
    route: idempotency.route,
    key: idempotency.key,
    wall,
  };
}

const recipientValues = (send: NewMessage, place: number): Record<string, Value> => ({
  place,
  id: send.id,
  kind: send.kind,
  recipient: toSqlText(send.to),
  connection: send.connectionId,
  template: toSqlText(send.template),
  local_id: toSqlText(send.localMessageId),
  call: toSqlJson(send.call),
  channel: toSqlText(send.channel),
  channel_attempt: send.channelNamed ? 0 : null,
});

function channelOf(row: Row): { channel?: string } {
  const channel = optional(row, 'channel');
  return channel === undefined ? {} : { channel };
}

/** As `pageOf`, of rows that were read for one more than a page has. */
export function pageOfBroadcasts(rows: readonly Row[], limit: number): { broadcasts: StoredBroadcast[]; end?: number } {
  const sequences = [...new Set(rows.map((row) => integer(row, 'seq')))];
  const broadcasts = toBroadcasts(rows).slice(0, limit);
  const last = sequences[limit - 1];
  return last === undefined || sequences.length <= limit ? { broadcasts } : { broadcasts, end: last };
}

/** Of rows that have the tallies of each broadcast beside each other. */
export function toBroadcasts(rows: readonly Row[]): StoredBroadcast[] {
  const broadcasts = new Map<string, StoredBroadcast>();
  for (const row of rows) {
    const id = required(row, 'id');
    const broadcast = broadcasts.get(id) ?? toBroadcast(row);
    broadcasts.set(id, broadcast);
    const reached = optional(row, 'tally_status');
    if (reached === undefined) continue;
    const status = reached === 'staged' ? (broadcast.status === 'cancelled' ? 'cancelled' : 'queued') : reached;
    if (!isStatus(status)) throw new StoreError(`the store holds recipients that are ${status}`);
    broadcast.counts[status] += integer(row, 'tally_n');
  }
  return [...broadcasts.values()];
}

function toBroadcast(row: Row): StoredBroadcast {
  const status = required(row, 'status');
  if (!isBroadcastStatus(status)) throw new StoreError(`the store holds a broadcast that is ${status}`);
  const total = integer(row, 'total');
  const broadcast: StoredBroadcast = {
    id: required(row, 'id'),
    caller: required(row, 'caller'),
    template: required(row, 'template'),
    name: required(row, 'name'),
    connectionId: required(row, 'connection_id'),
    ...channelOf(row),
    status,
    total,
    // Its tallies begin with its release.
    counts: { ...emptyCounts(), queued: status === 'recording' ? total : 0 },
    createdAt: isoTime(integer(row, 'created_at')),
    updatedAt: isoTime(integer(row, 'updated_at')),
  };
  const key = optional(row, 'idem_key');
  if (key !== undefined) broadcast.idempotency = { route: required(row, 'idem_route'), key };
  const contentMac = optional(row, 'content_mac');
  if (contentMac !== undefined) broadcast.contentMac = contentMac;
  const fingerprint = optional(row, 'fingerprint');
  if (fingerprint !== undefined) broadcast.fingerprint = fingerprint;
  const pausedBy = optional(row, 'paused_by');
  if (status === 'paused') broadcast.pausedBy = pausedBy === 'operator' || pausedBy === 'service' ? pausedBy : 'caller';
  const pauseReason = optional(row, 'pause_reason');
  if (pauseReason !== undefined && status === 'paused') broadcast.pauseReason = pauseReason;
  if (row.finished_at !== null) broadcast.finishedAt = isoTime(integer(row, 'finished_at'));
  return broadcast;
}

const STATUSES: Readonly<Record<BroadcastStatus, true>> = {
  recording: true,
  running: true,
  paused: true,
  cancelled: true,
  done: true,
};

function isBroadcastStatus(value: string): value is BroadcastStatus {
  return Object.hasOwn(STATUSES, value);
}
