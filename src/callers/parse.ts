import { hash } from 'node:crypto';
import { Ajv } from 'ajv';
import ipaddr from 'ipaddr.js';
import { typesNamed } from '../events/event-types.ts';
import { Type } from '../lib/type.ts';
import { countriesFault } from '../recipients/countries.ts';
import { CallerEntry, keysOf, lastMsOf } from './entry.ts';
import { assertList, ListFileFault, parseJsonFile } from './list-file.ts';
import { sandboxKey } from './sandbox-key.ts';
import { eventFault, faultInWords, isSecret, whoIs } from './words.ts';

/** Names that logs, metrics and the rate limiter use for other things. */
const reserved = ['wati-bff', 'none', 'sandbox', 'operator', 'all'];

const validate = new Ajv({
  allErrors: true,
  verbose: true,
  meta: false,
  validateSchema: false,
  code: { optimize: false },
}).compile<CallerEntry[]>(Type.Array(CallerEntry));

/** Parses the text of a callers file. Throws a ListFileFault that lists all faults. */
export const parseCallers = (text: string): CallerEntry[] => checkEntries(parseJsonFile(text));

/** The same for JSON that is already parsed. */
export function checkEntries(entries: unknown): CallerEntry[] {
  assertList(entries);
  if (!validate(entries)) {
    const faults = (validate.errors ?? []).map((fault) => faultInWords(fault, entries));
    throw new ListFileFault([...new Set(faults)]);
  }
  const faults = [...entries.flatMap((entry, at) => faultsOf(entry, whoIs(entries, at))), ...twice(entries)];
  if (faults.length > 0) throw new ListFileFault(faults);
  return entries;
}

/** Rules for one entry that the schema cannot express. */
function faultsOf(entry: CallerEntry, who: string): string[] {
  const { name, id = name, addresses = [], countries = [], events = [], inbound = 'own' } = entry;
  const hearsOthers = inbound !== 'own';
  const unknownCountry = countriesFault(countries);
  const keys = keysOf(entry);
  const sandboxHash = hash('sha256', sandboxKey);
  const faults: [boolean, string][] = [
    [unknownCountry !== undefined, `countries: ${unknownCountry}`],
    [isSecret(name) || isSecret(id), 'its name or id looks like a key or a hash'],
    [reserved.includes(name.toLowerCase()), `the name is reserved, as are ${reserved.join(', ')}; choose another`],
    [id !== name && reserved.includes(id.toLowerCase()), `the id is reserved, as are ${reserved.join(', ')}`],
    [keys.length === 0, 'it has no key; `npm run client-key` makes one with its entry in "keys"'],
    [keys.some(({ sha256 }) => sha256 === sandboxHash), 'it has the key of the sandbox, which everybody knows'],
    ...keys.map(({ notAfter }, at): [boolean, string] => [
      notAfter !== undefined && Number.isNaN(lastMsOf(notAfter)),
      `notAfter of key ${at + 1} is no time such as 2027-01-31 or 2027-01-31T12:00:00Z`,
    ]),
    ...addresses.map((address, at): [boolean, string] => [
      !isRange(address),
      `address ${at + 1} is no address or range such as 10.1.2.3, 10.0.0.0/8 or fd00::/8`,
    ]),
    ...events.map((pattern, at): [boolean, string] => {
      const fault = eventFault(pattern);
      return [fault !== undefined, `event ${at + 1} ${fault}`];
    }),
    [
      hearsOthers && !events.some((pattern) => typesNamed(pattern).includes('message.received')),
      `"inbound" is "${inbound}", but its "events" do not name message.received: add it, or leave "inbound" out`,
    ],
  ];
  return faults.flatMap(([wrong, what]) => (wrong ? [`${who}: ${what}`] : []));
}

const isRange = (address: string): boolean =>
  // inet_aton accepts `10.1` as an address; here it is a mistake.
  ipaddr.IPv4.isValidFourPartDecimal(address) ||
  ipaddr.IPv4.isValidCIDRFourPartDecimal(address) ||
  // A zone is meaningful on one machine only.
  (!address.includes('%') &&
    (ipaddr.IPv6.isValid(address) || (ipaddr.IPv6.isValidCIDR(address) && !isHalfMapped(address))));

/** `::ffff:10.0.0.0/8` looks like 10.0.0.0/8 and means ::/8, which would allow other addresses. */
function isHalfMapped(range: string): boolean {
  const [address, bits] = ipaddr.IPv6.parseCIDR(range);
  return bits < 96 && address.isIPv4MappedAddress();
}

/** Names and ids are compared without case. A name must not be the id of another entry. */
function twice(entries: readonly CallerEntry[]): string[] {
  const faults: string[] = [];
  const words = new Map<string, number>();
  const hashes = new Map<string, number>();
  for (const [at, entry] of entries.entries()) {
    const { name, id = name } = entry;
    for (const word of new Set([name.toLowerCase(), id.toLowerCase()])) {
      const other = words.get(word);
      if (other === undefined) words.set(word, at);
      else faults.push(`${name}: its name or id is that of ${whoIs(entries, other)} too; upper and lower case are one`);
    }
    for (const { sha256 } of keysOf(entry)) {
      const other = hashes.get(sha256);
      if (other === undefined) hashes.set(sha256, at);
      else if (other === at) faults.push(`${name}: it has the same key twice`);
      else faults.push(`${name}: it has the same key as ${whoIs(entries, other)}`);
    }
  }
  return faults;
}
