import type { CallerTokenStore, ReservationStore } from '../coordination-store.ts';
import { StoreError } from '../errors.ts';
import type { AttemptRef, Completion, Json, MessageStore, NewMessage, StoredMessage } from '../message-store.ts';
import type { StoreOptions } from '../options.ts';
import { QuotaExceededError, type QuotaLimits } from '../quota-store.ts';
import { ContentMacs } from './content-mac.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Dialect, Engine, Row, Statement, Value } from './engine.ts';
import { InDoubtInserts } from './in-doubt.ts';
import { createMaintenance } from './maintenance.ts';
import { createMarks, type Marks, type Values } from './marks.ts';
import { createMessageReads } from './message-reads.ts';
import { type MessageStatements, messageStatements } from './message-statements.ts';
import { createPinStore } from './pins.ts';
import { createQueueStore } from './queues.ts';
import { chargeSteps, createQuotaStore, refundDeletedStep } from './quotas.ts';
import { completionValues, insertValues, isoTime, toSqlJson, toSqlText } from './row-mapping.ts';

/** Implements MessageStore in SQL that both databases understand. What they do not share is in their Dialect. */
export function createMessageStore(
  engine: Engine,
  dialect: Dialect,
  options: StoreOptions,
): MessageStore & ReservationStore & CallerTokenStore {
  const now = options.wallClock ?? (() => Date.now());
  const macs = new ContentMacs(engine);
  const messages = new MessageLifecycle(engine, messageStatements(dialect), { macs, now });
  return Object.assign(
    messages,
    createMessageReads(engine, dialect, macs),
    createQueueStore(engine, dialect, { inDoubt: messages.inDoubt, now }),
    createPinStore(engine),
    createMaintenance(engine, dialect, options),
  );
}

type LifecycleOperation =
  | 'insert'
  | 'claim'
  | 'requeue'
  | 'complete'
  | 'claimAll'
  | 'requeueAll'
  | 'completeAll'
  | 'markReconciled'
  | 'deleteUnsent'
  | 'find'
  | 'findByKey'
  | 'resolveInDoubt'
  | 'close';

type Inserted = Extract<Awaited<ReturnType<MessageStore['insert']>>, { inserted: StoredMessage }>;

class MessageLifecycle implements Pick<MessageStore, LifecycleOperation> {
  readonly inDoubt: InDoubtInserts;
  readonly #engine: Engine;
  readonly #sql: MessageStatements;
  readonly #marks: Marks;
  readonly #macs: ContentMacs;
  readonly #now: () => number;

  constructor(engine: Engine, sql: MessageStatements, { macs, now }: { macs: ContentMacs; now: () => number }) {
    this.#engine = engine;
    this.#sql = sql;
    this.#marks = createMarks(engine, sql, now);
    this.#macs = macs;
    this.#now = now;
    this.inDoubt = new InDoubtInserts((ids) => this.#replaceByTombstones(ids));
  }

  async insert(message: NewMessage): Promise<Inserted | { existing: StoredMessage }> {
    if (message.broadcastId !== undefined) {
      throw new TypeError('recipients of a broadcast are recorded by addRecipients');
    }
    // The conflicting row may be purged before it can be read, so try again.
    for (let tries = 0; tries < 3; tries++) {
      const inserted = await this.#insert(message);
      if (inserted !== undefined) return inserted;
      const existing = await this.#findConflict(message);
      if (existing !== undefined) return { existing };
      if (message.quota) await this.#assertQuotaLeft(message.caller, message.quota);
      await this.#deleteDiscarded(message);
    }
    throw new StoreError(`the id ${message.id} was used before`, { notCommitted: true });
  }

  async #deleteDiscarded({ caller, resendOf }: NewMessage): Promise<void> {
    if (resendOf === undefined) return;
    const rows = JSON.stringify([{ resend_of: resendOf }]);
    await this.#engine.write([{ statement: this.#sql.deleteDiscarded, values: { caller, rows } }]);
  }

  async #assertQuotaLeft(caller: string, limits: QuotaLimits): Promise<void> {
    const state = await createQuotaStore(this.#engine, this.#now).quotaLeft(caller, limits);
    if (state.left === 0) throw new QuotaExceededError(1, state);
  }

