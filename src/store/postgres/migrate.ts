import pg from 'pg';
import { StoreError } from '../errors.ts';
import {
  broadcastTables,
  countReasons,
  failedIndex,
  reasonsTable,
  recipientIndexes,
  rejectedIndex,
} from '../sql/broadcast-schema.ts';
import { callerDaysTable } from '../sql/caller-counts.ts';
import { campaignColumns, postgresTallyTimes, tallyTimes } from '../sql/campaign-schema.ts';
import { contentIndex, macColumns } from '../sql/content-mac.ts';
import { eventTables, postgresEventTriggers } from '../sql/event-schema.ts';
import { historyTable, postgresHistoryTrigger } from '../sql/history-schema.ts';
import { operatorTables } from '../sql/operator-schema.ts';
import { quotaTable } from '../sql/quotas.ts';
import {
  channelColumns,
  fileNameColumn,
  lookSchema,
  queueSchema,
  referenceColumn,
  scheduleSchema,
  sendsIndexes,
  sendsTable,
  soughtIndex,
  templateIndex,
  timeIndexes,
  unknownIndexes,
} from '../sql/schema.ts';
import { secretsTable } from '../sql/secret.ts';
import {
  conversationTables,
  deliveriesTables,
  deliveryTallies,
  intakeTables,
  keepProof,
  namedIndexes,
  postgresTallyTriggers,
  proofColumn,
  watchTables,
} from '../sql/tracking-schema.ts';
import { webhookTables } from '../sql/webhook-schema.ts';
import { reached, type Server } from './pools.ts';
import { sendTallies } from './tallies.ts';

/**
 * Deleted texts stay in old versions of their rows until the table is vacuumed; by default autovacuum waits until a fifth of the table
 * has changed.
 */
const vacuumEarly = (...tables: string[]): string[] =>
  tables.map(
    (table) => `ALTER TABLE ${table} SET (
      autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200,
      toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_threshold = 200
    )`,
  );

