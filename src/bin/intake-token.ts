import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { webhookAddress } from '../intake/address.ts';
import { editTokensFile, tokenIdOf, withoutEntry, withoutToken, withToken } from '../intake/token-edit.ts';
import { parseTokens, type TokenEntry, TokensFault } from '../intake/token-entry.ts';
import { wantedEvents } from '../intake/wanted-events.ts';
import { counted } from '../lib/counted.ts';
import { EditRefused } from '../lib/replace-file.ts';

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

const options = {
  name: { type: 'string' },
  add: { type: 'string' },
  revoke: { type: 'string' },
  list: { type: 'string' },
  token: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const parse = () => parseArgs({ allowPositionals: true, options });
type Asked = ReturnType<typeof parse>['values'] & { word: string; more: string[] };

/** `npm run intake-token`: the address is printed here and kept nowhere. */
function main(): number {
  const { values, positionals } = parse();
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const [word = '', ...more] = positionals;
  const asked = { ...values, word, more };
  const faults = faultsIn(asked);
  if (faults.length > 0) {
    console.error(`Nothing was done, and no token was made:\n  - ${faults.join('\n  - ')}\n\n${usage}`);
    return 2;
  }
  const file = values.list ?? values.revoke ?? values.add;
  try {
    console.log(answer(asked));
    return 0;
  } catch (error) {
    if (file === undefined || !isOfFile(error)) throw error;
    const reason = error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
    console.error(`${file} stands as it was: ${reason}`);
    return 1;
  }
}

const isOfFile = (error: unknown): boolean =>
  error instanceof EditRefused || error instanceof TokensFault || (error instanceof Error && 'syscall' in error);

function answer({ list, revoke, token, word, name, add }: Asked): string {
  if (list !== undefined) return listed(parseTokens(readFileSync(list, 'utf8')));
  if (revoke !== undefined) return taken(revoke, word, token);
  return made({ connectionId: word, name: name ?? word, ...(add !== undefined && { add }) });
}

const soon = 'A running service takes it within a second and logs "INTAKE_TOKENS_FILE was read again".';

function made({ connectionId, name, add }: { connectionId: string; name: string; add?: string }): string {
  const token = randomBytes(32).toString('base64url');
  const sha256 = hash('sha256', token);
  const entry: TokenEntry = { name, tokenSha256: [sha256], connectionId };
  // Checked as the file would be, so that a name or an id that cannot stand there is told before WATI has the address.
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

function taken(file: string, name: string, tokenId: string | undefined): string {
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
  const table = [['NAME', 'TOKENS', 'CONNECTION'], ...rows];
  const widths = [0, 1].map((at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  return table.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')).join('\n');
}

/** All that is wrong with the arguments, at once. What is left, the rules of the file find. */
function faultsIn({ word, more, list, revoke, add, name, token }: Asked): string[] {
  const files = Object.entries({ '--add': add, '--revoke': revoke, '--list': list }).filter(
    ([, file]) => file !== undefined,
  );
  const makes = list === undefined && revoke === undefined;
  const faults: [boolean, string][] = [
    [files.length > 1, `one of ${files.map(([option]) => option).join(', ')}, not several`],
    ...files.map(([option, file]): [boolean, string] => [file === '', `${option} names no FILE`]),
    [makes && word === '', 'the CONNECTION_ID is missing: GET /v1/connections lists them, and so does npm run check'],
    [makes && word !== '' && !/^[!-~]{1,512}$/.test(word), 'the CONNECTION_ID is no id of a connection'],
    [revoke !== undefined && word === '', 'the NAME of the entry is missing'],
    [list !== undefined && word !== '', `--list takes no NAME: ${word}`],
    [more.length > 0, `one word, not several: ${more.join(' ')}`],
    [!makes && name !== undefined, '--name is for a new token'],
    [
      makes && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name ?? (word === '' ? 'none' : word)),
      'the entry needs a --name: up to 64 letters, digits, . _ - and first a letter or digit',
    ],
    [token !== undefined && revoke === undefined, '--token goes with --revoke'],
    [
      token !== undefined && !/^[0-9a-fA-F]{8,64}$/.test(token),
      '--token must be the first 8 hexadecimal digits of a hash, or more: --list shows them. A token itself has no place here',
    ],
  ];
  return faults.flatMap(([wrong, what]) => (wrong ? [what] : []));
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

try {
  process.exitCode = main();
} catch (error) {
  console.error(`${messageOf(error)}\n\n${usage}`);
  process.exitCode = 2;
}