  /**
   * Inserts, unless it conflicts. A failed insert may be committed, and no recovery may then send it: it is resolved here, or by
   * `resolveInDoubt`. If another process has adopted it, it counts as inserted. If this fails too, the original error is thrown.
   */
  async #insert(message: NewMessage): Promise<Inserted | undefined> {
    const { quota, channelNamed, fingerprint, ...rest } = message;
    const recorded = { ...rest, ...this.#macs.kept(fingerprint) };
    const { id, caller } = message;
    const wall = this.#now();
    try {
      const values = insertValues({ ...recorded, ...(channelNamed && { channelNamed }) }, wall);
      const charge = quota && chargeSteps({ caller, n: 1, limits: quota, chargedBy: id }, wall);
      const row = await (charge ? this.#marks.insertCharged(values, charge) : this.#marks.insert(values));
      if (row === undefined) return undefined;
      const at = isoTime(wall);
      const inserted = { ...recorded, status: 'queued' as const, attempts: 0, createdAt: at, updatedAt: at };
      return row.status === 'scheduled' ? { inserted, isScheduled: true } : { inserted };
    } catch (error) {
      if (error instanceof StoreError && error.notCommitted) throw error;
      const adopted = await this.inDoubt
        .resolve(id)
        .then(() => this.find(caller, id))
        .catch(() => Promise.reject(error));
      if (adopted !== undefined) return { inserted: adopted };
      throw new StoreError('the record was taken out again', { cause: error, notCommitted: true });
    }
  }

  async #replaceByTombstones(ids: readonly string[]): Promise<void> {
    const rows = JSON.stringify(ids.map((id) => ({ id })));
    await this.#engine.write([
      { statement: this.#sql.insertTombstones, values: { rows, wall: this.#now() } },
      ...ids.map(refundDeletedStep),
      { statement: this.#sql.deleteInDoubt, values: { rows } },
    ]);
  }

  async #findConflict({ caller, idempotency, resendOf }: NewMessage): Promise<StoredMessage | undefined> {
    if (idempotency !== undefined) {
      const existing = await this.findByKey(caller, idempotency.route, idempotency.key);
      if (existing !== undefined) return existing;
    }
    return resendOf === undefined ? undefined : this.#findOne(this.#sql.findResend, { caller, resendOf });
  }

  claim(id: string, attempt: number): Promise<boolean> {
    return this.#marks.claim({ id, attempt, wall: this.#now() }).then(isChanged);
  }

  async requeue(id: string, attempt: number): Promise<boolean> {
    const [row] = await this.#write(this.#sql.requeue, { id, attempt, wall: this.#now() });
    return row !== undefined && row.status !== 'accepted';
  }

  complete(id: string, completion: Completion): Promise<boolean> {
    return this.#complete({ ...completion, id });
  }

  #complete(completion: Completion & { id: string }): Promise<boolean> {
    return this.#marks.complete(this.#completionValues(completion)).then((row) => row?.status === completion.status);
  }

  async claimAll(attempts: readonly AttemptRef[]): Promise<ReadonlySet<string>> {
    const [only] = attempts;
    if (only !== undefined && attempts.length === 1) return setOf(only.id, await this.claim(only.id, only.attempt));
    // A message whose claim failed is queued still, and is claimed again later. The others need not wait for it.
    return this.#marks.changeAll(this.#sql.claimAll, attempts.map(attemptValues), { skipFailed: true });
  }

  async requeueAll(attempts: readonly AttemptRef[]): Promise<ReadonlySet<string>> {
    const [only] = attempts;
    if (only !== undefined && attempts.length === 1) return setOf(only.id, await this.requeue(only.id, only.attempt));
    return this.#marks.changeAll(this.#sql.requeueAll, attempts.map(attemptValues), {
      fits: (_, status) => status !== 'accepted',
    });
  }

  async completeAll(completions: readonly (Completion & { id: string })[]): Promise<ReadonlySet<string>> {
    const [only] = completions;
    if (only !== undefined && completions.length === 1) return setOf(only.id, await this.#complete(only));
    return this.#marks.changeAll(
      this.#sql.completeAll,
      completions.map((completion) => this.#completionValues(completion)),
      { fits: (asked, status) => status === asked.status },
    );
  }

  #completionValues(completion: Completion & { id: string }): ReturnType<typeof completionValues> {
    return completionValues(completion, this.#macs.kept(completion.fingerprint), this.#now());
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
      wall: this.#now(),
    });
  }

  async deleteUnsent(id: string): Promise<boolean> {
    const steps = [refundDeletedStep(id), { statement: this.#sql.deleteUnsent, values: { id } }];
    const [, deleted = []] = await this.#engine.write(steps);
    return deleted.length > 0;
  }

  find(caller: string, id: string): Promise<StoredMessage | undefined> {
    return this.#findOne(this.#sql.find, { caller, id });
  }

  findByKey(caller: string, route: string, key: string): Promise<StoredMessage | undefined> {
    return this.#findOne(this.#sql.findByKey, { caller, route, key });
  }

  resolveInDoubt(): Promise<void> {
    return this.inDoubt.resolveAll();
  }

  async close(): Promise<void> {
    // The next process would find such a row and send it. If the store still fails, nothing more can be done.
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

  async #findOne(statement: Statement, values: Record<string, Value>): Promise<StoredMessage | undefined> {
    const [row] = await this.#engine.read({ statement, values });
    return row === undefined ? undefined : toShownMessage(row);
  }
}

const isChanged = (row: Row | undefined): boolean => row !== undefined;

const attemptValues = ({ id, attempt }: AttemptRef): Values => ({ id, attempt });

/** For calls with a single message, the most frequent ones, which use the statement without JSON. */
const setOf = (id: string, changed: boolean): ReadonlySet<string> => new Set(changed ? [id] : []);
