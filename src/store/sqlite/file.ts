import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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
import { campaignColumns, sqliteTallyTimes, tallyTimes } from '../sql/campaign-schema.ts';
import { contentIndex, macColumns } from '../sql/content-mac.ts';
import { eventTables, sqliteEventTriggers } from '../sql/event-schema.ts';
import { historyTable, sqliteHistoryTrigger } from '../sql/history-schema.ts';
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
  namedIndexes,
  proofColumn,
  sqliteTallyTriggers,
  watchTables,
} from '../sql/tracking-schema.ts';
import { webhookTables } from '../sql/webhook-schema.ts';

/** Applied in order, each in its own transaction; `user_version` counts them. Append only. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    sendsTable('INTEGER PRIMARY KEY AUTOINCREMENT'),
    ...sendsIndexes,
    // A single row: `owner` counts how often the file was opened, `clock` is the ageing clock, `checks` is what check() writes.
    'CREATE TABLE send_store (owner INTEGER NOT NULL, clock INTEGER NOT NULL, checks INTEGER NOT NULL)',
    'INSERT INTO send_store VALUES (0, 0, 0)',
    // Counting a million rows would block the event loop, so the tally is updated as rows change.
    'CREATE TABLE send_tallies (status TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID',
    `CREATE TRIGGER sends_inserted AFTER INSERT ON sends BEGIN
       INSERT INTO send_tallies VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1;
     END`,
    `CREATE TRIGGER sends_moved AFTER UPDATE OF status ON sends WHEN old.status <> new.status BEGIN
       UPDATE send_tallies SET n = n - 1 WHERE status = old.status;
       INSERT INTO send_tallies VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1;
     END`,
    `CREATE TRIGGER sends_deleted AFTER DELETE ON sends BEGIN
       UPDATE send_tallies SET n = n - 1 WHERE status = old.status;
     END`,
  ],
  [
    ...broadcastTables('INTEGER PRIMARY KEY AUTOINCREMENT'),
    ...recipientIndexes,
    // Staged recipients are not counted in `send_tallies`; broadcast_tallies counts them.
    'DROP TRIGGER sends_inserted',
    `CREATE TRIGGER sends_inserted AFTER INSERT ON sends WHEN new.status <> 'staged' BEGIN
       INSERT INTO send_tallies VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1;
     END`,
    'DROP TRIGGER sends_moved',
    `CREATE TRIGGER sends_moved AFTER UPDATE OF status ON sends WHEN old.status <> new.status BEGIN
       UPDATE send_tallies SET n = n - 1 WHERE status = old.status;
       INSERT INTO send_tallies SELECT new.status, 1 WHERE new.status <> 'staged'
         ON CONFLICT (status) DO UPDATE SET n = n + 1;
     END`,
    `CREATE TRIGGER recipients_moved AFTER UPDATE OF status ON sends
     WHEN old.status <> new.status AND new.broadcast_id IS NOT NULL BEGIN
       UPDATE broadcast_tallies SET n = n - 1 WHERE broadcast_id = new.broadcast_id AND status = old.status;
       INSERT INTO broadcast_tallies VALUES (new.broadcast_id, new.status, 1)
         ON CONFLICT (broadcast_id, status) DO UPDATE SET n = n + 1;
     END`,
  ],
  [rejectedIndex],
  [failedIndex],
  operatorTables,
  queueSchema,
  [quotaTable],
  timeIndexes,
  [secretsTable, macColumns.sends, macColumns.broadcasts, contentIndex],
  [
    reasonsTable,
    countReasons,
    'DROP INDEX sends_rejected',
    `CREATE TRIGGER recipients_rejected AFTER UPDATE OF status ON sends
     WHEN new.broadcast_id IS NOT NULL AND (old.status = 'rejected') <> (new.status = 'rejected') BEGIN
       UPDATE broadcast_reasons SET n = n - 1 WHERE old.status = 'rejected'
         AND broadcast_id = new.broadcast_id AND reason = COALESCE(old.failure_code, 'other');
       INSERT INTO broadcast_reasons SELECT new.broadcast_id, COALESCE(new.failure_code, 'other'), 1
         WHERE new.status = 'rejected' ON CONFLICT (broadcast_id, reason) DO UPDATE SET n = n + 1;
     END`,
  ],
  lookSchema,
  fileNameColumn,
  channelColumns,
  [
    ...intakeTables('INTEGER PRIMARY KEY AUTOINCREMENT'),
    ...conversationTables,
    ...deliveriesTables('INTEGER'),
    deliveryTallies,
    ...sqliteTallyTriggers,
    proofColumn,
    ...namedIndexes,
  ],
  watchTables,
  [...eventTables('INTEGER PRIMARY KEY AUTOINCREMENT', 'INTEGER'), ...sqliteEventTriggers],
  webhookTables,
  referenceColumn,
  [...scheduleSchema.sends, ...scheduleSchema.broadcasts],
  [...campaignColumns, tallyTimes, ...sqliteTallyTimes],
  unknownIndexes,
  [callerDaysTable],
  [historyTable('INTEGER'), sqliteHistoryTrigger],
  templateIndex,
];

/** How long a start waits for a predecessor that is about to close the file. */
const BUSY_TIMEOUT_MS = 1_000;

/** SQLite's name for a store in memory. */
const inMemory = ':memory:';

export function openDatabase(path: string, migrations: readonly (readonly string[])[] = MIGRATIONS): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (path !== inMemory) makeFile(path);
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
    // secure_delete overwrites deleted content, so that message texts do not stay in free pages. EXCLUSIVE comes before WAL: no
    // other process can open the file, and the kernel releases the lock when this process is killed.
    // The cache holds the inner pages of the trees of some million rows; a look-up then reads one page, not three.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -8192;
      PRAGMA journal_size_limit = 67108864;
    `);
    // Tests pass the migrations of an older version.
    if (path === inMemory && migrations === MIGRATIONS) db.deserialize(emptyStore());
    else migrate(db, migrations);
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof StoreError) throw cause;
    const busy = cause instanceof Error && 'errcode' in cause && cause.errcode === 5; // SQLITE_BUSY
    const why = busy ? 'another process has it open' : cause instanceof Error ? cause.message : String(cause);
    throw new StoreError(`cannot open the store ${path}: ${why}`, { cause });
  }
}

/**
 * The records contain personal data, so only the owner of the file may read it. `wx` never opens a file that exists, because
 * closing any descriptor of it would release the locks that this process holds on it (fcntl). SQLite gives the log the mode of
 * the file.
 */
function makeFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** The bytes of an empty store, migrated once per process, because tests and the sandbox open many stores in memory. */
const emptyStore = (() => {
  let bytes: Uint8Array | undefined;
  return () => {
    if (bytes) return bytes;
    const db = new DatabaseSync(inMemory);
    migrate(db, MIGRATIONS);
    bytes = db.serialize();
    db.close();
    return bytes;
  };
})();

function migrate(db: DatabaseSync, migrations: readonly (readonly string[])[]): void {
  db.exec('BEGIN IMMEDIATE'); // also takes the lock, which a second process must not get
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
  db.exec('COMMIT');
  if (version > migrations.length) throw new StoreError(`the store was written by a newer version (${version})`);
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${migration.join(';')}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
