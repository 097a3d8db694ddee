import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config.ts';
import { type Erasure, erasePerson } from '../operator/erase-person.ts';
import { digits, recipientPattern } from '../schemas/common.ts';
import { openStore, type Store, sqlitePath } from '../store/open.ts';
import type { PersonCount } from '../store/person-store.ts';

const usage = `npm run erase -- NUMBER [--dry-run|--export]
(in the image: erase NUMBER ...)

Finds the records of all messages to one person, over all callers, in the store of STORE_URL (or STORE_URL_FILE): cancels
what is queued, deletes what has ended, and tells what it did. What is on the wire stays: run it again.

  NUMBER     as callers write it: digits with country code; or a contact id or BSUID, under which records are kept as well
  --dry-run  only counts what is kept
  --export   prints what is kept as JSON, and erases nothing

A service that runs on a SQLite file has it for itself: use POST /v1/operations/erase then.
Exit codes: 0 nothing is left (or it was only asked), 1 it could not be done or something is left, 2 not understood.`;

/** SQLite's code for a file that another process holds. */
const busy = 5;

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const [to, ...more] = positionals;
  if (to === undefined || more.length > 0) throw new UsageError('one NUMBER is needed, without blanks');
  if (!new RegExp(recipientPattern).test(to)) {
    throw new UsageError('this is no number: digits with country code, a 24-hex contact id, or a BSUID');
  }
  if (values['dry-run'] && values.export) throw new UsageError('--dry-run or --export, not both');
  const store = await open();
  try {
    if (values.export) {
      await printRecords(store, digits(to));
      return 0;
    }
    return await erase(store, digits(to), values['dry-run']);
  } finally {
    await store.close();
  }
}

class UsageError extends Error {}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        'dry-run': { type: 'boolean', default: false },
        export: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(reasonOf(error));
  }
}

/** The settings of the store alone: neither the Maton key nor the callers are needed. */
function open(): Promise<Store> {
  const { STORE_URL, STORE_URL_FILE, STORE_TLS, STORE_LEASE_MS, PGHOST } = process.env;
  const notNeeded = { MATON_API_KEY: 'the-store-needs-no-key', CLIENTS_FILE: 'not-needed' };
  const config = loadConfig({ STORE_URL, STORE_URL_FILE, STORE_TLS, STORE_LEASE_MS, PGHOST, ...notNeeded });
  const url = config.STORE_URL;
  if (url === 'memory:') throw new Error('STORE_URL is memory: nothing is kept');
  if (url.startsWith('file:')) {
    const path = sqlitePath(url);
    // Opening it would make it.
    if (!existsSync(path)) throw new Error(`there is no file ${path}`);
    // SQLite writes the file anew beside it: in the image no other folder can be written to.
    process.env.SQLITE_TMPDIR ??= dirname(path);
  }
  // Nothing ages here: the store is closed again before anything could.
  const forever = Number.MAX_SAFE_INTEGER;
  const kept = { keyRetentionMs: forever, unknownRetentionMs: forever, recordRetentionMs: forever };
  return openStore(url, { ...kept, leaseMs: config.STORE_LEASE_MS, tls: config.STORE_TLS });
}

async function erase(store: Store, to: string, dryRun: boolean): Promise<number> {
  const erasure = await erasePerson(store, { to, dryRun });
  // Also where nothing is left: the route may have left traces in a large file.
  if (!dryRun) await store.scrub({ exclusive: true });
  console.log(told(erasure, dryRun));
  return dryRun || erasure.left.length === 0 ? 0 : 1;
}

function told({ found, conversations, webhooks, cancelled, erased, left }: Erasure, dryRun: boolean): string {
  const listed = (counts: readonly PersonCount[]) =>
    counts.map(({ caller, status, count }) => `  ${caller}  ${status}  ${count}`).join('\n');
  if (found.length + conversations + webhooks === 0) return 'Nothing is kept of this person.';
  const contacts = conversations + webhooks === 0 ? '' : `\n  conversations  ${conversations}\n  webhooks  ${webhooks}`;
  const kept = `Kept (caller, state, records):\n${listed(found)}${contacts}`;
  if (dryRun) return `${kept}\n\nNothing was changed (--dry-run).`;
  const did = `${kept}\n\nCancelled ${cancelled}, erased ${erased}.`;
  if (left.length === 0) return `${did} Nothing is left.`;
  return `${did}\nLeft, on the wire or being recorded; run it again when that is over:\n${listed(left)}
What a service that is stopped left "sending" gets an end when it starts.`;
}

/** One array, a page at a time. Nobody sees what is still being recorded. */
async function printRecords(store: Store, to: string): Promise<void> {
  let separator = '[\n';
  for (const caller of await store.listCallers()) {
    let cursor: string | undefined;
    do {
      const page = await store.list(caller, { to }, { limit: 500, ...(cursor !== undefined && { cursor }) });
      for (const send of page.messages) {
        process.stdout.write(separator + JSON.stringify(send));
        separator = ',\n';
      }
      cursor = page.next;
    } while (cursor !== undefined);
  }
  process.stdout.write(separator === '[\n' ? '[]\n' : '\n]\n');
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error && 'errcode' in cause && cause.errcode === busy) {
    return 'a running service has the file for itself: use POST /v1/operations/erase, or stop it first';
  }
  return error instanceof Error ? error.message : String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(
    isUsage ? `${error.message}\n\n${usage}` : error instanceof ConfigError ? error.message : reasonOf(error),
  );
  process.exitCode = isUsage ? 2 : 1;
}
