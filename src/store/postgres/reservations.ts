import type pg from 'pg';
import { StoreError } from '../errors.ts';
import { RESERVED_AHEAD_MAX_MS } from '../sql/engine.ts';

// clock_timestamp() instead of now(), because a statement that waited for the lock on the row has to see the time after the
// wait.
const NOW = 'clock_timestamp()';
const ms = (value: string): string => `(${value} * interval '1 millisecond')`;
const inMs = (value: string): string => `(extract(epoch FROM ${value}) * 1000)::float8`;

/** `next_at` is when the slot after this one begins. One row and one statement, so that two processes never get the same slot. */
const RESERVE = `
  INSERT INTO send_slots AS slots (id, next_at) VALUES (1, ${NOW} + ${ms('$1::float8')})
  ON CONFLICT (id) DO UPDATE
    SET next_at = LEAST(GREATEST(slots.next_at, ${NOW}), ${NOW} + ${ms(String(RESERVED_AHEAD_MAX_MS))}) + ${ms('$1::float8')}
  RETURNING ${inMs('next_at')} - $1::float8 AS slot_ms, ${inMs(NOW)} AS now_ms,
    (SELECT count(*)::int FROM send_owners WHERE lease_until > ${NOW}) AS replicas`;

const BLOCK = `
  INSERT INTO send_slots AS slots (id, next_at) VALUES (1, ${NOW} + ${ms('$1::float8')})
  ON CONFLICT (id) DO UPDATE SET next_at = GREATEST(slots.next_at, ${NOW} + ${ms('$1::float8')})`;

export async function reservePermit(
  pool: pg.Pool,
  intervalMs: number,
): Promise<{ waitMs: number; nowMs: number; replicas: number }> {
  // Prepared, because planning it takes longer than running it, and each call waits for it.
  const reserve = { name: 'reserve', text: RESERVE, values: [intervalMs] };
  const { rows } = await pool.query<{ slot_ms: number; now_ms: number; replicas: number }>(reserve);
  const [slot] = rows;
  if (slot === undefined) throw new StoreError('the database gave no slot');
  return { waitMs: Math.max(0, slot.slot_ms - slot.now_ms), nowMs: slot.now_ms, replicas: slot.replicas };
}

export async function blockReservations(pool: pg.Pool, holdMs: number): Promise<void> {
  await pool.query(BLOCK, [Math.min(holdMs, RESERVED_AHEAD_MAX_MS)]);
}
