import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { buildApp } from '../app.ts';
import { sandboxKey } from '../callers/sandbox-key.ts';
import type { Callers } from '../callers.ts';
import { type Config, loadConfig } from '../config.ts';
import { createProcessMetrics } from '../observability/metrics.ts';
import { retentionOf } from '../records.ts';
import { exampleIds } from '../schemas/common.ts';
import type { ServiceOverrides } from '../service-overrides.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import { addTemplates } from '../simulator/given-templates.ts';
import { type Simulator, startSimulator } from '../simulator/simulator.ts';
import { openStore } from '../store/open.ts';
import { openDispatchers } from '../upstream/dispatchers.ts';
import { loopbackHosts } from '../webhooks/allowed-hosts.ts';
import { openSandboxCallers } from './callers.ts';
import { namesExample, recordExamples } from './example-records.ts';
import { type Front, openFront } from './front.ts';
import { freePort, portAfter } from './ports.ts';
import { templatesFromFile } from './templates-file.ts';
import { ownWebhooksUrl, sandboxTokens, webhooksUrlOf } from './webhooks.ts';

export interface Sandbox {
  /** Base URL of the service and of `/_sandbox`. */
  readonly url: string;
  readonly gatewayUrl: string;
  /** Settings with which another service runs against the same simulated Maton. */
  readonly controlUrl: string;
  readonly matonKey: string;
  /** A free port for it; 0 lets the system choose. */
  readonly rehearsalPort: number;
  /** Target of the simulated WATI's webhooks, without the path, which contains the token. */
  readonly webhooksOrigin: string;
  /** Names of the callers in CLIENTS_FILE; empty if the sandbox has a single one of its own. */
  readonly callersOfFile: readonly string[];
  close(): Promise<void>;
}

interface SandboxOptions {
  /** Seed of its ids; random by default. */
  readonly seed?: string | undefined;
  /** A file of templates that WATI has in addition to its own, also after each reset. */
  readonly templatesFile?: string | undefined;
  /** Target of the simulated WATI's webhooks; the sandbox's own intake by default. */
  readonly webhooksUrl?: string | undefined;
  readonly logger: (config: Config) => ServiceOverrides['logger'];
}

/** Whether HOST means every interface. */
const everywhere = /^(0\.0\.0\.0|::)$/;

type Environment = Readonly<Record<string, string | undefined>>;