/** Applied in order, each in its own transaction. Append only. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    sendsTable('BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY'),
    ...sendsIndexes,
    'CREATE INDEX sends_counted ON sends (status)',
    // A row exists for as long as its owner counts as alive; an owner without a row is dead. Ids are never reused.
    `CREATE TABLE send_owners (
       id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       name TEXT NOT NULL,
       lease_until TIMESTAMPTZ NOT NULL
     )`,
    'CREATE TABLE send_store (checks BIGINT NOT NULL)',
    'INSERT INTO send_store VALUES (0)',
  ],
  // Ten writes a second that need not survive a crash: UNLOGGED needs no fsync. The first process that misses the row inserts
  // it.
  ['CREATE UNLOGGED TABLE send_slots (id INTEGER PRIMARY KEY CHECK (id = 1), next_at TIMESTAMPTZ NOT NULL)'],
  [
    ...broadcastTables('BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY'),
    ...recipientIndexes,
    // Once per statement and in a fixed order, so that a batch updates its tallies at once and two statements never wait for
    // each other.
    `CREATE FUNCTION tally_recipients() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       INSERT INTO broadcast_tallies AS tallies (broadcast_id, status, n)
       SELECT broadcast_id, status, sum(moved) FROM (
         SELECT broadcast_id, status, -1 AS moved FROM left_rows WHERE broadcast_id IS NOT NULL
         UNION ALL
         SELECT broadcast_id, status, 1 AS moved FROM reached_rows WHERE broadcast_id IS NOT NULL
       ) AS moves
       GROUP BY broadcast_id, status HAVING sum(moved) <> 0 ORDER BY broadcast_id, status
       ON CONFLICT (broadcast_id, status) DO UPDATE SET n = tallies.n + excluded.n;
       RETURN NULL;
     END $$`,
    `CREATE TRIGGER recipients_moved AFTER UPDATE ON sends
       REFERENCING OLD TABLE AS left_rows NEW TABLE AS reached_rows
       FOR EACH STATEMENT EXECUTE FUNCTION tally_recipients()`,
  ],
  // These need not survive either: after a crash of the database every caller has its full burst.
  [
    `CREATE UNLOGGED TABLE caller_permits (
       caller TEXT PRIMARY KEY,
       granted INTEGER NOT NULL,
       spent_until TIMESTAMPTZ NOT NULL
     )`,
  ],
  [rejectedIndex],
  [failedIndex],
  operatorTables,
  queueSchema,
  [quotaTable],
  timeIndexes,
  // Each migration locks at most one table in use. Waiting for a second lock could deadlock with a replica that takes them in
  // the other order.
  [
    secretsTable,
    // Replicas that register no version are older than it.
    'ALTER TABLE send_owners ADD COLUMN version INTEGER NOT NULL DEFAULT 0',
  ],
  [macColumns.sends, ...vacuumEarly('sends')],
  [macColumns.broadcasts, reasonsTable],
  [contentIndex],
  [
    // The lock keeps completions out between the count and the new trigger. Replicas of the previous version continue to read
    // sends_rejected.
    'LOCK TABLE sends IN SHARE ROW EXCLUSIVE MODE',
    countReasons,
    // Most statements are of single sends, which have neither tallies nor reasons.
    `CREATE OR REPLACE FUNCTION tally_recipients() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NOT EXISTS (SELECT 1 FROM reached_rows WHERE broadcast_id IS NOT NULL) THEN RETURN NULL; END IF;
       INSERT INTO broadcast_tallies AS tallies (broadcast_id, status, n)
       SELECT broadcast_id, status, sum(moved) FROM (
         SELECT broadcast_id, status, -1 AS moved FROM left_rows WHERE broadcast_id IS NOT NULL
         UNION ALL
         SELECT broadcast_id, status, 1 AS moved FROM reached_rows WHERE broadcast_id IS NOT NULL
       ) AS moves
       GROUP BY broadcast_id, status HAVING sum(moved) <> 0 ORDER BY broadcast_id, status
       ON CONFLICT (broadcast_id, status) DO UPDATE SET n = tallies.n + excluded.n;
       INSERT INTO broadcast_reasons AS reasons (broadcast_id, reason, n)
       SELECT broadcast_id, COALESCE(failure_code, 'other'), sum(moved) FROM (
         SELECT broadcast_id, failure_code, -1 AS moved FROM left_rows
         WHERE broadcast_id IS NOT NULL AND status = 'rejected'
         UNION ALL
         SELECT broadcast_id, failure_code, 1 AS moved FROM reached_rows
         WHERE broadcast_id IS NOT NULL AND status = 'rejected'
       ) AS moves
       GROUP BY 1, 2 HAVING sum(moved) <> 0 ORDER BY 1, 2
       ON CONFLICT (broadcast_id, reason) DO UPDATE SET n = reasons.n + excluded.n;
       RETURN NULL;
     END $$`,
  ],
  lookSchema,
  fileNameColumn,
  [
    ...channelColumns,
    // A replica of the previous version would send the message through another number, so this makes its claim fail as if
    // another process owned the row.
    `CREATE FUNCTION leave_channel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
    `CREATE TRIGGER sends_channel BEFORE UPDATE ON sends FOR EACH ROW
       WHEN (NEW.status = 'sending' AND NEW.channel_attempt <> NEW.attempts)
       EXECUTE FUNCTION leave_channel()`,
  ],
  // As above: one table in use per migration.
  [...intakeTables('BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY'), ...vacuumEarly('intake'), ...conversationTables],
  [deliveryTallies],
  [proofColumn, ...keepProof],
  namedIndexes,
  [...deliveriesTables('BIGINT'), ...postgresTallyTriggers],
  watchTables,
  [
    ...eventTables('BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY', 'BIGINT'),
    ...vacuumEarly('event_facts', 'events'),
    ...postgresEventTriggers.sends,
  ],
  postgresEventTriggers.deliveries,
  postgresEventTriggers.broadcasts,
  webhookTables,
  referenceColumn,
  [
    ...scheduleSchema.sends,
    // A replica of the previous version would send late messages, so this makes its claim fail, as above.
    `CREATE TRIGGER sends_too_late BEFORE UPDATE ON sends FOR EACH ROW
       WHEN (NEW.status = 'sending' AND OLD.status <> 'sending'
         AND NEW.not_after <= (extract(epoch FROM now()) * 1000)::bigint)
       EXECUTE FUNCTION leave_channel()`,
  ],
  scheduleSchema.broadcasts,
  campaignColumns,
  [tallyTimes, postgresTallyTimes],
  unknownIndexes,
  [callerDaysTable],
  [historyTable('BIGINT'), ...postgresHistoryTrigger],
  templateIndex,
  sendTallies,
  ['DROP INDEX sends_counted'],
  vacuumEarly('deliveries', 'conversations'),
  [soughtIndex],
];

/** Any number that nothing else in the database locks; recovery uses the next one. */
export const ADVISORY_LOCK = 7_283_945_001;

/**
 * Replicas that start together queue at the lock; one that is killed half way leaves nothing, since DDL is transactional.
 * On a connection of its own, because a migration may exceed the statement timeout.
 */
export async function migrate(server: Server): Promise<void> {
  const client = new pg.Client(reached(server));
  client.on('error', () => undefined); // a lost connection also fails the query, which says so
  try {
    await client.connect();
    const durable = await client.query<{ synchronous_commit: string }>('SHOW synchronous_commit');
    if (durable.rows[0]?.synchronous_commit === 'off') {
      throw new StoreError('the database acknowledges commits before they are durable (synchronous_commit = off)');
    }
    while (await applyNext(client));
  } finally {
    await client.end();
  }
}

async function applyNext(client: pg.Client): Promise<boolean> {
  await client.query('BEGIN');
  await client.query(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
  await client.query(
    'CREATE TABLE IF NOT EXISTS send_migrations (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ)',
  );
  const { rows } = await client.query<{ version: number }>(
    'SELECT COALESCE(max(version), 0) AS version FROM send_migrations',
  );
  const version = rows[0]?.version ?? 0;
  const next = MIGRATIONS[version];
  if (next === undefined) {
    await client.query('COMMIT');
    // A newer schema is fine: during a rollout the old replicas continue beside the new ones.
    return false;
  }
  await client.query(next.join(';'));
  await client.query('INSERT INTO send_migrations VALUES ($1, now())', [version + 1]);
  await client.query('COMMIT');
  return true;
}
