import { ContentMacs } from './content-mac.ts';
import { Cursors, type ListName } from './cursor.ts';
import { Doubt } from './doubt.ts';
import type { Dialect, Engine, Row, Statement, Step, Value } from './engine.ts';
import { pageOf, readSends } from './list-page.ts';
import {
  type Json,
  type Lane,
  type ListPage,
  type Mark,
  type NewSend,
  type PermitAsk,
  type PermitStore,
  type Permits,
  type QueuedLane,
  type SendFilter,
  type SendStatus,
  type SendStore,
  type Settlement,
  type SlotStore,
  type StoredSend,
  StoreError,
  type StoreOptions,
} from './port.ts';
import { type QuotaLimits, QuotaSpent } from './quota-port.ts';
import { type Charge, chargeStep, quotaVerbs, refundForgottenStep, refundStep } from './quotas.ts';
import {
  emptyCounts,
  insertValues,
  integer,
  isoTime,
  isStatus,
  json,
  laneValues,
  required,
  settleValues,
  text,
  toQueuedLane,
  toSend,
  wallTime,
} from './row.ts';
import { type Statements, statements } from './statements.ts';

/** The verbs of the port, in SQL that both databases speak; what they do not share is in their Dialect. */
export class Sends implements SendStore, SlotStore, PermitStore {
  readonly #engine: Engine;
  readonly #dialect: Dialect;
  readonly #sql: Statements;
  readonly #options: StoreOptions;
  readonly #wall: () => number;
  readonly #doubt: Doubt;
  readonly #macs: ContentMacs;
  readonly #cursors: Cursors;

  constructor(engine: Engine, dialect: Dialect, options: StoreOptions) {
    this.#engine = engine;
    this.#dialect = dialect;
    this.#sql = statements(dialect);
    this.#options = options;
    this.#wall = options.wall ?? (() => Date.now());
    this.#doubt = new Doubt((ids) => this.#withdraw(ids));
    this.#macs = new ContentMacs(engine);
    this.#cursors = new Cursors(engine.secret);
  }

  async record(send: NewSend): Promise<{ recorded: StoredSend } | { known: StoredSend }> {
    if (send.broadcastId !== undefined) throw new TypeError('recipients of a broadcast are recorded by addRecipients');
    // Again, because what stood in the way may have been purged before we could read it.
    for (let tries = 0; tries < 3; tries++) {
      const recorded = await this.#insert(send);
      if (recorded !== undefined) return { recorded };
      const known = await this.#inTheWay(send);
      if (known !== undefined) return { known };
      if (send.quota) await this.#assertLeft(send.caller, send.quota);
    }
    throw new StoreError(`the id ${send.id} was used before`, { nothingWritten: true });
  }

  /** Nothing stands in the way of what was not recorded, unless its quota does. */
  async #assertLeft(caller: string, limits: QuotaLimits): Promise<void> {
    const state = await quotaVerbs(this.#engine, this.#wall).quotaLeft(caller, limits);
    if (state.left === 0) throw new QuotaSpent(1, state);
  }

  /**
   * A record that may stand though it failed must not be found and sent by a later recover: it is taken out again, now
   * or by `withdrawDoubtful`. If another process has taken it up already, it is recorded. Where the store fails again,
   * nobody knows, and the caller hears that.
   */
  async #insert(send: NewSend): Promise<StoredSend | undefined> {
    const { quota, channelNamed, fingerprint, ...rest } = send;
    const recorded = { ...rest, ...this.#macs.known(fingerprint) };
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
      if (error instanceof StoreError && error.nothingWritten) throw error;
      const taken = await this.#doubt
        .end(id)
        .then(() => this.find(caller, id))
        .catch(() => raise(error));
      if (taken !== undefined) return taken;
      throw new StoreError('the record was taken out again', { cause: error, nothingWritten: true });
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
      { statement: this.#sql.useUpId, values: { rows, wall: this.#wall() } },
      { statement: this.#sql.withdraw, values: { rows } },
    ]);
  }

