import { isLoopback } from '../lib/loopback.ts';

export type StoreTls = 'require' | 'off';

/** TLS parameters of a database URL that `pg` reads. */
const MODES: Readonly<Record<string, StoreTls>> = {
  disable: 'off',
  // With these `pg` accepts a connection without TLS, or any certificate, so that a machine in the middle can read along.
  allow: 'off',
  prefer: 'off',
  'no-verify': 'off',
  require: 'require',
  'verify-ca': 'require',
  'verify-full': 'require',
};

interface Asked {
  /** STORE_URL. */
  url: string;
  /** STORE_TLS. */
  tls: StoreTls | undefined;
  /** PGHOST, if the address names no host. */
  pgHost: string | undefined;
}

/**
 * Whether the database connection uses TLS: always over a network, unless STORE_TLS is explicitly `off`. The records contain
 * personal data, and the address a password. A fault names the settings that contradict each other and never quotes the
 * address.
 */
export function readStoreTls({ url, tls, pgHost }: Asked, faults: string[]): StoreTls {
  if (!/^postgres(ql)?:/.test(url)) return 'off';
  const address = read(url);
  if (address === undefined) {
    faults.push('STORE_URL is not a URL');
    return 'require';
  }
  const said = saidBy(address.searchParams, faults);
  const isLocal = isLocalHost(hostOf(address) || pgHost || 'localhost');
  const meant = tls ?? (isLocal ? (said ?? 'off') : 'require');
  if (meant === 'require' && said === 'off') {
    faults.push(
      tls === undefined
        ? 'STORE_URL asks for no TLS, or for none that is verified, over a network; take sslmode out of it, or set STORE_TLS=off to send records and the password in plain text'
        : 'STORE_TLS=require contradicts STORE_URL, whose sslmode or ssl asks for no TLS, or for none that is verified; take that out',
    );
  }
  if (meant === 'off' && said === 'require') {
    faults.push('STORE_TLS=off contradicts STORE_URL, which asks for TLS; take one of the two out');
  }
  return meant;
}

/** Parsed as `pg` does, which allows an empty host after a user. */
const NO_HOST = 'no-host.invalid';
const read = (url: string): URL | undefined =>
  URL.parse(url) ?? URL.parse(url.replace('@/', `@${NO_HOST}/`)) ?? undefined;

/** The last `host` in the query counts, and takes precedence over that of the address. */
function hostOf(address: URL): string {
  const named = address.searchParams.getAll('host').at(-1);
  if (named) return named;
  return address.hostname === NO_HOST ? '' : decodeURIComponent(address.hostname);
}

const isLocalHost = (host: string): boolean => host.startsWith('/') || isLoopback(host);

function saidBy(query: URLSearchParams, faults: string[]): StoreTls | undefined {
  const said = new Set<StoreTls>();
  for (const mode of query.getAll('sslmode')) {
    const meant = Object.hasOwn(MODES, mode) ? MODES[mode] : undefined;
    if (meant === undefined) faults.push('STORE_URL has an sslmode that is not known; verify-full is meant, or none');
    else said.add(meant);
  }
  for (const ssl of query.getAll('ssl')) said.add(ssl === 'true' || ssl === '1' ? 'require' : 'off');
  for (const name of ['sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation']) if (query.has(name)) said.add('require');
  // With `uselibpqcompat`, `require` accepts any certificate.
  if (query.has('uselibpqcompat')) said.add('off');
  if (said.size > 1) faults.push('STORE_URL contradicts itself on TLS: its ssl parameters do not say the same');
  return said.has('off') ? 'off' : [...said][0];
}
