import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { isLoopback } from '../lib/loopback.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { type AddressRule, addressRule } from './address-rules.ts';
import { type AllowedHosts, defaultPort } from './allowed-hosts.ts';

/** Why an address of a webhook is not called. */
export type UrlRule = 'scheme' | 'userinfo' | 'fragment' | 'host' | 'port' | 'name' | 'own-listener' | AddressRule;

/** The sentence is for the caller: it names no address that a name leads to. */
export class UrlRefused extends Error {
  override readonly name = 'UrlRefused';
  readonly rule: UrlRule;

  constructor(rule: UrlRule, detail: string) {
    super(`${detail} (rule: ${rule})`);
    this.rule = rule;
  }
}

/** Where webhooks may go, asked when an endpoint is made and again for each connection. */
export interface Destinations {
  /** Whether the operator lets any host be called. */
  readonly isOpen: boolean;
  /** What is called, in the form in which it is called. Throws a UrlRefused; undefined: the text is no URL. */
  parse(text: string): URL | undefined;
  /** The addresses of a host, once all of them are found to be fit. Throws a UrlRefused, with the rule `name` where there is none. */
  resolve(hostname: string, port: number): Promise<LookupAddress[]>;
  /** The same of a literal, which needs no look-up. */
  assertAddress(address: string, port: number): void;
}

export interface DestinationOptions {
  allowed: AllowedHosts;
  lookup: (hostname: string) => Promise<LookupAddress[]>;
  /** Whether a listener of this service is there. */
  isOwnListener: (address: string, port: number) => boolean;
  /** The system may look for minutes. */
  lookupMs?: number;
  /** Under which callers and WATI reach this service. */
  ownUrls?: readonly string[];
}

const ofAddress: Readonly<Record<AddressRule, string>> = {
  unspecified: 'an unspecified address',
  loopback: 'a loopback address, which the operator has not listed itself',
  'link-local': 'a link-local address',
  multicast: 'a multicast address',
  reserved: 'an address that is reserved or of no known use',
  metadata: 'a metadata service of a cloud',
};

export function createDestinations(options: DestinationOptions): Destinations {
  const { allowed, lookup, isOwnListener, lookupMs = 3_000, ownUrls = [] } = options;
  const check = (address: string, port: number, how: 'is' | 'resolves to') => {
    const rule = addressRule(address);
    const isListed = rule === 'loopback' && isLoopback(bracketed(address)) && allowed.lists(address, port);
    if (rule !== undefined && !isListed) throw new UrlRefused(rule, `its host ${how} ${ofAddress[rule]}`);
    if (isOwnListener(address, port)) throw new UrlRefused('own-listener', `its host ${how} this service itself`);
  };
  return {
    isOpen: !allowed.isEmpty,
    parse: (text) => {
      const url = URL.parse(text);
      if (!url) return undefined;
      assertForm(text, url);
      const lacking = allowed.missing(url);
      if (lacking !== undefined) throw new UrlRefused(lacking, allowed.explain(lacking, url));
      if (ownUrls.some((own) => isWithin(url, own))) {
        throw new UrlRefused('own-listener', 'it is an address of this service itself');
      }
      return url;
    },
    resolve: async (hostname, port) => {
      const addresses = await withTimeout(lookup(hostname), lookupMs, () => []).catch(() => []);
      if (addresses.length === 0) throw new UrlRefused('name', 'its host cannot be resolved');
      // One that is unfit makes all of them so: which one is taken would be chance.
      for (const { address } of addresses) check(address, port, 'resolves to');
      return addresses;
    },
    assertAddress: (address, port) => check(address, port, 'is'),
  };
}

/** For a URL that is none, or whose host is read as its scheme. */
export const withoutScheme = 'write it with https:// (or http://)';

function assertForm(text: string, url: URL): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new UrlRefused('scheme', text.includes('://') ? 'it must begin with https:// (or http://)' : withoutScheme);
  }
  // The parser drops empty ones, `https://@host/` and `https://host/#`.
  const [authority = ''] = text.replace(/^[^:]*:[/\\]*/, '').split(/[/\\?#]/, 1);
  if (url.username !== '' || url.password !== '' || authority.includes('@')) {
    throw new UrlRefused('userinfo', 'it has a user name or password in front of its host');
  }
  if (text.includes('#')) throw new UrlRefused('fragment', 'it has a fragment (#), which is never sent');
}

/** Whether a URL leads to where this service is reached, or below it. */
function isWithin(url: URL, base: string): boolean {
  const own = URL.parse(base);
  if (own === null || own.hostname !== url.hostname || portOf(own) !== portOf(url)) return false;
  const path = own.pathname.replace(/\/$/, '');
  return url.pathname === path || url.pathname.startsWith(`${path}/`);
}

export const portOf = ({ protocol, port }: Pick<URL, 'protocol' | 'port'>): number =>
  port === '' ? defaultPort(protocol) : Number(port);

/** The address in a host of a URL; undefined: it is a name. */
export function literalOf({ hostname }: Pick<URL, 'hostname'>): string | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) === 0 ? undefined : bare;
}

const bracketed = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);

/** Checks the addresses that a URL leads to now. */
export async function assertReachable(destinations: Destinations, url: URL): Promise<void> {
  const literal = literalOf(url);
  if (literal === undefined) await destinations.resolve(url.hostname, portOf(url));
  else destinations.assertAddress(literal, portOf(url));
}
