import type pg from 'pg';
import type { TokenGrant, TokenRequest } from '../coordination-store.ts';
import { StoreError } from '../errors.ts';

// $1 caller, $2 per second, $3 burst, $4 most, $5 owed. now() instead of clock_timestamp(), because both columns must use the
// same moment. A statement that waited for the row sees a time before it, and gets a little less.
/** How many tokens of the full burst are spent. A clock that was set back must not make it more than all. */
const SPENT = `LEAST($3::float8, $5::float8 + GREATEST(0, extract(epoch FROM permits.spent_until - now())::float8 * $2::float8))`;
/** Adds a little, to compensate the rounding to microseconds. */
const granted = (spent: string): string => `LEAST($4::float8, floor($3::float8 - ${spent} + 1e-3))`;
const until = (spent: string): string => `now() + (${spent} + ${granted(spent)}) / $2::float8 * interval '1 second'`;
const RESTED = 'LEAST($3::float8, $5::float8)';

/** One row per caller and one statement, so that two processes never get the same token. */
const TAKE = `
  INSERT INTO caller_permits AS permits (caller, granted, spent_until)
  VALUES ($1, ${granted(RESTED)}, ${until(RESTED)})
  ON CONFLICT (caller) DO UPDATE SET granted = ${granted(SPENT)}, spent_until = ${until(SPENT)}
  RETURNING granted, (extract(epoch FROM spent_until - now()) * 1000)::float8 AS spent_ms,
    (SELECT count(*)::int FROM send_owners WHERE lease_until > now()) AS replicas`;

export async function takeTokens(pool: pg.Pool, caller: string, ask: TokenRequest): Promise<TokenGrant> {
  const { perSecond, burst, maxTokens: most, debt: owed } = ask;
  const take = { name: 'take', text: TAKE, values: [caller, perSecond, burst, most, owed] };
  const { rows } = await pool.query<{ granted: number; spent_ms: number; replicas: number }>(take);
  const [row] = rows;
  if (row === undefined) throw new StoreError('the database answered nothing about permits');
  const waitMs = Math.max(0, row.spent_ms - ((burst - 1) * 1000) / perSecond);
  return { granted: row.granted, waitMs, replicas: row.replicas };
}
