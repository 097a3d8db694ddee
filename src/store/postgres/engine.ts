import pg from 'pg';
import { toError } from '../../lib/to-error.ts';
import type { TokenGrant, TokenRequest } from '../coordination-store.ts';
import { StoreError } from '../errors.ts';
import type { StoreOptions } from '../options.ts';
import { bindings, type Dialect, type Engine, OWNED, type Row, SEQ_OF, type Step, statement } from '../sql/engine.ts';
import { keepSecret, newSecret, toSecret } from '../sql/secret.ts';
import { takeTokens } from './caller-tokens.ts';
import { announceEvents, ForeignEvents } from './foreign-events.ts';
import { Lease } from './lease.ts';
import { ADVISORY_LOCK, migrate } from './migrate.ts';
import { type Pools, poolsOf, type Server } from './pools.ts';
import { blockReservations, reservePermit } from './reservations.ts';
import { vacuum } from './vacuum.ts';

export const postgresDialect: Dialect = {
  now: '(extract(epoch FROM now()) * 1000)::bigint',
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
  skipLockedBroadcasts: 'FOR UPDATE OF broadcasts SKIP LOCKED',
  recorderIsGone:
    'NOT EXISTS (SELECT 1 FROM send_owners WHERE send_owners.id = broadcasts.owner AND send_owners.lease_until > now())',
  shareLock: 'FOR SHARE',
  // PostgreSQL takes no word for which index. But the last column as a range and in the order is in that order in one alone,
  // also for a planner that has no statistics yet.
  scan: (_index, equal, of = 'sends') => {
    const same = Object.entries(equal).map(([column, value]) => `${of}.${column} = ${value}`);
    const [column = '', value] = Object.entries(equal).at(-1) ?? [];
    const ends = `(${of}.${column}, ${of}.${SEQ_OF[of]}) < (${value}, :before)
      AND (${of}.${column}, ${of}.${SEQ_OF[of]}) >= (${value}, :from)`;
    const where = [...same.slice(0, -1), ends].join(' AND ');
    return { of, table: of, where, order: `${of}.${column} DESC, ${of}.${SEQ_OF[of]} DESC` };
  },
  // An array, because it takes any for short and looks its rows up; a join may read the whole table.
  newest: ({ of, where, order }, also, most) =>
    also === 'TRUE' && of === 'sends'
      ? `sends WHERE ${where} ORDER BY ${order} LIMIT :limit`
      : `sends WHERE sends.seq = ANY (ARRAY(SELECT ${SEQ_OF[of]} FROM ${of} WHERE ${where} ORDER BY ${order}
            LIMIT ${also === 'TRUE' ? ':limit' : most}))
          AND ${also} ORDER BY sends.seq DESC LIMIT :limit`,
  lateralJoin: (condition) => `CROSS JOIN LATERAL (SELECT * FROM sends WHERE ${condition}) AS sends`,
  // An array, as in `newest`.
  among: (keys) => `= ANY (ARRAY(${keys}))`,
  // As `scan`: a walk over the events of all callers is in another order.
  newestOfEach: (callers) => `${callers} CROSS JOIN LATERAL
    (SELECT events.seq FROM events WHERE (events.caller, events.seq) > (given.caller, :after)
       AND (events.caller, events.seq) <= (given.caller, ${Number.MAX_SAFE_INTEGER})
     ORDER BY events.caller, events.seq LIMIT :limit) AS theirs`,
  announceEvents: statement(announceEvents),
  inputRows: (columns) => {
    const typed = Object.entries(columns).map(([name, type]) => `${name} ${type}`);
    return `json_to_recordset(CAST(:rows AS json)) AS given(${typed.join(', ')})`;
  },
  // One recover at a time: a row that another one adopts meanwhile would be judged by an older list of who lives. The
  // DELETE waits for a heartbeat under way and then looks again.
  fence: [`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK + 1})`, 'DELETE FROM send_owners WHERE lease_until <= now()'],
  counts: 'SELECT status, count(*) AS n FROM sends GROUP BY status',
  check: 'UPDATE send_store SET checks = checks + 1',
};

export async function openPostgres(url: string, options: StoreOptions): Promise<Engine> {
  const server: Server = { url, tls: options.tls ?? 'off' };
  const { pool, lists } = poolsOf(server);
  const lease = new Lease(pool, options.leaseMs, options.monotonicClock ?? (() => performance.now()));
  try {
    await migrate(server);
    const { rows } = await pool.query<{ secret: string }>(keepSecret.numbered, [newSecret()]);
    await lease.renew();
    return new PostgresEngine({ server, pool, lists }, lease, toSecret(rows[0]?.secret));
  } catch (cause) {
    await Promise.all([pool.end(), lists.end()]);
    throw failed('open', cause);
  }
}

