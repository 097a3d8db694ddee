import type { PermitAsk, PermitStore, Permits, SlotStore } from '../coordination-store.ts';
import { StoreError } from '../errors.ts';
import type {
  AttemptRef,
  Completion,
  Json,
  ListPage,
  MessageFilter,
  MessageStatus,
  MessageStore,
  NewMessage,
  OwnedQueue,
  QueueKey,
  StoredMessage,
} from '../message-store.ts';
import type { StoreOptions } from '../options.ts';
import { QuotaExceededError, type QuotaLimits } from '../quota-store.ts';
import { ContentMacs } from './content-mac.ts';
import { Cursors, type ListName } from './cursor.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Dialect, Engine, Row, Statement, Step, Value } from './engine.ts';
import { InDoubtInserts } from './in-doubt.ts';
import { pageOf, readMessages } from './list-page.ts';
import { type Statements, statements } from './message-statements.ts';
import { type Charge, chargeStep, createQuotaStore, refundDeletedStep, refundStep } from './quotas.ts';
import {
  completionValues,
  emptyCounts,
  insertValues,
  integer,
  isoTime,
  isStatus,
  queueValues,
  required,
  toMessage,
  toOwnedQueue,
  toSqlJson,
  toSqlText,
  wallTime,
} from './row-mapping.ts';
import { expireTrackingSteps } from './tracking-retention.ts';

/** The verbs of the port, in SQL that both databases speak; what they do not share is in their Dialect. */
export class SqlMessageStore implements MessageStore, SlotStore, PermitStore {
  readonly #engine: Engine;
  readonly #dialect: Dialect;
  readonly #sql: Statements;
  readonly #options: StoreOptions;
  readonly #wall: () => number;
  readonly #doubt: InDoubtInserts;
  readonly #macs: ContentMacs;
  readonly #cursors: Cursors;

  constructor(engine: Engine, dialect: Dialect, options: StoreOptions) {
    this.#engine = engine;
    this.#dialect = dialect;
    this.#sql = statements(dialect);
    this.#options = options;
    this.#wall = options.wallClock ?? (() => Date.now());
    this.#doubt = new InDoubtInserts((ids) => this.#withdraw(ids));
    this.#macs = new ContentMacs(engine);
    this.#cursors = new Cursors(engine.secret);
  }

  async insert(send: NewMessage): Promise<{ inserted: StoredMessage } | { existing: StoredMessage }> {
    if (send.broadcastId !== undefined) throw new TypeError('recipients of a broadcast are recorded by addRecipients');
    // Again, because what stood in the way may have been purged before we could read it.
    for (let tries = 0; tries < 3; tries++) {
      const inserted = await this.#insert(send);
      if (inserted !== undefined) return { inserted };
      const existing = await this.#findConflict(send);
      if (existing !== undefined) return { existing };
      if (send.quota) await this.#assertLeft(send.caller, send.quota);
    }
    throw new StoreError(`the id ${send.id} was used before`, { notCommitted: true });
  }

  /** Nothing stands in the way of what was not recorded, unless its quota does. */
  async #assertLeft(caller: string, limits: QuotaLimits): Promise<void> {
    const state = await createQuotaStore(this.#engine, this.#wall).quotaLeft(caller, limits);
    if (state.left === 0) throw new QuotaExceededError(1, state);
  }

  /**
   * A record that may stand though it failed must not be found and sent by a later recover: it is taken out again, now
   * or by `resolveInDoubt`. If another process has taken it up already, it is recorded. Where the store fails again,
   * nobody knows, and the caller hears that.
   */
  async #insert(send: NewMessage): Promise<StoredMessage | undefined> {
    const { quota, channelNamed, fingerprint, ...rest } = send;
    const recorded = { ...rest, ...this.#macs.kept(fingerprint) };
    const { id, caller } = send;
    const wall = this.#wall();
    try {
      const values = insertValues({ ...recorded, ...(channelNamed && { channelNamed }) }, wall);
      const inserted = quota
        ? await this.#insertCharged(values, { caller, n: 1, limits: quota, chargedBy: id })
        : await this.#change(this.#sql.insert, values);
      if (!inserted) return undefined;
      const at = isoTime(wall);
      return { ...recorded, status: 'queued', attempts: 0, createdAt: at, updatedAt: at };
    } catch (error) {
      if (error instanceof StoreError && error.notCommitted) throw error;
      const taken = await this.#doubt
        .resolve(id)
        .then(() => this.find(caller, id))
        .catch(() => raise(error));
      if (taken !== undefined) return taken;
      throw new StoreError('the record was taken out again', { cause: error, notCommitted: true });
    }
  }

