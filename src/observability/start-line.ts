import type { FastifyBaseLogger } from 'fastify';
import { type Callers, hasScope } from '../callers.ts';
import type { Config } from '../config.ts';
import type { Readiness } from '../readiness.ts';

type ShownConfig = Pick<
  Config,
  'STORE_URL' | 'DOCS' | 'MATON_GATEWAY_URL' | 'MATON_CONTROL_URL' | 'MATON_CONNECTION_ID'
>;

export interface StartLine {
  version: string;
  config: ShownConfig;
  callers: Pick<Callers, 'list'>;
  readiness: Pick<Readiness, 'check'>;
  /** The address that the service listens on, as a URL without a path. */
  origin: string;
}

/** The most checks while the gateway is unreachable. Each waits up to a second for a pending answer, and not at all after a failure. */
const checksMax = 10;

/** One line when the service listens: what runs, and whether it can work. Contains no key, and no password of a database. */
export async function logStart(logger: FastifyBaseLogger, start: StartLine): Promise<void> {
  const { version, config, callers, readiness, origin } = start;
  for (const [setting, host] of foreignHosts(config)) {
    logger.warn({ setting, host }, `${setting} is no host of Maton: the Maton key and what is sent go there`);
  }
  const connectors = callers.list().filter(({ caller }) => hasScope(caller, 'connections:write'));
  if (config.MATON_CONNECTION_ID === undefined && connectors.length > 0) {
    const names = connectors.map(({ caller }) => caller.name);
    logger.warn(
      { setting: 'MATON_CONNECTION_ID', callers: names },
      'MATON_CONNECTION_ID is not set, and callers may connect accounts: set it, so that none of them becomes the only one',
    );
  }
  let state = await readiness.check();
  for (let checks = 1; checks < checksMax && state.gateway === 'unreachable'; checks += 1) {
    state = await readiness.check();
  }
  const { status, key, gateway, connection } = state;
  const facts = {
    version,
    store: `${storeKind(config.STORE_URL)}, ${state.store}`,
    callers: callers.list().length,
    gateway,
    key,
    connection,
    ...(config.MATON_CONNECTION_ID !== undefined && { connectionId: config.MATON_CONNECTION_ID }),
    docs: config.DOCS === 'off' ? 'off' : `${origin}/docs`,
  };
  if (status === 'ready' && gateway === 'reachable' && connection !== 'changed')
    logger.info(facts, 'started, and ready');
  else logger.warn(facts, 'started, and cannot do all its work yet: `npm run check` says more');
}

function storeKind(url: string): string {
  if (url === 'memory:') return 'memory';
  return url.startsWith('postgres') ? 'PostgreSQL' : 'SQLite';
}

/** Settings that send the key to other hosts than Maton's, with the hosts; a proxy or a simulator may be intended. */
function foreignHosts(config: ShownConfig): [setting: string, host: string][] {
  const settings = ['MATON_GATEWAY_URL', 'MATON_CONTROL_URL'] as const;
  return settings.flatMap((setting): [string, string][] => {
    const { hostname, host } = new URL(config[setting]);
    return hostname === 'maton.ai' || hostname.endsWith('.maton.ai') ? [] : [[setting, host]];
  });
}
