import { isIP } from 'node:net';
import { isLoopback } from '../lib/loopback.ts';
import { addressRule } from './address-rules.ts';

interface Entry {
  /**
   * In the form that URL parsing gives: lower case, punycode, canonical addresses. For an entry with `*.`, the
   * suffix.
   */
  host: string;
  isSuffix: boolean;
  /** Absent: the default port of the scheme. */
  port?: number;
  /** Plain http is allowed as well as https. */
  http: boolean;
}

/** The hosts that the operator allows webhooks to call. */
export interface AllowedHosts {
  /** True if no host may be called. */
  readonly isEmpty: boolean;
  /** Returns which part of a URL is not listed: its host, port or scheme. */
  missing(url: Pick<URL, 'protocol' | 'hostname' | 'port'>): 'host' | 'port' | 'scheme' | undefined;
  /** Describes that part and the remedy for the caller. */
  explain(lacking: 'host' | 'port' | 'scheme', url: Pick<URL, 'protocol' | 'hostname' | 'port'>): string;
  /** Returns whether this literal address and port are listed. */
  lists(address: string, port: number): boolean;
}

const entriesMax = 100;
const form = /^(https?:\/\/)?(\*\.)?(\[[0-9a-f:.]{2,45}\]|[^\s/\\:@?#%*[\]]{1,253})(?::(\d{1,5}))?$/i;

/** Labels of a name at any depth, which a `*` matches. */
const labels = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,30}$/;

export const defaultPort = (protocol: string): number => (protocol === 'http:' ? 80 : 443);

/**
 * Parses WEBHOOK_ALLOWED_HOSTS, for example `hooks.example.com, *.internal.example:8443, http://127.0.0.1:9000`.
 * Fault messages do not quote entries.
 */
export function readAllowedHosts(text: string): { hosts: AllowedHosts; faults: string[] } {
  const words = text.split(',').map((word) => word.trim());
  const given = text.trim() === '' ? [] : words;
  const read = given.map(readEntry);
  const faults = read.flatMap((entry, at) =>
    typeof entry === 'string' ? [`WEBHOOK_ALLOWED_HOSTS: entry ${at + 1} ${entry}`] : [],
  );
  if (given.length > entriesMax) faults.push(`WEBHOOK_ALLOWED_HOSTS has more than ${entriesMax} entries`);
  return { hosts: allowedHosts(read.filter((entry) => typeof entry !== 'string')), faults };
}

/** Parses one entry, or returns its fault. */
function readEntry(word: string): Entry | string {
  const [, scheme = '', wildcard, name = '', port] = form.exec(word) ?? [];
  const host = URL.parse(`http://${name}`)?.hostname;
  if (name === '' || host === undefined || host === '') {
    return 'is no host: write hooks.example.com, *.example.com, host:8443 or http://host';
  }
  if (host.endsWith('.') || host.startsWith('.')) return 'must not begin or end with a dot';
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return 'has no port from 1 to 65535';
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) {
    if (wildcard !== undefined) return 'is an address behind `*.`: an asterisk stands for names alone';
    const rule = addressRule(bare);
    // A loopback address is allowed only if it is written out.
    if (rule !== undefined && !isLoopback(host)) return `is an address that is never called (${rule})`;
  }
  if (host === 'metadata.google.internal') return 'is a metadata service, which is never called';
  const http = scheme.toLowerCase() === 'http://';
  return { host, isSuffix: wildcard !== undefined, http, ...(port !== undefined && { port: Number(port) }) };
}

/** For the sandbox: every port of this machine, and nothing else. */
export const loopbackHosts: AllowedHosts = {
  isEmpty: false,
  missing: ({ hostname }) => (isLoopback(hostname) ? undefined : 'host'),
  explain: (_, { hostname }) => `\`${hostname}\` is not called: the sandbox calls only addresses of this machine`,
  lists: () => true,
};

function allowedHosts(entries: readonly Entry[]): AllowedHosts {
  const named = (hostname: string) =>
    entries.filter(({ host, isSuffix }) =>
      isSuffix ? hostname.endsWith(`.${host}`) && labels.test(hostname.slice(0, -1 - host.length)) : hostname === host,
    );
  return {
    isEmpty: entries.length === 0,
    missing: ({ protocol, hostname, port }) => {
      const ofHost = named(hostname);
      if (ofHost.length === 0) return 'host';
      const ofPort = ofHost.filter((entry) => isAt(entry, protocol, port));
      if (ofPort.length === 0) return 'port';
      return protocol === 'https:' || ofPort.some(({ http }) => http) ? undefined : 'scheme';
    },
    explain: (lacking, { hostname, protocol }) => {
      const host = `\`${hostname}\``;
      if (lacking === 'host') {
        const bare = hostname.replace(/^\[|\]$/g, '');
        if (isIP(bare) !== 0 && addressRule(bare) !== undefined && !isLoopback(hostname))
          return `${host} is an address that is never called`;
        return `${host} is not among the hosts that may be called; ask your operator to add it to WEBHOOK_ALLOWED_HOSTS`;
      }
      if (lacking === 'port') {
        const ports = [...new Set(named(hostname).map((entry) => entry.port ?? defaultPort(protocol)))];
        return `${host} may be called at port ${ports.join(', ')} alone; ask your operator to add another one to WEBHOOK_ALLOWED_HOSTS`;
      }
      return `${host} may be called over https:// alone; ask your operator to write it with http:// in WEBHOOK_ALLOWED_HOSTS`;
    },
    lists: (address, port) =>
      named(isIP(address) === 6 ? `[${address}]` : address).some(
        (entry) => entry.port === port || (entry.port === undefined && (port === 443 || (port === 80 && entry.http))),
      ),
  };
}

/** `port` as URL parsing gives it: empty for the default port of the scheme. */
function isAt(entry: Entry, protocol: string, port: string): boolean {
  if (entry.port === undefined) return port === '';
  return entry.port === (port === '' ? defaultPort(protocol) : Number(port));
}