  /** A charge and what it is for, or neither. */
  async #insertCharged(values: ReturnType<typeof insertValues>, charge: Charge): Promise<boolean> {
    const [, inserted = []] = await this.#engine.write([
      chargeStep(charge, this.#wall()),
      { statement: this.#sql.insertCharged, values },
      refundStep('send', charge),
    ]);
    return inserted.length > 0;
  }

  async #withdraw(ids: readonly string[]): Promise<void> {
    const rows = JSON.stringify(ids.map((id) => ({ id })));
    await this.#engine.write([
      { statement: this.#sql.insertTombstones, values: { rows, wall: this.#wall() } },
      { statement: this.#sql.deleteInDoubt, values: { rows } },
    ]);
  }

  async #findConflict(send: NewMessage): Promise<StoredMessage | undefined> {
    const { caller, idempotency, resendOf } = send;
    if (idempotency !== undefined) {
      const known = await this.findByKey(caller, idempotency.route, idempotency.key);
      if (known !== undefined) return known;
    }
    return resendOf === undefined ? undefined : this.#one(this.#sql.findResend, { caller, resendOf });
  }

  claim(id: string, attempt: number): Promise<boolean> {
    return this.#change(this.#sql.claim, { id, attempt, wall: this.#wall() });
  }

  async requeue(id: string, attempt: number): Promise<boolean> {
    const [row] = await this.#write(this.#sql.requeue, { id, attempt, wall: this.#wall() });
    return row !== undefined && row.status !== 'accepted';
  }

  async complete(id: string, settlement: Completion): Promise<boolean> {
    const [row] = await this.#write(this.#sql.complete, this.#settleValues({ ...settlement, id }));
    return row?.status === settlement.status;
  }

  async claimAll(marks: readonly AttemptRef[]): Promise<ReadonlySet<string>> {
    const [only] = marks;
    if (only !== undefined && marks.length === 1) return setOf(only.id, await this.claim(only.id, only.attempt));
    return this.#changeAll(
      this.#sql.claimAll,
      marks.map(({ id, attempt }) => ({ id, attempt })),
    );
  }

  async requeueAll(marks: readonly AttemptRef[]): Promise<ReadonlySet<string>> {
    const [only] = marks;
    if (only !== undefined && marks.length === 1) return setOf(only.id, await this.requeue(only.id, only.attempt));
    return this.#changeAll(
      this.#sql.requeueAll,
      marks.map(({ id, attempt }) => ({ id, attempt })),
      (_, status) => status !== 'accepted',
    );
  }

  async completeAll(settlements: readonly (Completion & { id: string })[]): Promise<ReadonlySet<string>> {
    const [only] = settlements;
    if (only !== undefined && settlements.length === 1) return setOf(only.id, await this.complete(only.id, only));
    return this.#changeAll(
      this.#sql.completeAll,
      settlements.map((settlement) => this.#settleValues(settlement)),
      (asked, status) => status === asked.status,
    );
  }

  #settleValues(settlement: Completion & { id: string }): Record<string, Value> {
    return completionValues(settlement, this.#macs.kept(settlement.fingerprint), this.#wall());
  }

  markReconciled(
    id: string,
    found: { whatsappMessageId?: string; localMessageId?: string; outcome: Json },
  ): Promise<boolean> {
    return this.#change(this.#sql.markReconciled, {
      id,
      localMessageId: toSqlText(found.localMessageId),
      whatsappMessageId: toSqlText(found.whatsappMessageId),
      verdict: toSqlJson(found.outcome),
      wall: this.#wall(),
    });
  }

  async deleteUnsent(id: string): Promise<void> {
    await this.#engine.write([refundDeletedStep(id), { statement: this.#sql.deleteUnsent, values: { id } }]);
  }

  async countLookalikes(
    { id, kind, connectionId, to, template, fingerprint, channel }: Parameters<MessageStore['countLookalikes']>[0],
    from: string,
    until: string,
  ): Promise<number> {
    const content = {
      kind,
      recipient: toSqlText(to),
      template: toSqlText(template),
      fingerprint: toSqlText(fingerprint),
      contentMac: fingerprint ? this.#macs.of(fingerprint) : null,
      channel: toSqlText(channel),
    };
    const values = { id, ...content, connection: connectionId, since: wallTime(from), until: wallTime(until) };
    const [row] = await this.#engine.read({ statement: this.#sql.countLookalikes, values });
    return row === undefined ? 0 : integer(row, 'n');
  }

  sameContent(...asked: Parameters<MessageStore['sameContent']>): boolean | undefined {
    return this.#macs.matches(...asked);
  }

  find(caller: string, id: string): Promise<StoredMessage | undefined> {
    return this.#one(this.#sql.find, { caller, id });
  }

  findByKey(caller: string, route: string, key: string): Promise<StoredMessage | undefined> {
    return this.#one(this.#sql.findByKey, { caller, route, key });
  }

  async list(
    caller: string,
    filter: MessageFilter,
    page: ListPage,
  ): Promise<{ messages: StoredMessage[]; next?: string }> {
    const place = { engine: this.#engine, dialect: this.#dialect };
    const list: ListName = ['sends', caller];
    const ask = { limit: page.limit, ...this.#cursors.before(page, list) };
    const { messages, end } = pageOf([await readMessages(place, { caller, filter }, ask)], page.limit);
    return { messages, ...this.#cursors.next(end, list) };
  }

  async recoverOrphans(): Promise<{ unknown: number; lostStreams: number }> {
    const wall = this.#wall();
    const sent = 'the process that was sending it ended before the outcome was known';
    const stream = 'the process that held its bytes ended before any were sent';
    const fence = this.#fence();
    const answers = await this.#engine.write([
      ...fence,
      { statement: this.#sql.markOrphansUnknown, values: { wall, detail: sent } },
      { statement: this.#sql.failOrphanStreams, values: { wall, detail: stream } },
    ]);
    const [unknown = [], lostStreams = []] = answers.slice(fence.length);
    return { unknown: unknown.filter(({ status }) => status === 'unknown').length, lostStreams: lostStreams.length };
  }

  async listQueues(limit: number, after?: OwnedQueue): Promise<OwnedQueue[]> {
    const { listQueues, listQueuesAfter } = this.#sql;
    const step = after
      ? {
          statement: listQueuesAfter,
          values: { limit, caller: after.caller, connection_id: after.connectionId, owner: after.owner },
        }
      : { statement: listQueues, values: { limit } };
    return (await this.#engine.read(step)).map(toOwnedQueue);
  }

  async adoptOrphans(lane: OwnedQueue, limit: number): Promise<number> {
    const fence = this.#fence();
    const values = { ...queueValues(lane), owner: lane.owner, limit };
    const answers = await this.#engine.write([...fence, { statement: this.#sql.adoptOrphans, values }]);
    return answers.at(-1)?.length ?? 0;
  }

  async listOwnQueued(lane: QueueKey, limit: number, except: readonly string[]): Promise<StoredMessage[]> {
    const rows = JSON.stringify(except.map((id) => ({ id })));
    const values = { ...queueValues(lane), limit, rows };
    const own = (await this.#engine.read({ statement: this.#sql.listOwnQueued, values })).map(toMessage);
    return own.filter(({ id }) => !this.#doubt.has(id));
  }

  async countQueued(limit: number, caller?: string): Promise<number> {
    const { countQueued, countQueuedOf } = this.#sql;
    const step =
      caller === undefined
        ? { statement: countQueued, values: { limit } }
        : { statement: countQueuedOf, values: { limit, caller } };
    const [row] = await this.#engine.read(step);
    return row === undefined ? 0 : integer(row, 'n');
  }

  async pin(name: string, value: string): Promise<string> {
    const [row = {}] = await this.#write(this.#sql.pin, { name, value });
    return required(row, 'value');
  }

  async findPin(name: string): Promise<string | undefined> {
    const [row] = await this.#engine.read({ statement: this.#sql.findPin, values: { name } });
    return row && required(row, 'value');
  }

  async replacePin(name: string, value: string): Promise<void> {
    await this.#write(this.#sql.replacePin, { name, value });
  }

  /** Every recovery and adoption waits for the one before, committed or not (Dialect.fence). */
  #fence(): Step[] {
    return this.#sql.fence.map((statement) => ({ statement, values: {} }));
  }

  async purge(limit: number): Promise<number> {
    const { keyRetentionMs, unknownRetentionMs, recordRetentionMs } = this.#options;
    const shorterRetentionMs = Math.min(keyRetentionMs, unknownRetentionMs);
    // A record outlives its key: `expire` only takes those that `free` has freed.
    const purged = await this.#engine.write([
      { statement: this.#sql.releaseKeys, values: { keyRetentionMs, unknownRetentionMs, shorterRetentionMs, limit } },
      ...(this.#engine.hasOlderReplicas() ? [] : [{ statement: this.#sql.forgetFingerprints, values: { limit } }]),
      { statement: this.#sql.deleteExpired, values: { recordRetentionMs, limit } },
      { statement: this.#sql.releaseBroadcastKeys, values: { keyRetentionMs, limit } },
      { statement: this.#sql.deleteExpiredBroadcasts, values: { recordRetentionMs, limit } },
      ...expireTrackingSteps(this.#dialect, this.#options, { limit, wall: this.#wall() }),
    ]);
    this.#engine.checkpoint?.();
    return purged.reduce((sum, rows) => sum + rows.length, 0);
  }

  async counts(): Promise<Record<MessageStatus, number>> {
    const counts = emptyCounts();
    for (const row of await this.#engine.read({ statement: this.#sql.counts, values: {} })) {
      if (isStatus(row.status)) counts[row.status] += integer(row, 'n');
    }
    return counts;
  }

  async check(): Promise<void> {
    await this.#write(this.#sql.check, {});
  }

  async heartbeat(): Promise<void> {
    await this.#engine.heartbeat();
  }

  resolveInDoubt(): Promise<void> {
    return this.#doubt.resolveAll();
  }

  reserveSlot(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }> {
    return this.#engine.reserveSlot(intervalMs);
  }

  holdSlots(ms: number): Promise<void> {
    return this.#engine.holdSlots(ms);
  }

  takePermits(caller: string, ask: PermitAsk): Promise<Permits> {
    return this.#engine.takePermits(caller, ask);
  }

  holdsLease(): boolean {
    return this.#engine.holdsLease();
  }

  epoch(): number {
    return this.#engine.epoch();
  }

  async close(): Promise<void> {
    // Whoever comes next would find such a record and send it. Where the store still fails there is nothing more to be done.
    await this.resolveInDoubt().catch(() => undefined);
    await this.#engine.close();
  }

  async #write(statement: Statement, values: Record<string, Value>): Promise<Row[]> {
    const [rows = []] = await this.#engine.write([{ statement, values }]);
    return rows;
  }

  async #change(statement: Statement, values: Record<string, Value>): Promise<boolean> {
    return (await this.#write(statement, values)).length > 0;
  }

  async #changeAll(
    statement: Statement,
    rows: readonly Readonly<Record<string, Value>>[],
    isAsAsked: (asked: Readonly<Record<string, Value>>, status: unknown) => boolean = () => true,
  ): Promise<ReadonlySet<string>> {
    if (rows.length === 0) return new Set();
    const changed = await this.#write(statement, { rows: JSON.stringify(rows), wall: this.#wall() });
    const statuses = new Map(changed.map((row) => [required(row, 'id'), row.status]));
    const asAsked = rows.filter(
      (asked) => statuses.has(String(asked.id)) && isAsAsked(asked, statuses.get(String(asked.id))),
    );
    return new Set(asAsked.map(({ id }) => String(id)));
  }

  async #one(statement: Statement, values: Record<string, Value>): Promise<StoredMessage | undefined> {
    const [row] = await this.#engine.read({ statement, values });
    return row === undefined ? undefined : toShownMessage(row);
  }
}

/** Most calls carry one send: the statement for one needs no JSON. */
const setOf = (id: string, changed: boolean): ReadonlySet<string> => new Set(changed ? [id] : []);

function raise(error: unknown): never {
  throw error;
}
