import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';

/** How long a start waits for a predecessor that is about to close the file. */
const BUSY_TIMEOUT_MS = 1_000;

/** SQLite's name for a store in memory. */
export const inMemory = ':memory:';

export function openFile(path: string, prepare: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (path !== inMemory) makeFile(path);
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
    // secure_delete overwrites deleted content, so that message texts do not stay in free pages. EXCLUSIVE comes before WAL: no
    // other process can open the file, and the kernel releases the lock when this process is killed.
    // The cache holds the inner pages of the trees of some million rows, so a lookup reads one page instead of three.
    // The log is copied into the file when it has 16 MB (by default 4), because each time takes two fsyncs.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -8192;
      PRAGMA journal_size_limit = 67108864;
      PRAGMA wal_autocheckpoint = 4000;
    `);
    prepare(db);
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

export function migrate(db: DatabaseSync, migrations: readonly (readonly string[])[]): void {
  db.exec('BEGIN IMMEDIATE'); // also takes the lock, which a second process must not get
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
  db.exec('COMMIT');
  if (version > migrations.length) throw new StoreError(`the store was written by a newer version (${version})`);
  // A new file gets them all in one transaction, because each costs an fsync.
  if (version === 0) {
    db.exec(`BEGIN IMMEDIATE; ${migrations.flat().join(';')}; PRAGMA user_version = ${migrations.length}; COMMIT`);
    return;
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${migration.join(';')}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