  async #inTheWay(send: NewSend): Promise<StoredSend | undefined> {
    const { caller, idempotency, resendOf } = send;
    if (idempotency !== undefined) {
      const known = await this.findByKey(caller, idempotency.route, idempotency.key);
      if (known !== undefined) return known;
    }
    return resendOf === undefined ? undefined : this.#one(this.#sql.findChild, { caller, resendOf });
  }

  begin(id: string, attempt: number): Promise<boolean> {
    return this.#change(this.#sql.begin, { id, attempt, wall: this.#wall() });
  }

  retreat(id: string, attempt: number): Promise<boolean> {
    return this.#change(this.#sql.retreat, { id, attempt, wall: this.#wall() });
  }

  settle(id: string, settlement: Settlement): Promise<boolean> {
    return this.#change(this.#sql.settle, this.#settleValues({ ...settlement, id }));
  }

  async beginAll(marks: readonly Mark[]): Promise<ReadonlySet<string>> {
    const [only] = marks;
    if (only !== undefined && marks.length === 1) return setOf(only.id, await this.begin(only.id, only.attempt));
    return this.#changeAll(
      this.#sql.beginAll,
      marks.map(({ id, attempt }) => ({ id, attempt })),
    );
  }

  async retreatAll(marks: readonly Mark[]): Promise<ReadonlySet<string>> {
    const [only] = marks;
    if (only !== undefined && marks.length === 1) return setOf(only.id, await this.retreat(only.id, only.attempt));
    return this.#changeAll(
      this.#sql.retreatAll,
      marks.map(({ id, attempt }) => ({ id, attempt })),
    );
  }

  async settleAll(settlements: readonly (Settlement & { id: string })[]): Promise<ReadonlySet<string>> {
    const [only] = settlements;
    if (only !== undefined && settlements.length === 1) return setOf(only.id, await this.settle(only.id, only));
    return this.#changeAll(
      this.#sql.settleAll,
      settlements.map((settlement) => this.#settleValues(settlement)),
    );
  }

  #settleValues(settlement: Settlement & { id: string }): Record<string, Value> {
    return settleValues(settlement, this.#macs.known(settlement.fingerprint), this.#wall());
  }

  resolve(id: string, found: { whatsappMessageId?: string; localMessageId?: string; verdict: Json }): Promise<boolean> {
    return this.#change(this.#sql.resolve, {
      id,
      localMessageId: text(found.localMessageId),
      whatsappMessageId: text(found.whatsappMessageId),
      verdict: json(found.verdict),
      wall: this.#wall(),
    });
  }

  async forget(id: string): Promise<void> {
    await this.#engine.write([refundForgottenStep(id), { statement: this.#sql.forget, values: { id } }]);
  }

  async countLookalikes(
    { id, kind, connectionId, to, template, fingerprint, channel }: Parameters<SendStore['countLookalikes']>[0],
    from: string,
    until: string,
  ): Promise<number> {
    const content = {
      kind,
      recipient: text(to),
      template: text(template),
      fingerprint: text(fingerprint),
      contentMac: fingerprint ? this.#macs.of(fingerprint) : null,
      channel: text(channel),
    };
    const values = { id, ...content, connection: connectionId, since: wallTime(from), until: wallTime(until) };
    const [row] = await this.#engine.read({ statement: this.#sql.lookalikes, values });
    return row === undefined ? 0 : integer(row, 'n');
  }

  sameContent(...asked: Parameters<SendStore['sameContent']>): boolean | undefined {
    return this.#macs.matches(...asked);
  }

  find(caller: string, id: string): Promise<StoredSend | undefined> {
    return this.#one(this.#sql.find, { caller, id });
  }

  findByKey(caller: string, route: string, key: string): Promise<StoredSend | undefined> {
    return this.#one(this.#sql.findByKey, { caller, route, key });
  }

  async list(caller: string, filter: SendFilter, page: ListPage): Promise<{ sends: StoredSend[]; next?: string }> {
    const place = { engine: this.#engine, dialect: this.#dialect };
    const list: ListName = ['sends', caller];
    const ask = { limit: page.limit, ...this.#cursors.before(page, list) };
    const { sends, end } = pageOf([await readSends(place, { caller, filter }, ask)], page.limit);
    return { sends, ...this.#cursors.next(end, list) };
  }

  async recover(): Promise<{ unknown: number; lost: number }> {
    const wall = this.#wall();
    const sent = 'the process that was sending it ended before the outcome was known';
    const stream = 'the process that held its bytes ended before any were sent';
    const fence = this.#fence();
    const answers = await this.#engine.write([
      ...fence,
      { statement: this.#sql.orphanSending, values: { wall, detail: sent } },
      { statement: this.#sql.orphanStreams, values: { wall, detail: stream } },
    ]);
    const [unknown = [], lost = []] = answers.slice(fence.length);
    return { unknown: unknown.length, lost: lost.length };
  }

  async queuedLanes(limit: number, after?: QueuedLane): Promise<QueuedLane[]> {
    const { queuedLanes, queuedLanesAfter } = this.#sql;
    const step = after
      ? {
          statement: queuedLanesAfter,
          values: { limit, caller: after.caller, connection_id: after.connectionId, owner: after.owner },
        }
      : { statement: queuedLanes, values: { limit } };
    return (await this.#engine.read(step)).map(toQueuedLane);
  }

  async adopt(lane: QueuedLane, limit: number): Promise<number> {
    const fence = this.#fence();
    const values = { ...laneValues(lane), owner: lane.owner, limit };
    const answers = await this.#engine.write([...fence, { statement: this.#sql.adopt, values }]);
    return answers.at(-1)?.length ?? 0;
  }

  async ownQueued(lane: Lane, limit: number, except: readonly string[]): Promise<StoredSend[]> {
    const rows = JSON.stringify(except.map((id) => ({ id })));
    const values = { ...laneValues(lane), limit, rows };
    const own = (await this.#engine.read({ statement: this.#sql.ownQueued, values })).map(toSend);
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

  async pinned(name: string): Promise<string | undefined> {
    const [row] = await this.#engine.read({ statement: this.#sql.pinned, values: { name } });
    return row && required(row, 'value');
  }

  async repin(name: string, value: string): Promise<void> {
    await this.#write(this.#sql.repin, { name, value });
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
      { statement: this.#sql.free, values: { keyRetentionMs, unknownRetentionMs, shorterRetentionMs, limit } },
      ...(this.#engine.hasOlderReplicas() ? [] : [{ statement: this.#sql.forgetContents, values: { limit } }]),
      { statement: this.#sql.expire, values: { recordRetentionMs, limit } },
      { statement: this.#sql.freeBroadcasts, values: { keyRetentionMs, limit } },
      { statement: this.#sql.expireBroadcasts, values: { recordRetentionMs, limit } },
    ]);
    this.#engine.tidy?.();
    return purged.reduce((sum, rows) => sum + rows.length, 0);
  }

  async counts(): Promise<Record<SendStatus, number>> {
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

  withdrawDoubtful(): Promise<void> {
    return this.#doubt.endAll();
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
    await this.withdrawDoubtful().catch(() => undefined);
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
  ): Promise<ReadonlySet<string>> {
    if (rows.length === 0) return new Set();
    const changed = await this.#write(statement, { rows: JSON.stringify(rows), wall: this.#wall() });
    return new Set(changed.map((row) => required(row, 'id')));
  }

  async #one(statement: Statement, values: Record<string, Value>): Promise<StoredSend | undefined> {
    const [row] = await this.#engine.read({ statement, values });
    return row === undefined ? undefined : toSend(row);
  }
}

/** Most calls carry one send: the statement for one needs no JSON. */
const setOf = (id: string, changed: boolean): ReadonlySet<string> => new Set(changed ? [id] : []);

function raise(error: unknown): never {
  throw error;
}
