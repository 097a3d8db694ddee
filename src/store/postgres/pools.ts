import pg from 'pg';

/** Connections for reads, and for writes that have no others. */
const CONNECTIONS_MAX = 6;
/** Connections for inserts, claims and completions of sends: one for each kind, and one for batches. */
const MARKS_MAX = 4;
/** Connections for slots, permits and leases, which all replicas share, so that they never wait for records. */
const SHARED_MAX = 2;
/** Lists have connections of their own and a short time-out, so that no claim waits for a list. */
const LISTS_MAX = 2;
/** Connections for webhooks: one to record them, one to apply them. */
const WEBHOOKS_MAX = 2;

export interface Pools {
  pool: pg.Pool;
  marks: pg.Pool;
  shared: pg.Pool;
  lists: pg.Pool;
  webhooks: pg.Pool;
}

/** How the database is reached. */
export interface Server {
  url: string;
  tls: 'require' | 'off';
}

/** The TLS options of `pg`. Options in the address, such as the trusted certificates, take precedence over `ssl`. */
export const reached = ({ url, tls }: Server) => ({
  connectionString: url,
  ssl: tls === 'require',
  application_name: 'wati-bff',
  connectionTimeoutMillis: 2_000,
});

export function poolsOf(server: Server): Pools {
  return {
    pool: poolOf(server, { max: CONNECTIONS_MAX, statementMs: 5_000, options: indexSettings }),
    marks: poolOf(server, { max: MARKS_MAX, statementMs: 5_000, options: markSettings, ...kept }),
    shared: poolOf(server, { max: SHARED_MAX, statementMs: 5_000, ...kept }),
    lists: poolOf(server, { max: LISTS_MAX, statementMs: 1_000, options: listSettings }),
    webhooks: poolOf(server, { max: WEBHOOKS_MAX, statementMs: 5_000, options: rowSettings }),
  };
}

export const endAll = (pools: Pools) =>
  Promise.all([pools.pool, pools.marks, pools.shared, pools.lists, pools.webhooks].map((each) => each.end()));

/**
 * Planner settings for lists, independent of statistics: use the index that has the wanted order and the fewest rows to visit.
 * Otherwise PostgreSQL may scan the newest rows of all callers for the few of one, or sort all rows of one.
 */
export const listSettings = [
  ...['seqscan', 'bitmapscan', 'sort', 'hashjoin', 'mergejoin'].map((way) => `enable_${way}=off`),
  ...['random_page_cost=0', 'seq_page_cost=0', 'cpu_index_tuple_cost=0.0001'],
  ...['jit=off', 'max_parallel_workers_per_gather=0'],
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/**
 * Planner settings for all other statements, independent of statistics: find each row by the index that leads to the fewest. Otherwise
 * PostgreSQL reads the whole table while it is small or was when it was last analyzed, or walks over it in the order of the LIMIT.
 */
export const indexSettings = [
  ...['seqscan', 'hashjoin', 'mergejoin', 'material'].map((way) => `enable_${way}=off`),
  ...['random_page_cost=0', 'seq_page_cost=0', 'jit=off', 'max_parallel_workers_per_gather=0'],
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/** For statements about a few given rows: planned once per connection, because planning them takes longer than running them. */
export const rowSettings = `${indexSettings} -c plan_cache_mode=force_generic_plan`;

/** How long a batch waits for a row that another transaction has locked. Then each of its rows is written alone. */
const LOCK_MS = 250;

/** Never closed while idle: otherwise a send after a pause waits for several connections, and for their plans. */
const kept = { idleTimeoutMillis: 0 };

const markSettings = `${rowSettings} -c lock_timeout=${LOCK_MS}`;

function poolOf(
  server: Server,
  { statementMs, ...more }: { max: number; statementMs: number; options?: string; idleTimeoutMillis?: number },
): pg.Pool {
  const pool = new pg.Pool({
    ...reached(server),
    ...more,
    statement_timeout: statementMs,
    idle_in_transaction_session_timeout: 5_000,
    query_timeout: statementMs + 1_000, // of the client: a network that swallows packets answers no statement_timeout
    keepAlive: true,
    keepAliveInitialDelayMillis: 60_000, // a firewall may drop what is idle for minutes, without telling
    pipeline: true, // a transaction then costs two round trips, however many steps it has
  });
  pool.on('error', () => undefined); // of an idle client, which the pool has dropped already; the next query reconnects
  return pool;
}
