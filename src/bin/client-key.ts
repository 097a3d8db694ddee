import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { callerEntry, type Scope, scopes } from '../callers.ts';

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

const usage = `npm run client-key -- NAME --scopes a,b [--connections id,id] [--rate N]
(in the image: client-key NAME --scopes a,b ...)

Makes a key for a calling service, prints it once, and prints the entry for CLIENTS_FILE.

  NAME           of the calling service: letters, digits, . _ -
  --scopes       what it may do, any of these, or * for all:
${scopes.map((scope) => `                   ${scope.padEnd(20)} ${allows[scope]}`).join('\n')}
  --connections  ids of the WATI connections that it may use; all, if not given
  --rate         requests a second that it may make; no limit of its own, if not given

Exit codes: 0 made, 2 not understood (and no key was made).
Example: npm run client-key -- billing --scopes messages:send,messages:read,templates:read`;

/** `npm run client-key`: the key is printed here and kept nowhere. */
function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scopes: { type: 'string' },
      connections: { type: 'string', default: '*' },
      rate: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const [name, ...more] = positionals;
  const granted = split(values.scopes ?? '');
  const faults = faultsIn({ name, more, granted, rate: values.rate });
  if (name === undefined || faults.length > 0) {
    console.error(`No key was made:\n  - ${faults.join('\n  - ')}\n\n${usage}`);
    return 2;
  }
  const key = `wbff_${randomBytes(32).toString('base64url')}`;
  const entry = callerEntry(name, key, granted, {
    connections: split(values.connections),
    ...(values.rate !== undefined && { ratePerSecond: Number(values.rate) }),
  });
  console.log(`Key of ${name} (shown only now, and kept nowhere):

  ${key}

Its scopes: ${granted.includes('*') ? 'all' : granted.join(', ')}. Its connections: ${values.connections === '*' ? 'all' : values.connections}.

Add to the list [...] in CLIENTS_FILE; a running service takes it within a second:

${JSON.stringify(entry, null, 2)}`);
  return 0;
}

/** All that is wrong with the arguments, at once. What is left, the rules of the file find. */
function faultsIn(asked: { name?: string | undefined; more: string[]; granted: string[]; rate?: string | undefined }) {
  const { name, more, granted, rate } = asked;
  const known: readonly string[] = [...scopes, '*'];
  const unknown = granted.filter((scope) => !known.includes(scope));
  return [
    ...(name === undefined ? ['the NAME of the calling service is missing'] : []),
    ...(name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)
      ? [`"${name}" is no name: up to 64 letters, digits, . _ - and first a letter or digit`]
      : []),
    ...(more.length > 0 ? [`one NAME, not several: ${more.join(' ')} (commas, no spaces, between scopes)`] : []),
    ...(granted.length === 0 ? ['--scopes is missing: what may it do?'] : []),
    ...unknown.map((scope) => `there is no scope "${scope}"${alike(scope, known)}`),
    ...(rate !== undefined && !(Number(rate) > 0) ? [`--rate ${rate} is no number above 0`] : []),
  ];
}

/** The scopes of the same noun, for one that is misspelt. */
function alike(scope: string, known: readonly string[]): string {
  const same = known.filter((other) => other.split(':')[0] === scope.split(':')[0]);
  return same.length > 0 ? `; there is ${same.join(', ')}` : '';
}

const split = (list: string) =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

try {
  process.exitCode = main();
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