class PostgresEngine implements Engine {
  readonly #server: Server;
  readonly #pool: pg.Pool;
  readonly #lists: pg.Pool;
  readonly #lease: Lease;
  readonly #foreignEvents: ForeignEvents;
  readonly secret: Buffer;

  constructor({ server, pool, lists }: Pools & { server: Server }, lease: Lease, secret: Buffer) {
    this.#server = server;
    this.#pool = pool;
    this.#lists = lists;
    this.#lease = lease;
    this.#foreignEvents = new ForeignEvents(server, () => lease.owner);
    this.secret = secret;
  }

  async write(steps: readonly Step[]): Promise<Row[][]> {
    const client = await this.#pool.connect().catch((cause: unknown) => {
      throw failed('connect', cause, true);
    });
    try {
      return await this.#transaction(client, steps);
    } catch (cause) {
      throw failed('write', cause, isRefusal(cause));
    }
  }

  read(step: Step): Promise<Row[]> {
    return this.#ask(this.#pool, step);
  }

  list(step: Step): Promise<Row[]> {
    return this.#ask(this.#lists, step);
  }

  async #ask(pool: pg.Pool, step: Step): Promise<Row[]> {
    try {
      return (await pool.query<Row>(this.#query(step))).rows;
    } catch (cause) {
      throw failed('read', cause, true);
    }
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
    return reservePermit(this.#pool, intervalMs).catch((cause: unknown) => {
      throw failed('reserve a slot', cause);
    });
  }

  blockReservations(ms: number): Promise<void> {
    return blockReservations(this.#pool, ms).catch((cause: unknown) => {
      throw failed('hold the slots', cause);
    });
  }

  takeTokens(caller: string, ask: TokenRequest): Promise<TokenGrant> {
    return takeTokens(this.#pool, caller, ask).catch((cause: unknown) => {
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

  epoch(): number {
    return this.#lease.owner;
  }

  async close(): Promise<void> {
    if (this.#pool.ending) return;
    // Leaving lets the others take over at once; without it they wait for the lease to end.
    await this.#lease.leave().catch(() => undefined);
    await Promise.all([this.#foreignEvents.close(), this.#pool.end(), this.#lists.end()]);
  }

  /** A single statement is a transaction by itself, and saves two round trips. */
  async #transaction(client: pg.PoolClient, steps: readonly Step[]): Promise<Row[][]> {
    let lost: Error | undefined;
    const onError = (error: Error): void => {
      lost = error;
    };
    client.on('error', onError); // without a listener, a connection lost between two queries would end the process
    try {
      // Without it the steps behind it would each be committed alone.
      if (steps.length > 1) await client.query('BEGIN');
      return await this.#sendAll(client, steps);
    } catch (error) {
      lost ??= toError(error);
      throw error;
    } finally {
      client.off('error', onError);
      client.release(lost); // with an error the connection is closed, which rolls back
    }
  }

  /** Sent without waiting for answers in between; after one that fails, the server refuses the others and rolls back at the COMMIT. */
  async #sendAll(client: pg.PoolClient, steps: readonly Step[]): Promise<Row[][]> {
    const queries = steps.map((step) => this.#query(step));
    const answers = queries.map(async (query) => (await client.query<Row>(query)).rows);
    const committed = steps.length > 1 ? client.query('COMMIT') : undefined;
    // The first failure tells why.
    const [rows] = await Promise.all([Promise.all(answers), committed]);
    return rows;
  }

  #query(step: Step): { text: string; values: unknown[] } {
    const { numbered, names } = step.statement;
    return { text: numbered, values: bindings(step, names, { me: this.#lease.owner }) };
  }
}

/**
 * Classes of SQLSTATE that end a statement and no connection: faults of data, constraints, the transaction's state,
 * deadlocks, syntax, objects; and 57014, the statement_timeout. Not all that do, but a doubt too many only asks for one
 * look more.
 */
const refusals = /^(?:22|23|25(?!P0[34])|40|42|55|57014)/;

/**
 * The server says that it undid it; FATAL is a connection that it ends, which may have come after the commit. pg gives
 * the severity in the language of the server (`lc_messages`): the code says it in all of them.
 */
function isRefusal(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && (cause.severity === 'ERROR' || refusals.test(cause.code ?? ''));
}

function failed(what: string, cause: unknown, notCommitted = false): StoreError {
  if (cause instanceof StoreError) return cause;
  const why = cause instanceof Error ? cause.message : cause;
  return new StoreError(`the store could not ${what}: ${why}`, { cause, notCommitted });
}
