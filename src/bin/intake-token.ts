import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { webhookAddress } from '../intake/address.ts';
import { editTokensFile, tokenIdOf, withoutEntry, withoutToken, withToken } from '../intake/token-edit.ts';
import { parseTokens, type TokenEntry } from '../intake/token-entry.ts';
import { wantedEvents } from '../intake/wanted-events.ts';
import { counted } from '../lib/counted.ts';
import {
  applying,
  type FileArguments,
  fileFaults,
  fileOptions,
  idFaults,
  isEntryName,
  runFileCommand,
  table,
} from './file-command.ts';

const usage = `npm run intake-token -- CONNECTION_ID [--name NAME] [--add FILE]
npm run intake-token -- --revoke FILE NAME [--token TOKENID]
npm run intake-token -- --list FILE
(in the image: intake-token CONNECTION_ID ...)

Makes a secret address for WATI's webhooks, prints it once, and prints its entry for INTAKE_TOKENS_FILE or adds it there. To
replace a token, --add another one under its name, put the new address into WATI, and --revoke the old one. FILE is replaced as a
whole; a running service takes it within a second.

  CONNECTION_ID  the connection whose account posts there: a webhook counts for it, whatever stands in it
  --name         of the entry: letters, digits, . _ -; the connection's id by default
  --add FILE     write the entry, or another token of it, into this tokens file; it is made if there is none
  --revoke FILE  take the entry of this NAME out of it, or only its token TOKENID
  --list FILE    names, token ids (the first 8 digits of the hash) and connections

INTAKE_PUBLIC_URL, if it is set, is what the address begins with.
Exit codes: 0 done, 1 FILE stands as it was (it cannot be read or written, has faults, or would have), 2 not understood.`;

const options = { ...fileOptions, name: { type: 'string' }, token: { type: 'string' } } as const;

const parse = () => parseArgs({ allowPositionals: true, options });
type Given = FileArguments<ReturnType<typeof parse>['values']>;

function run({ list, revoke: from, token, first, name, add }: Given): string {
  if (list !== undefined) return listed(parseTokens(readFileSync(list, 'utf8')));
  if (from !== undefined) return revoke(from, first, token);
  return makeToken({ connectionId: first, name: name ?? first, ...(add !== undefined && { add }) });
}

const soon = 'A running service takes it within a second and logs "INTAKE_TOKENS_FILE was read again".';

function makeToken({ connectionId, name, add }: { connectionId: string; name: string; add?: string }): string {
  const token = randomBytes(32).toString('base64url');
  const sha256 = hash('sha256', token);
  const entry: TokenEntry = { name, tokenSha256: [sha256], connectionId };
  // Validates the entry by the rules of the file even if it is not written to one: a faulty entry must not leave an address at
  // WATI.
  const [checked] = parseTokens(JSON.stringify([entry]));
  if (add !== undefined) editTokensFile(add, (all) => withToken(all, { name, connectionId, sha256 }), { create: true });
  const publicUrl = process.env.INTAKE_PUBLIC_URL || 'https://YOUR-HOST';
  return `Address of ${name} for WATI (shown only now, and kept nowhere; whoever has it can post in the name of WATI):

  ${webhookAddress(publicUrl, token)}

In WATI: Connectors > Webhooks > add this address, enable it, and tick these events:

${wantedEvents.map((event) => `  ${event}`).join('\n')}

${
  add === undefined
    ? `Add to the list [...] in INTAKE_TOKENS_FILE; a running service takes it within a second:\n\n${JSON.stringify(checked, null, 2)}`
    : `Its token ${tokenIdOf(sha256)} is in ${add}. ${soon}`
}`;
}

function revoke(file: string, name: string, tokenId: string | undefined): string {
  const left = editTokensFile(file, (entries) =>
    tokenId === undefined ? withoutEntry(entries, name) : withoutToken(entries, name, tokenId),
  );
  const gone = tokenId === undefined ? `${name} is` : `The token ${tokenId} of ${name} is`;
  return `${gone} no longer in ${file}; ${counted(left.length, 'entry is', 'entries are')}. ${soon}`;
}

function listed(entries: readonly TokenEntry[]): string {
  const rows = entries.map(({ name, tokenSha256, connectionId }) => [
    name,
    tokenSha256.map(tokenIdOf).join(' '),
    connectionId,
  ]);
  return table([['NAME', 'TOKENS', 'CONNECTION'], ...rows]);
}

/** All faults of the arguments at once; the rules of the file find the rest. */
function faultsIn(given: Given): string[] {
  const { first, more, list, revoke: from, name, token } = given;
  const creates = list === undefined && from === undefined;
  return applying([
    ...fileFaults(given),
    [
      creates && first === '',
      'the CONNECTION_ID is missing: GET /v1/connections lists them, and so does npm run check',
    ],
    [creates && first !== '' && !/^[!-~]{1,512}$/.test(first), 'the CONNECTION_ID is no id of a connection'],
    [from !== undefined && first === '', 'the NAME of the entry is missing'],
    [list !== undefined && first !== '', `--list takes no NAME: ${first}`],
    [more.length > 0, `one word, not several: ${more.join(' ')}`],
    [!creates && name !== undefined, '--name is for a new token'],
    [
      creates && !isEntryName(name ?? (first || 'none')),
      'the entry needs a --name: up to 64 letters, digits, . _ - and first a letter or digit',
    ],
    ...idFaults('--token', token, {
      isRevoking: from !== undefined,
      hint: '--list shows them. A token itself has no place here',
    }),
  ]);
}

runFileCommand({
  usage,
  creates: 'token',
  parse,
  faults: faultsIn,
  run,
});
