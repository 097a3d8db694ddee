import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config.ts';
import { counted } from '../lib/counted.ts';
import { openStore, type Store, sqlitePath } from '../store/open.ts';

const usage = `npm run intake-retry
(in the image: intake-retry)

Tries again what could not be applied of WATI's webhooks and was set aside with its body: after an update that mends the
cause. It works on the store of STORE_URL (or STORE_URL_FILE); the service applies the events when it runs, in seconds.

A service that runs on a SQLite file has it for itself: stop it, run this, and start it again.
Exit codes: 0 done, or nothing was set aside, 1 it could not be done, 2 not understood.`;

/** SQLite's code for a file that another process holds. */
const busy = 5;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const store = await open();
  try {
    const count = await store.retryFailedIntake();
    const events = counted(count, 'event is', 'events are');
    console.log(count === 0 ? 'Nothing is set aside.' : `${events} tried again.`);
    return 0;
  } finally {
    await store.close();
  }
}

/** The settings of the store alone: neither the Maton key nor the callers are needed. */
function open(): Promise<Store> {
  const { STORE_URL, STORE_URL_FILE, STORE_TLS, STORE_LEASE_MS, PGHOST } = process.env;
  const notNeeded = { MATON_API_KEY: 'the-store-needs-no-key', CLIENTS_FILE: 'not-needed' };
  const config = loadConfig({ STORE_URL, STORE_URL_FILE, STORE_TLS, STORE_LEASE_MS, PGHOST, ...notNeeded });
  const url = config.STORE_URL;
  if (url === 'memory:') throw new Error('STORE_URL is memory: nothing is kept');
  // Opening it would make it.
  if (url.startsWith('file:') && !existsSync(sqlitePath(url))) throw new Error(`there is no file ${sqlitePath(url)}`);
  // Nothing ages here: the store is closed again before anything could.
  const forever = Number.MAX_SAFE_INTEGER;
  const kept = { keyRetentionMs: forever, unknownRetentionMs: forever, recordRetentionMs: forever };
  return openStore(url, { ...kept, leaseMs: config.STORE_LEASE_MS, tls: config.STORE_TLS });
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error && 'errcode' in cause && cause.errcode === busy) {
    return 'a running service has the file for itself: stop it, run this, and start it again';
  }
  return error instanceof Error ? error.message : String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  console.error(
    isUsage ? `${error.message}\n\n${usage}` : error instanceof ConfigError ? error.message : reasonOf(error),
  );
  process.exitCode = isUsage ? 2 : 1;
}
