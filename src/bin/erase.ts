import { parseArgs } from 'node:util';
import { type Erasure, erasePerson } from '../operator/erase-person.ts';
import { exportPerson } from '../operator/export-person.ts';
import { digits, recipientPattern } from '../schemas/common.ts';
import type { Store } from '../store/open.ts';
import type { PersonCount } from '../store/person-store.ts';
import { runStoreCommand, UsageError, withStore } from './store-command.ts';

const usage = `npm run erase -- NUMBER [--dry-run|--export]
(in the image: erase NUMBER ...)

Finds the records of all messages to one person, over all callers, in the store of STORE_URL (or STORE_URL_FILE): cancels
what is queued, deletes what has ended, and tells what it did. What is on the wire stays: run it again.

  NUMBER     as callers write it: digits with country code; or a contact id or BSUID, under which records are kept as well
  --dry-run  only counts what is kept
  --export   prints what is kept as JSON (messages, conversations, webhooks that are not applied), and erases nothing

A service that runs on a SQLite file has it for itself: use POST /v1/operations/erase then.
Exit codes: 0 nothing is left (or it was only asked), 1 it could not be done or something is left, 2 not understood.`;

async function run(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'dry-run': { type: 'boolean', default: false },
      export: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
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
  return withStore((store) => (values.export ? print(store, digits(to)) : erase(store, digits(to), values['dry-run'])));
}

async function erase(store: Store, to: string, dryRun: boolean): Promise<number> {
  const erasure = await erasePerson(store, { to, dryRun });
  // Runs even if nothing is left: the route may have left traces in a large file.
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

async function print(store: Store, to: string): Promise<number> {
  for await (const text of exportPerson(store, to)) process.stdout.write(text);
  return 0;
}

await runStoreCommand({ usage, busyRemedy: 'use POST /v1/operations/erase, or stop it first', run });
