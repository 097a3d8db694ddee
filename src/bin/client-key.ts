import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { editCallersFile, withEntry, withKey, withoutCaller, withoutKey } from '../callers/edit.ts';
import { type CallerEntry, keyIdOf, keysOf, lastMsOf } from '../callers/entry.ts';
import { parseCallers } from '../callers/parse.ts';
import { callerEntry, type Scope, scopes } from '../callers.ts';
import { counted } from '../lib/counted.ts';
import {
  applying,
  type Faults,
  type FileArguments,
  fileFaults,
  fileOptions,
  idFaults,
  isEntryName,
  runFileCommand,
  table,
} from './file-command.ts';

const allows: Record<Scope, string> = {
  'contacts:read': 'look contacts up',
  'contacts:write': 'create and change contacts',
  'conversations:read': 'read what was written',
  'conversations:write': 'assign conversations, open and close them',
  'messages:read': 'ask what became of its own messages and broadcasts',
  'messages:send': 'send, reconcile and resend single messages',
  'messages:urgent': 'jump the queue with them (Priority: u=0)',
  'broadcasts:send': 'send to many, and steer that',
  'templates:read': 'list and preview templates',
  'media:read': 'fetch files of conversations',
  'connections:read': 'list its WATI connections',
  'connections:write': 'create and delete connections',
  'native:call': 'make the native calls of NATIVE_PATHS',
  'metrics:read': 'read GET /metrics',
  'operations:read': 'see the broadcasts and messages of all callers, numbers masked',
  'operations:write': 'pause, resume and cancel any broadcast; stop and release all sending',
  'operations:reveal': 'see the numbers in what operations:read shows',
};

const usage = `npm run client-key -- NAME --scopes a,b --connections id,id --rate N [--add FILE]
npm run client-key -- NAME --add FILE
npm run client-key -- --revoke FILE NAME [--key KEYID]
npm run client-key -- --list FILE
(in the image: client-key NAME --scopes a,b ...)

Makes a key for a calling service, prints it once, and prints its entry for CLIENTS_FILE or adds it there. Without scopes,
--add gives a caller of the file another key. FILE is replaced as a whole; a running service takes it within a second.

  NAME           of the calling service: letters, digits, . _ -
  --scopes       what it may do, any of these, or '*' for all:
${scopes.map((scope) => `                   ${scope.padEnd(20)} ${allows[scope]}`).join('\n')}
  --connections  ids of the WATI connections that it may use, or '*' for all, later ones too
  --rate         requests a second that it may make, or none for no limit of its own
  --add FILE     write the entry, or the key, into this callers file; it is made if there is none
  --revoke FILE  take the caller of this name or id out of it, or only its key KEYID
  --list FILE    names, key ids (the first 8 digits of the hash), scopes and connections

Exit codes: 0 done, 1 FILE stands as it was (it cannot be read or written, has faults, or would have), 2 not understood.
Example: npm run client-key -- billing --scopes messages:send,messages:read --connections '*' --rate 20 --add clients.json`;

const options = {
  ...fileOptions,
  scopes: { type: 'string' },
  connections: { type: 'string' },
  rate: { type: 'string' },
  key: { type: 'string' },
} as const;

const parse = () => parseArgs({ allowPositionals: true, options });
type Given = FileArguments<ReturnType<typeof parse>['values']>;

function run(given: Given): string {
  if (given.list !== undefined) return listed(parseCallers(readFileSync(given.list, 'utf8')), Date.now());
  if (given.revoke !== undefined) return revoke(given.revoke, given.first, given.key);
  return isNew(given) ? makeCaller(given) : makeKey(given.add ?? '', given.first);
}

const newKey = () => `wbff_${randomBytes(32).toString('base64url')}`;
const taken = 'A running service takes it within a second and logs "CLIENTS_FILE was read again".';

function makeCaller({ first: name, add, ...asked }: Given): string {
  const key = newKey();
  const granted = split(asked.scopes);
  const connections = split(asked.connections);
  const entry = callerEntry(name, key, {
    scopes: granted,
    connections,
    ...(asked.rate !== 'none' && { ratePerSecond: Number(asked.rate) }),
  });
  if (add !== undefined) editCallersFile(add, (entries) => withEntry(entries, entry), { create: true });
  return `Key of ${name} (shown only now, and kept nowhere):

  ${key}

Its scopes: ${granted.includes('*') ? 'all' : granted.join(', ')}. Its connections: ${connections.includes('*') ? 'all' : connections.join(', ')}.

${
  add === undefined
    ? `Add to the list [...] in CLIENTS_FILE; a running service takes it within a second:\n\n${JSON.stringify(entry, null, 2)}`
    : `Its entry is in ${add}. ${taken}`
}`;
}

