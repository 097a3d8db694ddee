import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Reasons why an address is never called. */
export type AddressRule = 'unspecified' | 'loopback' | 'link-local' | 'multicast' | 'reserved' | 'metadata';

/**
 * Metadata services of clouds, which hand a machine's credentials to any process that asks from it. The usual one is
 * also link-local.
 */
const metadata = [
  [ipaddr.IPv4.parse('169.254.169.254'), 32],
  [ipaddr.IPv4.parse('100.100.100.200'), 32],
  [ipaddr.IPv4.parse('168.63.129.16'), 32],
] as const;
const metadataV6 = [
  [ipaddr.IPv6.parse('fd00:ec2::'), 32],
  [ipaddr.IPv6.parse('fd20:ce::'), 32],
] as const;

/** Private addresses are allowed, because receivers are services inside the company. */
const callable: readonly string[] = ['unicast', 'private', 'carrierGradeNat', 'uniqueLocal'];

const named: Readonly<Record<string, AddressRule>> = {
  unspecified: 'unspecified',
  loopback: 'loopback',
  linkLocal: 'link-local',
  deprecatedSiteLocal: 'link-local',
  multicast: 'multicast',
};

/** Unassigned blocks are refused, because they may be assigned to anything later. */
const globalUnicast = [ipaddr.IPv6.parse('2000::'), 3] as const;

/**
 * Returns the rule that forbids a literal address; undefined if it may be called. An address that embeds another one
 * (IPv4-mapped, NAT64, 6to4, Teredo, ISATAP) is judged by the embedded one. Anything that is not an address in its
 * usual form counts as reserved.
 */
export function addressRule(text: string): AddressRule | undefined {
  const family = isIP(text);
  if (family === 0) return 'reserved';
  if (family === 4) return ruleOfV4(ipaddr.IPv4.parse(text));
  // A zone names a link of this machine.
  return text.includes('%') ? 'link-local' : ruleOfV6(parseV6(text));
}

/** Compares in hexadecimal, because ipaddr.js takes `::10.0.0.1` for `::ffff:10.0.0.1`. */
const parseV6 = (text: string) => ipaddr.IPv6.parse(new URL(`http://[${text}]`).hostname.slice(1, -1));

function ruleOfV4(address: ipaddr.IPv4): AddressRule | undefined {
  if (metadata.some(([range, bits]) => address.match(range, bits))) return 'metadata';
  return ruleOfRange(address.range());
}

const ruleOfRange = (range: string): AddressRule | undefined =>
  callable.includes(range) ? undefined : (named[range] ?? 'reserved');

function ruleOfV6(address: ipaddr.IPv6): AddressRule | undefined {
  if (metadataV6.some(([range, bits]) => address.match(range, bits))) return 'metadata';
  const range = address.range();
  const inner = innerAddresses(address, range);
  for (const each of inner) {
    const rule = ruleOfV4(each);
    if (rule !== undefined) return rule;
  }
  // These forms lead to the embedded address and nowhere else. A translator in a prefix of its own (RFC 8215) may
  // embed it in other ways.
  if (['ipv4Mapped', 'rfc6052', '6to4'].includes(range) && !isLocalNat64(address)) return undefined;
  if (range === 'unicast' && !address.match(...globalUnicast)) return 'reserved';
  return ruleOfRange(range);
}

const isLocalNat64 = ({ parts }: ipaddr.IPv6) => parts[0] === 0x64 && parts[2] === 1;

/** Returns the IPv4 addresses at which packets to this address may end. */
function innerAddresses(address: ipaddr.IPv6, range: string): ipaddr.IPv4[] {
  const bytes = address.toByteArray();
  const at = (...places: number[]) => new ipaddr.IPv4(places.map((place) => bytes[place] ?? 0));
  const last = at(12, 13, 14, 15);
  switch (range) {
    case 'ipv4Mapped':
    case 'rfc6145':
      return [last];
    case 'rfc6052':
      return isLocalNat64(address) ? [] : [last];
    case '6to4':
      return [at(2, 3, 4, 5)];
    case 'teredo':
      return [at(4, 5, 6, 7), new ipaddr.IPv4(last.octets.map((octet) => octet ^ 0xff))];
    default:
      return isCompatible(address) || isIsatap(address) ? [last] : [];
  }
}

/** The oldest form, `::10.0.0.1`. `::` and `::1` have rules of their own. */
const isCompatible = ({ parts }: ipaddr.IPv6) =>
  parts.slice(0, 6).every((part) => part === 0) && (parts[6] !== 0 || (parts[7] ?? 0) > 1);

/** RFC 5214: the last 64 bits are `0:5efe` or `200:5efe` followed by the address. */
const isIsatap = ({ parts }: ipaddr.IPv6) => (parts[4] === 0 || parts[4] === 0x200) && parts[5] === 0x5efe;

/** Compares addresses regardless of spelling; an IPv4-mapped address equals its IPv4 address. */
export const sameAddress = (one: string, other: string): boolean => plain(one) === plain(other);

const plain = (address: string): string => ipaddr.process(address).toNormalizedString();
