import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { isLoopback } from '../lib/loopback.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { type AddressRule, addressRule } from './address-rules.ts';
import { type AllowedHosts, defaultPort } from './allowed-hosts.ts';

/** Why a webhook's address is not called. */
export type UrlRule = 'scheme' | 'userinfo' | 'fragment' | 'host' | 'port' | 'name' | 'own-listener' | AddressRule;

/** The message is shown to the caller, so it contains no resolved address. */
export class UrlRefused extends Error {
  override readonly name = 'UrlRefused';
  readonly rule: UrlRule;

  constructor(rule: UrlRule, detail: string) {
    super(`${detail} (rule: ${rule})`);
    this.rule = rule;
  }
}

/** Decides where webhooks may go. Asked when an endpoint is created, and again for each connection. */
export interface Destinations {
  /** Whether the operator allows any host. */
  readonly isOpen: boolean;
  /**
   * Returns the URL in the form in which it is called. Throws UrlRefused; returns undefined if the text is not a URL.
   */
  parse(text: string): URL | undefined;
  /**
   * Resolves a host and returns its addresses if all of them are allowed. Throws UrlRefused, with the rule `name` if
   * the name does not resolve.
   */
  resolve(hostname: string, port: number): Promise<LookupAddress[]>;
  /** The same for a literal address, without a DNS lookup. */
  assertAddress(address: string, port: number): void;
}

export interface DestinationOptions {
  allowed: AllowedHosts;
  lookup: (hostname: string) => Promise<LookupAddress[]>;
  /** Returns whether a listener of this service has this address. */
  isOwnListener: (address: string, port: number) => boolean;
  /** Time limit of a DNS lookup, because the system's resolver may take minutes. */
  lookupMs?: number;
  /** Base URLs under which callers and WATI reach this service. */
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
      // One forbidden address makes the whole name forbidden, because which address is used depends on chance.
      for (const { address } of addresses) check(address, port, 'resolves to');
      return addresses;
    },
    assertAddress: (address, port) => check(address, port, 'is'),
  };
}

/** Explains why a text is not a URL, including a host that was read as a scheme. */
export const withoutScheme = 'write it with https:// (or http://)';

function assertForm(text: string, url: URL): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new UrlRefused('scheme', text.includes('://') ? 'it must begin with https:// (or http://)' : withoutScheme);
  }
  // URL parsing drops empty parts: `https://@host/`, `https://host/#`.
  const [authority = ''] = text.replace(/^[^:]*:[/\\]*/, '').split(/[/\\?#]/, 1);
  if (url.username !== '' || url.password !== '' || authority.includes('@')) {
    throw new UrlRefused('userinfo', 'it has a user name or password in front of its host');
  }
  if (text.includes('#')) throw new UrlRefused('fragment', 'it has a fragment (#), which is never sent');
}

/** Returns whether a URL leads to the base URL of this service, or below it. */
function isWithin(url: URL, base: string): boolean {
  const own = URL.parse(base);
  if (own === null || own.hostname !== url.hostname || portOf(own) !== portOf(url)) return false;
  const path = own.pathname.replace(/\/$/, '');
  return url.pathname === path || url.pathname.startsWith(`${path}/`);
}

export const portOf = ({ protocol, port }: Pick<URL, 'protocol' | 'port'>): number =>
  port === '' ? defaultPort(protocol) : Number(port);

/** Returns the address in a URL's host; undefined if it is a name. */
export function literalOf({ hostname }: Pick<URL, 'hostname'>): string | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) === 0 ? undefined : bare;
}

const bracketed = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);

/** Checks the addresses to which a URL resolves now. */
export async function assertReachable(destinations: Destinations, url: URL): Promise<void> {
  const literal = literalOf(url);
  if (literal === undefined) await destinations.resolve(url.hostname, portOf(url));
  else destinations.assertAddress(literal, portOf(url));
}
