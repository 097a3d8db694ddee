import type { QuotasLeft } from '../caller-count-store.ts';
import { QuotaExceededError, type QuotaLeft, type QuotaLimits, type QuotaStore } from '../quota-store.ts';
import type { Engine, Row, Step } from './engine.ts';
import { statement } from './engine.ts';
import { TOMBSTONE } from './message-columns.ts';
import { integer } from './row-mapping.ts';

/** One row per caller for the current hour and day. Never purged; locked while it is charged. */
export const quotaTable = `
CREATE TABLE caller_quotas (
  caller TEXT PRIMARY KEY,
  hour BIGINT NOT NULL,
  in_hour BIGINT NOT NULL,
  day BIGINT NOT NULL,
  in_day BIGINT NOT NULL,
  charged_by TEXT
)`;

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
const unlimited = Number.MAX_SAFE_INTEGER;

/** The clocks of replicas differ a little, so a replica that is behind continues with the later window. */
const window = (name: 'hour' | 'day') =>
  `CASE WHEN quota.${name} = excluded.${name} + 1 THEN quota.${name} ELSE excluded.${name} END`;
const counted = (name: 'hour' | 'day') =>
  `CASE WHEN quota.${name} BETWEEN excluded.${name} AND excluded.${name} + 1 THEN quota.in_${name} ELSE 0 END`;

export const quotaStatements = {
  // The condition is checked on the locked row, so that two processes cannot spend the same message.
  charge: statement(`
    INSERT INTO caller_quotas AS quota (caller, hour, in_hour, day, in_day, charged_by)
    SELECT CAST(:caller AS TEXT), CAST(:hour AS BIGINT), CAST(:n AS BIGINT), CAST(:day AS BIGINT), CAST(:n AS BIGINT),
      CAST(:chargedBy AS TEXT)
    WHERE CAST(:n AS BIGINT) <= CAST(:perHour AS BIGINT) AND CAST(:n AS BIGINT) <= CAST(:perDay AS BIGINT)
    ON CONFLICT (caller) DO UPDATE SET hour = ${window('hour')}, in_hour = ${counted('hour')} + excluded.in_hour,
      day = ${window('day')}, in_day = ${counted('day')} + excluded.in_day, charged_by = excluded.charged_by
    WHERE ${counted('hour')} + excluded.in_hour <= CAST(:perHour AS BIGINT)
      AND ${counted('day')} + excluded.in_day <= CAST(:perDay AS BIGINT)
    RETURNING in_hour`),
  // Undoes a charge without a record: the key was used, a tombstone has the id, or the broadcast is not recording any more.
  refundSend: statement(`
    UPDATE caller_quotas SET in_hour = in_hour - :n, in_day = in_day - :n, charged_by = NULL
    WHERE caller = :caller AND charged_by = :chargedBy
      AND NOT EXISTS (SELECT 1 FROM sends WHERE id = :chargedBy AND status <> '${TOMBSTONE}')`),
  refundBroadcast: statement(`
    UPDATE caller_quotas SET in_hour = in_hour - :n, in_day = in_day - :n, charged_by = NULL
    WHERE caller = :caller AND charged_by = :chargedBy
      AND NOT EXISTS (SELECT 1 FROM broadcasts WHERE id = :chargedBy AND status IN ('running', 'scheduled'))`),
  // The record of an invalid stream is usually deleted in the hour in which it was inserted.
  refundForgotten: statement(`
    UPDATE caller_quotas SET in_hour = in_hour - 1, in_day = in_day - 1
    WHERE in_hour > 0 AND EXISTS (SELECT 1 FROM sends
      WHERE sends.id = :id AND sends.caller = caller_quotas.caller AND sends.owner = :me
        AND sends.status IN ('queued', 'scheduled', 'sending') AND sends.broadcast_id IS NULL AND sends.proof_json IS NULL
        AND sends.created_at / ${HOUR_MS} = caller_quotas.hour)`),
  spent: statement('SELECT hour, in_hour, day, in_day FROM caller_quotas WHERE caller = :caller'),
};

/** Condition for recording only what was charged in the same transaction. */
export const wasCharged = (caller: string): string =>
  `EXISTS (SELECT 1 FROM caller_quotas WHERE caller_quotas.caller = ${caller} AND charged_by = :id)`;

export interface Charge {
  readonly caller: string;
  readonly n: number;
  readonly limits: QuotaLimits;
  readonly chargedBy: string;
}

export const chargeStep = ({ caller, n, limits, chargedBy }: Charge, wall: number): Step => ({
  statement: quotaStatements.charge,
  values: {
    caller,
    n,
    chargedBy,
    hour: Math.floor(wall / HOUR_MS),
    day: Math.floor(wall / DAY_MS),
    perHour: limits.perHour ?? unlimited,
    perDay: limits.perDay ?? unlimited,
  },
});

export const refundStep = (of: 'send' | 'broadcast', { caller, n, chargedBy }: Charge): Step => ({
  statement: of === 'send' ? quotaStatements.refundSend : quotaStatements.refundBroadcast,
  values: { caller, n, chargedBy },
});

/** Statements before and after the insert of a message, in the same transaction. */
export interface ChargeSteps {
  readonly caller: string;
  readonly charge: Step;
  readonly refund: Step;
}

export const chargeSteps = (charge: Charge, wall: number): ChargeSteps => ({
  caller: charge.caller,
  charge: chargeStep(charge, wall),
  refund: refundStep('send', charge),
});

export const refundDeletedStep = (id: string): Step => ({ statement: quotaStatements.refundForgotten, values: { id } });

export function createQuotaStore(engine: Engine, now: () => number = () => Date.now()): QuotaStore {
  const quotaLeft = async (caller: string, limits: QuotaLimits): Promise<QuotaLeft> => {
    const [row] = await engine.read({ statement: quotaStatements.spent, values: { caller } });
    return leftOf(row, limits, now());
  };
  return {
    quotaLeft,
    spendQuota: async (caller, n, limits) => {
      const step = chargeStep({ caller, n, limits, chargedBy: '' }, now());
      const [charged = []] = await engine.write([step]);
      if (charged.length === 0) throw new QuotaExceededError(n, await quotaLeft(caller, limits));
    },
  };
}

function leftOf(row: Row | undefined, { perHour, perDay }: QuotaLimits, wall: number): QuotaLeft {
  const hour = leftIn(row, 'hour', { limit: perHour ?? unlimited, lengthMs: HOUR_MS, wall });
  const day = leftIn(row, 'day', { limit: perDay ?? unlimited, lengthMs: DAY_MS, wall });
  // If the day has no more messages left than the hour, the next hour does not help.
  return day.left <= hour.left ? day : hour;
}

/** Returns the remaining messages of each window that has a limit. */
export const leftInEach = (row: Row | undefined, { perHour, perDay }: QuotaLimits, wall: number): QuotasLeft => ({
  ...(perHour !== undefined && { hour: leftIn(row, 'hour', { limit: perHour, lengthMs: HOUR_MS, wall }).left }),
  ...(perDay !== undefined && { day: leftIn(row, 'day', { limit: perDay, lengthMs: DAY_MS, wall }).left }),
});

function leftIn(
  row: Row | undefined,
  window: 'hour' | 'day',
  { limit, lengthMs, wall }: { limit: number; lengthMs: number; wall: number },
): QuotaLeft {
  const current = Math.floor(wall / lengthMs);
  const counts = row !== undefined && [current, current + 1].includes(integer(row, window));
  const spent = counts ? integer(row, `in_${window}`) : 0;
  return { left: Math.max(0, limit - spent), window, limit, endsInMs: (current + 1) * lengthMs - wall };
}
