import type { CallerTokenStore, ReservationStore } from '../coordination-store.ts';
import type { MessageStore } from '../message-store.ts';
import type { StoreOptions } from '../options.ts';
import { type Dialect, type Engine, statement } from './engine.ts';
import { expireEventSteps } from './event-retention.ts';
import { retentionStatements } from './retention-statements.ts';
import { expireTrackingSteps } from './tracking-retention.ts';

type Maintenance = Pick<MessageStore, 'purge' | 'check' | 'heartbeat' | 'holdsLease' | 'epoch'> &
  ReservationStore &
  CallerTokenStore;

export function createMaintenance(engine: Engine, dialect: Dialect, options: StoreOptions): Maintenance {
  const sql = { ...retentionStatements(dialect), check: statement(dialect.check) };
  const now = options.wallClock ?? (() => Date.now());
  return {
    async purge(limit) {
      const { keyRetentionMs, unknownRetentionMs, recordRetentionMs } = options;
      const shorterRetentionMs = Math.min(keyRetentionMs, unknownRetentionMs);
      // Separate transactions, so that sends are recorded in between. A record outlives its key: `deleteExpired` takes only rows
      // whose key was released.
      const transactions = [
        [{ statement: sql.releaseKeys, values: { keyRetentionMs, unknownRetentionMs, shorterRetentionMs, limit } }],
        engine.hasOlderReplicas() ? [] : [{ statement: sql.forgetFingerprints, values: { limit } }],
        [{ statement: sql.deleteExpired, values: { recordRetentionMs, limit } }],
        [{ statement: sql.releaseBroadcastKeys, values: { keyRetentionMs, limit } }],
        [{ statement: sql.deleteExpiredBroadcasts, values: { recordRetentionMs, limit } }],
        expireTrackingSteps(dialect, options, { limit, wall: now() }),
        expireEventSteps(dialect, options, limit),
        dialect.mergeTallies ? [{ statement: dialect.mergeTallies, values: {} }] : [],
      ];
      let touched = 0;
      for (const steps of transactions) {
        if (steps.length === 0) continue;
        for (const rows of await engine.write(steps)) touched += rows.length;
      }
      await engine.checkpoint?.();
      return touched;
    },
    async check() {
      await engine.write([{ statement: sql.check, values: {} }]);
    },
    heartbeat: () => engine.heartbeat(),
    holdsLease: () => engine.holdsLease(),
    epoch: () => engine.epoch(),
    reservePermit: (intervalMs) => engine.reservePermit(intervalMs),
    blockReservations: (ms) => engine.blockReservations(ms),
    takeTokens: (caller, ask) => engine.takeTokens(caller, ask),
  };
}
