import { DatabaseSync } from 'node:sqlite';
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
  namedIndexes,
  proofColumn,
  sqliteTallyTriggers,
  watchTables,
} from '../sql/tracking-schema.ts';
import { webhookTables } from '../sql/webhook-schema.ts';
import { inMemory, migrate, openFile } from './open-file.ts';

/** Applied in order, each in its own transaction; `user_version` counts them. Append only. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    sendsTable('INTEGER PRIMARY KEY AUTOINCREMENT'),
    ...sendsIndexes,
    // A single row: `owner` counts how often the file was opened, `clock` is the ageing clock, `checks` is what check() writes.
    'CREATE TABLE send_store (owner INTEGER NOT NULL, clock INTEGER NOT NULL, checks INTEGER NOT NULL)',
    'INSERT INTO send_store VALUES (0, 0, 0)',
    // Counting a million rows would block all other statements, so the tally is updated as rows change.
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
  [soughtIndex],
];

export function openDatabase(path: string, migrations: readonly (readonly string[])[] = MIGRATIONS): DatabaseSync {
  return openFile(path, (db) => {
    // Tests pass the migrations of an older version.
    if (path === inMemory && migrations === MIGRATIONS) db.deserialize(emptyStore());
    else migrate(db, migrations);
  });
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