function makeKey(file: string, name: string): string {
  const key = newKey();
  const sha256 = hash('sha256', key);
  editCallersFile(file, (entries) => withKey(entries, name, { sha256 }));
  return `Another key of ${name}, ${keyIdOf(sha256)} (shown only now, and kept nowhere):

  ${key}

It is in ${file}, beside those that were there. ${taken}`;
}

function revoke(file: string, name: string, keyId: string | undefined): string {
  const left = editCallersFile(file, (entries) =>
    keyId === undefined ? withoutCaller(entries, name) : withoutKey(entries, name, keyId),
  );
  const gone = keyId === undefined ? `${name} is` : `The key ${keyId} of ${name} is`;
  return `${gone} no longer in ${file}; ${counted(left.length, 'caller is', 'callers are')}. ${taken}`;
}

function listed(entries: readonly CallerEntry[], nowMs: number): string {
  const rows = entries.map(({ name, id, scopes: granted, connections, ...keys }) => [
    id === undefined || id === name ? name : `${name} (id ${id})`,
    keysOf(keys)
      .map(({ sha256, notAfter }) => `${keyIdOf(sha256)}${notAfter === undefined ? '' : lastDay(notAfter, nowMs)}`)
      .join(' '),
    granted.join(','),
    connections.join(','),
  ]);
  return table([['NAME', 'KEYS', 'SCOPES', 'CONNECTIONS'], ...rows]);
}

const lastDay = (notAfter: string, nowMs: number) =>
  nowMs > lastMsOf(notAfter) ? `(expired ${notAfter})` : `(until ${notAfter})`;

/** These are not needed for a further key of an existing caller. */
const isNew = ({ scopes: granted, connections, rate, add }: Given) =>
  add === undefined || granted !== undefined || connections !== undefined || rate !== undefined;

/** All faults of the arguments at once; the rules of the file find the rest. */
function faultsIn(given: Given): string[] {
  const { first: name, more, list, revoke: from, key } = given;
  const creates = list === undefined && from === undefined;
  const faults: Faults = [
    ...fileFaults(given),
    [list === undefined && name === '', 'the NAME of the calling service is missing'],
    [list !== undefined && name !== '', `--list takes no NAME: ${name}`],
    [
      name !== '' && !isEntryName(name),
      `"${name}" is no name: up to 64 letters, digits, . _ - and first a letter or digit`,
    ],
    [more.length > 0, `one NAME, not several: ${more.join(' ')} (commas, no spaces, between scopes; '*' in quotes)`],
    ...idFaults('--key', key, {
      isRevoking: from !== undefined,
      hint: '--list and the log show them. A key itself has no place here',
    }),
    ...(['scopes', 'connections', 'rate'] as const).map((option): [boolean, string] => [
      !creates && given[option] !== undefined,
      `--${option} is for a new caller`,
    ]),
  ];
  return [...applying(faults), ...(creates && isNew(given) ? grantFaults(given) : [])];
}

/** Grants only what was requested explicitly. */
function grantFaults({ scopes: asked, connections, rate }: Given): string[] {
  const granted = split(asked);
  const chosen = split(connections);
  const known: readonly string[] = [...scopes, '*'];
  const faults: Faults = [
    [granted.length === 0, '--scopes is missing: what may it do?'],
    ...granted.map((scope): [boolean, string] => [
      !known.includes(scope),
      `there is no scope "${scope}"${alike(scope, known)}`,
    ]),
    [chosen.length === 0, "--connections is missing: which may it use? Their ids, or '*' for all"],
    [chosen.length > 1 && chosen.includes('*'), "--connections: ids, or '*' alone"],
    [rate === undefined, '--rate is missing: how many requests a second may it make? A number, or none for no limit'],
    [rate !== undefined && rate !== 'none' && !(Number(rate) > 0), `--rate ${rate} is no number above 0, nor none`],
  ];
  return applying(faults);
}

/** The scopes of the same noun, as suggestions for one that is misspelt. */
function alike(scope: string, known: readonly string[]): string {
  const same = known.filter((other) => other.split(':')[0] === scope.split(':')[0]);
  return same.length > 0 ? `; there is ${same.join(', ')}` : '';
}

const split = (list = '') =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

runFileCommand({
  usage,
  creates: 'key',
  parse,
  faults: faultsIn,
  run,
});
