import type pg from 'pg';
import type { TokenGrant, TokenRequest } from '../coordination-store.ts';
import type { StoreOptions } from '../options.ts';
import { type Dialect, type Engine, type Lane, OWNED, type Row, SEQ_OF, type Step, statement } from '../sql/engine.ts';
import { keepSecret, newSecret, toSecret } from '../sql/secret.ts';
import { takeTokens } from './caller-tokens.ts';
import { announceEvents, ForeignEvents } from './foreign-events.ts';
import { Lease } from './lease.ts';
import { ADVISORY_LOCK, migrate } from './migrate.ts';
import { failed, PooledLane } from './pooled-lane.ts';
import { endAll, type Pools, poolsOf, type Server } from './pools.ts';
import { blockReservations, reservePermit } from './reservations.ts';
import { countByTallies, mergeTallies } from './tallies.ts';
import { vacuum } from './vacuum.ts';

const WALL_NOW = '(extract(epoch FROM now()) * 1000)::bigint';

export const postgresDialect: Dialect = {
  now: WALL_NOW,
  wallNow: WALL_NOW,
  ownerIsDead: 'NOT EXISTS (SELECT 1 FROM send_owners WHERE send_owners.id = sends.owner)',
  deadOwners: (of) => {
    const { table, which } = OWNED[of];
    return `
    WITH RECURSIVE owners (owner) AS (
      SELECT min(owner) FROM ${table} WHERE ${which}
      UNION ALL
      SELECT (SELECT min(later.owner) FROM ${table} AS later WHERE ${which} AND later.owner > owners.owner)
      FROM owners WHERE owners.owner IS NOT NULL
    )
    SELECT owner FROM owners WHERE owner IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM send_owners WHERE send_owners.id = owners.owner)`;
  },
  leaseIsValid: 'EXISTS (SELECT 1 FROM send_owners WHERE send_owners.id = :me AND lease_until > now())',
  skipLocked: 'FOR UPDATE OF sends SKIP LOCKED',
  skipLockedAny: 'FOR UPDATE SKIP LOCKED',
  lockMessages: 'FOR NO KEY UPDATE OF sends',
  bytewise: 'COLLATE "C"',
  skipLockedBroadcasts: 'FOR UPDATE OF broadcasts SKIP LOCKED',
  recorderIsGone:
    'NOT EXISTS (SELECT 1 FROM send_owners WHERE send_owners.id = broadcasts.owner AND send_owners.lease_until > now())',
  shareLock: 'FOR SHARE',
  // PostgreSQL has no index hints. A range and an order on the last column fit only one index, which a planner without
  // statistics then chooses as well. `:from` is no bound of it: a scan that meets only older rows would not stop there, but read on
  // to the caller's first (PostgreSQL ends a scan by the first column of a row comparison alone).
  scan: (_index, equal, of = 'sends') => {
    const same = Object.entries(equal).map(([column, value]) => `${of}.${column} = ${value}`);
    const [column = '', value] = Object.entries(equal).at(-1) ?? [];
    const ends = `(${of}.${column}, ${of}.${SEQ_OF[of]}) < (${value}, :before)
      AND (${of}.${column}, ${of}.${SEQ_OF[of]}) >= (${value}, 0)`;
    const where = [...same.slice(0, -1), ends].join(' AND ');
    return { of, table: of, where, order: `${of}.${column} DESC, ${of}.${SEQ_OF[of]} DESC` };
  },
  hinted: (table) => table,
  visits: { least: 1_000, first: 1_000, most: 1_000 },
  // An array, because the planner expects it to be short and looks its rows up; for a join it may read the whole table.
  newest: ({ of, where, order }, also) =>
    also === 'TRUE' && of === 'sends'
      ? `(SELECT seq FROM sends WHERE ${where} ORDER BY ${order} LIMIT :limit) AS sends WHERE sends.seq >= :from`
      : `sends WHERE sends.seq = ANY (ARRAY(SELECT walked.seq FROM (SELECT ${SEQ_OF[of]} AS seq FROM ${of} WHERE ${where}
            ORDER BY ${order} LIMIT ${also === 'TRUE' ? ':limit' : ':most'}) AS walked WHERE walked.seq >= :from))
          AND ${also} ORDER BY sends.seq DESC LIMIT :limit`,
  lateralJoin: (condition) => `CROSS JOIN LATERAL (SELECT * FROM sends WHERE ${condition}) AS sends`,
  // An array, because the planner looks its values up by index; it might join a subquery with a scan of the table.
  among: (keys) => `= ANY (ARRAY(${keys}))`,
  // A row comparison, as in `scan`: no other index has this order.
  newestOfEach: (callers) => `${callers} CROSS JOIN LATERAL
    (SELECT events.seq FROM events WHERE (events.caller, events.seq) > (given.caller, :after)
       AND (events.caller, events.seq) <= (given.caller, ${Number.MAX_SAFE_INTEGER})
     ORDER BY events.caller, events.seq LIMIT :limit) AS theirs`,
  announceEvents: statement(announceEvents),
  inputRows: (columns) => {
    const typed = Object.entries(columns).map(([name, type]) => `${name} ${type}`);
    return `json_to_recordset(CAST(:rows AS json)) AS given(${typed.join(', ')})`;
  },
  // One recovery at a time: otherwise a row that another process adopts meanwhile would be judged by an older list of live
  // owners. The DELETE waits for a heartbeat in progress and then checks again.
  fence: [`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK + 1})`, 'DELETE FROM send_owners WHERE lease_until <= now()'],
  counts: countByTallies,
  mergeTallies,
  check: 'UPDATE send_store SET checks = checks + 1',
};

