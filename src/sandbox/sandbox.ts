import { hash } from 'node:crypto';
import { createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { createProcessMetrics } from '../../plugins/metrics.ts';
import { buildApp, retentionOf, type Seams } from '../app.ts';
import { sandboxKey } from '../callers/sandbox-key.ts';
import { fixedCallers } from '../callers.ts';
import { type Config, loadConfig } from '../config.ts';
import { type Simulator, startSimulator } from '../simulator/simulator.ts';
import { openStore, type Store } from '../store/open.ts';
import { openDispatchers } from '../upstream/dispatchers.ts';
import { recordExamples } from './example-records.ts';
import { type Front, openFront } from './front.ts';

export interface Sandbox {
  /** Of the service, and of `/_sandbox`. */
  readonly url: string;
  readonly gatewayUrl: string;
  close(): Promise<void>;
}

interface SandboxOptions {
  /** What its ids are made from; by default they are random. */
  readonly seed?: string | undefined;
  readonly logger: (config: Config) => Seams['logger'];
}

/** HOST, where it means every interface. */
const everywhere = /^(0\.0\.0\.0|::)$/;

/** A simulated Maton and WATI, and the service in front of it. A reset puts a new service in the place of the old one. */
export async function startSandbox(
  environment: Readonly<Record<string, string | undefined>>,
  { seed, logger: loggerFor }: SandboxOptions,
): Promise<Sandbox> {
  const settings = settingsOf(environment);
  const { MATON_RATE_PER_SECOND: rate, HOST: host, PORT: port } = settings;
  const opened = Promise.withResolvers<Front>();
  const simulator = await startSimulator({
    seed,
    gatewayPort: await freePort(port === 0 ? 0 : port + 1),
    // In a container its ledger is to be read from outside, as the service is.
    ...(everywhere.test(host) && { gatewayHost: host }),
    // From there on the service keeps no limit, WATI's neither.
    ...(rate < 100_000
      ? { perSecond: rate, plan: settings.WATI_PLAN }
      : { perSecond: Number.POSITIVE_INFINITY, plan: 'none' }),
    deadlineMs: settings.UPSTREAM_TIMEOUT_MS * 1.5,
    steering: {
      reset: async (next) => (await opened.promise).replace(() => reset(next)),
      advance: async (ms) => {
        await opened.promise;
        simulator.clock.advance(ms);
        await service.age();
      },
    },
  });
  const config: Config = {
    ...settings,
    MATON_API_KEY: simulator.key,
    MATON_GATEWAY_URL: simulator.gatewayUrl,
    MATON_CONTROL_URL: simulator.controlUrl,
  };
  const lasting = { logger: loggerFor(config), processMetrics: createProcessMetrics() };
  let service = await startService(config, simulator, lasting, (store) => recordExamples(store, 'sandbox'));

  async function reset(next: string | undefined) {
    await service.end();
    // What it had put on a socket by then is read and dealt with first, so that nothing of it comes in afterwards.
    for (let turn = 0; turn < 10; turn += 1) await setImmediate();
    simulator.reset(next);
    service = await startService(config, simulator, lasting);
    return service.app;
  }

  try {
    const front = await openFront(service.app, {
      ...{ host, port, own: simulator.serveSandbox },
      max: config.CONNECTIONS_MAX,
      perAddress: config.CONNECTIONS_PER_ADDRESS_PERCENT,
    });
    opened.resolve(front);
    return {
      url: front.url,
      gatewayUrl: simulator.gatewayUrl,
      close: async () => {
        front.stop();
        await service.end();
        front.close();
        await simulator.close();
      },
    };
  } catch (error) {
    await service.end();
    await simulator.close();
    throw error;
  }
}

/** The settings of the service hold here as well, but for those that lead out of the sandbox. */
function settingsOf(environment: Readonly<Record<string, string | undefined>>): Config {
  return loadConfig({
    NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
    LOG_LEVEL: 'warn',
    DRAIN_DELAY_MS: '0',
    ...environment,
    STORE_URL: 'memory:',
    STORE_URL_FILE: undefined,
    MATON_API_KEY: 'the-key-of-the-simulator-is-not-made-yet',
    MATON_API_KEY_FILE: undefined,
    MATON_GATEWAY_URL: undefined,
    MATON_CONTROL_URL: undefined,
    MATON_CONNECTION_ID: undefined,
    // Here there is no key to leak, and a debugger may be welcome.
    NODE_DEBUG: undefined,
    NODE_OPTIONS: undefined,
    CLIENTS_FILE: 'none: the sandbox has one caller',
  });
}

/** One life of the service: its records, keys, caches, counts and pauses begin with it, and end with it. */
async function startService(
  config: Config,
  { clock, ids }: Simulator,
  lasting: Pick<Seams, 'logger' | 'processMetrics'>,
  fill: (store: Store) => Promise<void> = async () => {},
) {
  const store = await openStore('memory:', {
    ...retentionOf(config),
    clock: () => performance.now() + clock.advancedMs,
    wall: clock.now,
  });
  await fill(store);
  const dispatchers = openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const callers = fixedCallers([
    { name: 'sandbox', keys: [{ sha256: hash('sha256', sandboxKey) }], scopes: ['*'], connections: ['*'] },
  ]);
  const newId = () => ids.uuid('service');
  const app = await buildApp(config, { ...lasting, sandbox: true, callers, store, dispatchers, newId, now: clock.now });
  await app.ready();
  return {
    app,
    /** At once: what is on the wire is cut off, and whoever waits for it hears what is known. */
    end: async () => {
      await Promise.all([dispatchers.close(), app.close()]);
    },
    /** Time was moved: what is too old by now goes, without waiting for the next round. */
    age: async () => {
      while ((await store.purge(500)) > 0);
    },
  };
}

/** The first free port from `from` on; 0 leaves the choice to the system. */
async function freePort(from: number): Promise<number> {
  if (from === 0) return 0;
  for (let port = from; port < Math.min(from + 100, 65_536); port++) {
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer().once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  return 0;
}
