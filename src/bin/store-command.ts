import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, loadConfig } from '../config.ts';
import { openStore, type Store, sqlitePath } from '../store/open.ts';

/** The arguments are wrong: the usage is printed after the message. */
export class UsageError extends Error {}

interface StoreCommand {
  usage: string;
  /** What to do while a running service has the SQLite file. */
  busyRemedy: string;
  /** Resolves with the exit code. Throws UsageError. */
  run: () => Promise<number>;
}

/** SQLite's code for a file that another process holds. */
const busy = 5;

/** Runs a program that works on the store: sets the exit code, and prints errors in words. */
export async function runStoreCommand({ usage, busyRemedy, run }: StoreCommand): Promise<void> {
  try {
    process.exitCode = await run();
  } catch (error) {
    const isUsage = error instanceof UsageError || isOfArguments(error);
    console.error(isUsage ? `${messageOf(error)}\n\n${usage}` : reasonOf(error, busyRemedy));
    process.exitCode = isUsage ? 2 : 1;
  }
}

/** The store in the settings, which must exist. Neither the Maton key nor the callers are needed. */
export async function withStore<Result>(use: (store: Store) => Promise<Result>): Promise<Result> {
  const store = await open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function open(): Promise<Store> {
  const { STORE_URL, STORE_URL_FILE, STORE_TLS, STORE_LEASE_MS, PGHOST } = process.env;
  const notNeeded = { MATON_API_KEY: 'the-store-needs-no-key', CLIENTS_FILE: 'not-needed' };
  const config = loadConfig({ STORE_URL, STORE_URL_FILE, STORE_TLS, STORE_LEASE_MS, PGHOST, ...notNeeded });
  const url = config.STORE_URL;
  if (url === 'memory:') throw new Error('STORE_URL is memory: nothing is kept');
  if (url.startsWith('file:')) {
    const path = sqlitePath(url);
    // Opening the store would create the file.
    if (!existsSync(path)) throw new Error(`there is no file ${path}`);
    // SQLite rewrites the file beside the old one; in the image no other folder is writable.
    process.env.SQLITE_TMPDIR ??= dirname(path);
  }
  // Nothing expires here: the store is closed again before it could.
  const forever = Number.MAX_SAFE_INTEGER;
  const kept = { keyRetentionMs: forever, unknownRetentionMs: forever, recordRetentionMs: forever };
  return openStore(url, { ...kept, leaseMs: config.STORE_LEASE_MS, tls: config.STORE_TLS, sameThread: true });
}

const isOfArguments = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

function reasonOf(error: unknown, busyRemedy: string): string {
  if (error instanceof ConfigError) return error.message;
  const cause = error instanceof Error ? error.cause : undefined;
  const isBusy = cause instanceof Error && 'errcode' in cause && cause.errcode === busy;
  return isBusy ? `a running service has the file for itself: ${busyRemedy}` : messageOf(error);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