export async function openPostgres(url: string, options: StoreOptions): Promise<Engine> {
  const server: Server = { url, tls: options.tls ?? 'off' };
  const pools = poolsOf(server);
  const lease = new Lease(pools.shared, options.leaseMs, options.monotonicClock ?? (() => performance.now()));
  try {
    await migrate(server);
    const { rows } = await pools.pool.query<{ secret: string }>(keepSecret.numbered, [newSecret()]);
    await lease.renew();
    return new PostgresEngine({ server, ...pools }, lease, toSecret(rows[0]?.secret));
  } catch (cause) {
    await endAll(pools);
    throw failed('open', cause);
  }
}

class PostgresEngine implements Engine {
  readonly #server: Server;
  readonly #pools: Pools;
  readonly #shared: pg.Pool;
  readonly #main: Lane;
  readonly #lists: Lane;
  readonly #lease: Lease;
  readonly #foreignEvents: ForeignEvents;
  readonly secret: Buffer;
  readonly webhooks: Lane;
  readonly marks: Lane;

  constructor({ server, ...pools }: Pools & { server: Server }, lease: Lease, secret: Buffer) {
    const owner = () => lease.owner;
    this.#server = server;
    this.#pools = pools;
    this.#shared = pools.shared;
    this.#main = new PooledLane(pools.pool, owner);
    this.#lists = new PooledLane(pools.lists, owner);
    this.webhooks = new PooledLane(pools.webhooks, owner, { isPrepared: true });
    this.marks = new PooledLane(pools.marks, owner, { isPrepared: true });
    this.#lease = lease;
    this.#foreignEvents = new ForeignEvents(server, () => lease.owner);
    this.secret = secret;
  }

  write(steps: readonly Step[]): Promise<Row[][]> {
    return this.#main.write(steps);
  }

  read(step: Step): Promise<Row[]> {
    return this.#main.read(step);
  }

  list(step: Step): Promise<Row[]> {
    return this.#lists.read(step);
  }

  async heartbeat(): Promise<void> {
    try {
      await this.#lease.renew();
    } catch (cause) {
      throw failed('renew the lease', cause);
    }
  }

  async scrub(): Promise<void> {
    await vacuum(this.#server).catch((cause: unknown) => {
      throw failed('vacuum', cause, true);
    });
  }

  reservePermit(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }> {
    return reservePermit(this.#shared, intervalMs).catch((cause: unknown) => {
      throw failed('reserve a slot', cause);
    });
  }

  blockReservations(ms: number): Promise<void> {
    return blockReservations(this.#shared, ms).catch((cause: unknown) => {
      throw failed('hold the slots', cause);
    });
  }

  takeTokens(caller: string, ask: TokenRequest): Promise<TokenGrant> {
    return takeTokens(this.#shared, caller, ask).catch((cause: unknown) => {
      throw failed('take permits', cause);
    });
  }

  hasOlderReplicas(): boolean {
    return this.#lease.hasOlder();
  }

  onForeignEvents(listener: () => void): () => void {
    return this.#foreignEvents.listen(listener);
  }

  holdsLease(): boolean {
    return this.#lease.holds();
  }

  wallNow(): number {
    return this.#lease.wallNow();
  }

  epoch(): number {
    return this.#lease.owner;
  }

  async close(): Promise<void> {
    if (this.#shared.ending) return;
    // Deletes the lease, so that others take over at once. Otherwise they wait for its expiry.
    await this.#lease.leave().catch(() => undefined);
    await Promise.all([this.#foreignEvents.close(), endAll(this.#pools)]);
  }
}
