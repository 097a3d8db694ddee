import type { BroadcastRecording } from '../broadcast-store.ts';
import { StoreError } from '../errors.ts';
import { QuotaExceededError } from '../quota-store.ts';
import { openValues, recipientValues, toBroadcasts } from './broadcast-rows.ts';
import { broadcastDiscardStatements, broadcastRecordingStatements } from './broadcast-statements.ts';
import { ContentMacs } from './content-mac.ts';
import type { Dialect, Engine } from './engine.ts';
import { chargeStep, createQuotaStore, refundStep } from './quotas.ts';
import { toSqlText } from './row-mapping.ts';

type Discarding = Pick<BroadcastRecording, 'discardBroadcast' | 'findBroadcastByKey'> & {
  /** Repeats discards that failed. Their rows may exist, or be committed later, and would keep their keys. */
  discardInDoubt(): Promise<void>;
};

export function broadcastRecording(
  engine: Engine,
  dialect: Dialect,
  now: () => number,
): BroadcastRecording & Pick<Discarding, 'discardInDoubt'> {
  const sql = broadcastRecordingStatements(dialect);
  const discarding = broadcastDiscarding(engine, dialect, now);
  return {
    ...discarding,
    publishBroadcast: publishing(engine, dialect, now),

    async openBroadcast(broadcast) {
      const { caller, idempotency } = broadcast;
      // The conflicting row may be deleted before it can be read, so try again.
      for (let tries = 0; tries < 3; tries++) {
        try {
          const [opened = []] = await engine.write([{ statement: sql.open, values: openValues(broadcast, now()) }]);
          if (opened.length > 0) return { opened: true };
        } catch (error) {
          if (!(error instanceof StoreError && error.notCommitted)) {
            await discarding.discardBroadcast(broadcast.id).catch(() => undefined);
          }
          throw error;
        }
        const existing = await discarding.findBroadcastByKey(caller, idempotency.route, idempotency.key);
        if (existing !== undefined) return { existing };
      }
      throw new StoreError(`the id ${broadcast.id} was used before`);
    },

    async addRecipients(id, messages) {
      const [incremented = []] = await engine.write([
        { statement: sql.incrementTotal, values: { id, n: messages.length, wall: now() } },
        { statement: sql.addRecipients, values: { id, ...recipientValues(messages) } },
      ]);
      return incremented.length > 0;
    },

    async addResends(id, messages) {
      const values = { id, ...recipientValues(messages) };
      const [first] = messages;
      if (first === undefined) return 0;
      const [locked = [], , added = []] = await engine.write([
        { statement: sql.incrementTotal, values: { id, n: 0, wall: now() } },
        { statement: sql.deleteDiscarded, values: { ...values, caller: first.caller } },
        { statement: sql.addResends, values },
        { statement: sql.countAdded, values },
      ]);
      return locked.length > 0 ? added.length : undefined;
    },
  };
}

function broadcastDiscarding(engine: Engine, dialect: Dialect, now: () => number): Discarding {
  const sql = broadcastDiscardStatements(dialect);
  const inDoubt = new Set<string>();

  async function discardBroadcast(id: string): Promise<void> {
    inDoubt.add(id);
    // The insert may still be in progress on a lost connection.
    await engine.write([
      { statement: sql.insertTombstone, values: { id, wall: now() } },
      { statement: sql.discard, values: { id } },
    ]);
    inDoubt.delete(id);
  }

  return {
    discardBroadcast,
    async discardInDoubt() {
      for (const id of [...inDoubt]) await discardBroadcast(id);
    },
    findBroadcastByKey: async (caller, route, key) =>
      toBroadcasts(await engine.read({ statement: sql.findByKey, values: { caller, route, key } }))[0],
  };
}

function publishing(engine: Engine, dialect: Dialect, now: () => number): BroadcastRecording['publishBroadcast'] {
  const sql = broadcastRecordingStatements(dialect);
  const macs = new ContentMacs(engine);
  return async (id, fingerprint, { quota, leftOut } = {}) => {
    const wall = now();
    const charge = quota && { ...quota, chargedBy: id };
    const kept = macs.kept(fingerprint);
    const content = { contentMac: toSqlText(kept.contentMac), fingerprint: toSqlText(kept.fingerprint) };
    const [published = [], , found = [], charged = []] = await engine
      .write([
        ...(charge ? [chargeStep(charge, wall)] : []),
        {
          statement: charge ? sql.publishCharged : sql.publish,
          values: { id, ...content, wall, leftOut: leftOut ?? null },
        },
        { statement: sql.insertCounter, values: { id } },
        { statement: sql.findPublished, values: { id } },
        ...(charge ? [refundStep('broadcast', charge)] : []),
      ])
      .then((answers) => (charge ? [...answers.slice(1, 4), answers[0]] : answers));
    if (quota && charged.length === 0) {
      throw new QuotaExceededError(quota.n, await createQuotaStore(engine, now).quotaLeft(quota.caller, quota.limits));
    }
    return published.length === 0 ? undefined : toBroadcasts(found)[0];
  };
}