/** A simulated Maton and WATI, and the service in front of it. A reset replaces the service. */
export async function startSandbox(environment: Environment, options: SandboxOptions): Promise<Sandbox> {
  const { seed, templatesFile, webhooksUrl, logger: loggerFor } = options;
  const settings = settingsOf(environment);
  const { intakePort, webhooks } = await webhooksTarget(settings, webhooksUrl);
  const templates = templatesFile === undefined ? [] : templatesFromFile(templatesFile);
  const callers = openSandboxCallers(environment.CLIENTS_FILE, () => logger);
  const { HOST: host, PORT: port } = settings;
  const opened = Promise.withResolvers<Front>();
  const simulator = await startSimulator({
    seed,
    ...(await gatewayOf(settings)),
    ...limitsOf(settings),
    lateMs: settings.UPSTREAM_TIMEOUT_MS * 1.5,
    steering: {
      key: environment.CLIENTS_FILE ? undefined : sandboxKey,
      reset: async (next) => (await opened.promise).replace(() => reset(next)),
      advance: async (ms) => {
        await opened.promise;
        await simulator.advance(ms);
        await service.age();
      },
    },
  });
  const config = behindSimulator(settings, simulator, intakePort);
  const logger = loggerFor(config);
  const lasting: Lasting = { logger, callers: { ...callers, close: () => {} }, processMetrics: createProcessMetrics() };
  addTemplates(simulator.tenant, templates);
  let service = await startService(config, simulator, lasting);
  simulator.webhooks.pointTo(webhooks);

  async function reset(next: string | undefined) {
    await service.end();
    await drainSockets();
    simulator.reset(next);
    addTemplates(simulator.tenant, templates);
    service = await startService(config, simulator, lasting);
    simulator.webhooks.pointTo(webhooks);
    return service.app;
  }

  async function close(front?: Front) {
    front?.stop();
    await service.end();
    front?.close();
    callers.close();
    await simulator.close();
  }

  try {
    const front = await openFront(service.app, {
      host,
      port,
      own: simulator.serveSandbox,
      before: ({ url = '' }) => (namesExample(url) ? service.recordExamples() : undefined),
      ...connectionLimits(config),
    });
    opened.resolve(front);
    return {
      url: front.url,
      ...upstreamOf(simulator),
      webhooksOrigin: new URL(webhooks).origin,
      rehearsalPort: await freePort(portAfter(port, 2)),
      callersOfFile: environment.CLIENTS_FILE ? callers.list().map(({ caller }) => caller.name) : [],
      close: () => close(front),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Lets the simulator read the last requests of the old service, so that none of them arrives after the reset. */
async function drainSockets(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
}

const connectionLimits = ({ CONNECTIONS_MAX: max, CONNECTIONS_PER_ADDRESS_PERCENT: perAddress }: Config) => ({
  max,
  perAddress,
});

const upstreamOf = ({ gatewayUrl, controlUrl, key: matonKey }: Simulator) => ({ gatewayUrl, controlUrl, matonKey });

async function webhooksTarget({ PORT: port }: Config, url: string | undefined) {
  if (url !== undefined) return { intakePort: undefined, webhooks: webhooksUrlOf(url) };
  const intakePort = await freePort(portAfter(port, 3));
  return { intakePort, webhooks: ownWebhooksUrl(intakePort) };
}

const gatewayOf = async ({ HOST: host, PORT: port }: Config) => ({
  gatewayPort: port === 0 ? 0 : await freePort(port + 1),
  // In a container, the ledger must be reachable from outside, like the service.
  ...(everywhere.test(host) && { gatewayHost: host }),
});

/** A rate of this much or more means no limit, for the service and for the simulated WATI. */
const limitsOf = ({ MATON_RATE_PER_SECOND: rate, WATI_PLAN: plan }: Config) =>
  rate < 100_000 ? { perSecond: rate, plan } : { perSecond: Number.POSITIVE_INFINITY, plan: 'none' as const };

const behindSimulator = (settings: Config, simulator: Simulator, intakePort: number | undefined): Config => ({
  ...settings,
  MATON_API_KEY: simulator.key,
  MATON_GATEWAY_URL: simulator.gatewayUrl,
  MATON_CONTROL_URL: simulator.controlUrl,
  ...(intakePort !== undefined && { INTAKE_PORT: intakePort }),
});

/** The settings of the service apply here too, except those that lead outside the sandbox. */
function settingsOf(environment: Environment): Config {
  const config = loadConfig({
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
    INTAKE_PORT: undefined,
    INTAKE_TOKENS_FILE: undefined,
    INTAKE_SPOOL: undefined,
    INTAKE_PUBLIC_URL: undefined,
    // There is no real key to leak, and a debugger may be wanted.
    NODE_DEBUG: undefined,
    NODE_OPTIONS: undefined,
    CLIENTS_FILE: environment.CLIENTS_FILE || 'none: the sandbox has one caller',
  });
  const { EVENTS_SIGNING_KEYS: keys, WEBHOOK_ALLOWED_HOSTS: hosts } = config;
  return {
    ...config,
    // Receivers of webhooks on this machine can be tried without a setting.
    EVENTS_SIGNING_KEYS: keys.length > 0 ? keys : [signingKey],
    WEBHOOK_ALLOWED_HOSTS: hosts.isEmpty ? loopbackHosts : hosts,
  };
}

/** Signs nothing real, and is the same in each run. */
const signingKey = hash('sha256', 'sandbox-signing-key-of-nobody', 'base64');

/** Short delays, so that a template that was just added is found, and due work is done after time was moved. */
const pauses = { ...defaultRetryDelays, templateMissMs: 0, pollEveryMs: 500 };

/** Parts that survive a reset. */
type Lasting = Pick<ServiceOverrides, 'logger' | 'processMetrics'> & { callers: Callers };

/** One service from start to reset: its records, keys, caches, counts and pauses begin and end with it. */
async function startService(config: Config, { clock, ids }: Simulator, lasting: Lasting) {
  const store = await openStore('memory:', {
    ...retentionOf(config),
    monotonicClock: () => performance.now() + clock.advancedMs,
    wallClock: clock.now,
  });
  let examples: Promise<void> | undefined;
  const dispatchers = openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const newId = () => ids.uuid('service');
  const own = { store, dispatchers, newId, now: clock.now, intake: { tokens: sandboxTokens(clock.now) } };
  const app = await buildApp(config, { ...lasting, ...own, sandbox: true, pauses });
  await app.ready();
  return {
    app,
    /** Aborts requests in flight; waiting clients get what is known. */
    end: async () => {
      await Promise.all([dispatchers.close(), app.close()]);
    },
    recordExamples: () => {
      examples ??= recordExamples(store, lasting.callers.list()[0]?.caller.id ?? exampleIds.caller);
      return examples;
    },
    /** After time was moved, deletes what has expired without waiting for the next interval. */
    age: async () => {
      while ((await store.purge(500)) > 0);
      while ((await store.expireEvents(config.EVENT_RETENTION_DAYS * dayMs, 500)) > 0);
    },
  };
}

const dayMs = 24 * 60 * 60 * 1_000;
