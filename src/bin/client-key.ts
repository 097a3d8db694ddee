import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { callerEntry, scopes } from '../callers.ts';

const usage = `npm run client-key -- NAME --scopes a,b [--connections id,id] [--rate N]

Makes a key, prints it once, and prints the entry for CLIENTS_FILE.
Scopes: ${scopes.join(', ')}, or *. Connections: ids, or * (default).`;

/** `npm run client-key`: the key is printed here and kept nowhere. */
function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scopes: { type: 'string' },
      connections: { type: 'string', default: '*' },
      rate: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [name] = positionals;
  if (values.help || name === undefined || values.scopes === undefined) {
    console.error(usage);
    return values.help ? 0 : 2;
  }
  const key = `wbff_${randomBytes(32).toString('base64url')}`;
  const entry = callerEntry(name, key, split(values.scopes), {
    connections: split(values.connections),
    ...(values.rate !== undefined && { ratePerSecond: Number(values.rate) }),
  });
  console.log(`Key (shown only now):\n\n  ${key}\n\nAdd to CLIENTS_FILE:\n\n${JSON.stringify(entry, null, 2)}`);
  return 0;
}

const split = (list: string) => list.split(',').map((item) => item.trim());

try {
  process.exitCode = main();
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
