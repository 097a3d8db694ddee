import type { AddressInfo } from 'node:net';
import { Registry } from '@prometheus-io/client';
import { request as undiciRequest } from 'undici';
import { expect } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { callerEntry, fixedCallers } from '../../src/callers.ts';
import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';
import { createValidators } from '../../src/schemas/validators.ts';
import type { ServiceOverrides } from '../../src/service-overrides.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import type { Store } from '../../src/store/open.ts';
import type { Dispatchers } from '../../src/upstream/dispatchers.ts';
import { isEndless } from './endless.ts';

/** Holds every scope and connection; other callers are added per test. */
export const allKey = 'test-key-with-every-scope';

/** Only tests about deadlines are to meet one, on a busy machine as well; they set their own. */
const patient = { UPSTREAM_TIMEOUT_MS: '15000', SEND_WAIT_MS: '20000' };
const lateMs = 17_000;

/** For what Maton never answers, or too late: a service that waits for a second. */
export const hasty = {
  settings: { UPSTREAM_TIMEOUT_MS: '1000', UPLOAD_TIMEOUT_MS: '1000' },
  simulator: { lateMs: 1_300 },
} satisfies ServiceOptions;

/** Without the metrics of the process: they measure until the process ends, and belong to no single service here. */
const processMetrics = new Registry();

/** So that the schemas of requests are compiled once. */
const validators = createValidators(new PhoneNumbers());

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The body, if it is JSON. */
  json: unknown;
}

export interface Ask {
  /** `null`: no Authorization at all. */
  key?: string | null;
  json?: unknown;
  body?: string | Buffer;
  headers?: Record<string, string>;
}

/** The service in front of its simulator, on real sockets. */
export interface Service {
  url: string;
  simulator: Simulator;
  app: Awaited<ReturnType<typeof buildApp>>;
  ask(method: string, path: string, ask?: Ask): Promise<Answer>;
  /** Every log line so far, parsed. */
  logs(): Record<string, unknown>[];
  /** For tests that share a service: a simulator as at the start, and an empty log. Fails as `close` does. */
  renew(): void;
  /** Fails if the simulator met a request that it should not have, or if the Maton key got out anywhere. */
  close(): Promise<void>;
}

interface ServiceOptions {
  settings?: Record<string, string>;
  simulator?: SimulatorOptions;
  /** What goes out in the place of real sockets; the simulator is then only asked directly. */
  dispatchers?: Dispatchers;
  /** Where the records go in the place of `memory:`; the service closes it. */
  store?: Store;
  callers?: {
    name: string;
    key: string;
    scopes: string[];
    connections?: string[];
    ratePerSecond?: number;
    weight?: number;
    countries?: string[];
    events?: string[];
    inbound?: 'own' | 'unrouted' | 'all';
  }[];
  seams?: Partial<ServiceOverrides>;
  /** Violations are expected: the test sends nonsense upstream on purpose. */
  mayViolate?: boolean;
}

export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const simulator = await startSimulator({
    perSecond: Number.POSITIVE_INFINITY,
    lateMs,
    ...options.simulator,
  });
  const config = loadConfig({
    MATON_API_KEY: simulator.key,
    MATON_GATEWAY_URL: simulator.gatewayUrl,
    MATON_CONTROL_URL: simulator.controlUrl,
    CLIENTS_FILE: 'not read in tests',
    STORE_URL: 'memory:',
    MATON_RATE_PER_SECOND: '100000',
    ...patient,
    DRAIN_DELAY_MS: '0',
    // All tests of a file come from one address.
    KEYLESS_PER_SECOND: '100000',
    // Writing the description down and reading the console cost a start much of its time; tests that need them turn them on.
    DOCS: 'off',
    CONSOLE: 'off',
    ...options.settings,
  });
  let log = '';
  const answers: string[] = [];
  const logger = createLogger('trace', [], {
    write: (line) => {
      log += line;
    },
  });
  const entries = (options.callers ?? []).map(({ name, key, scopes, ...rest }) =>
    callerEntry(name, key, { scopes, ...rest }),
  );
  const callers = fixedCallers([callerEntry('tester', allKey, { scopes: ['*'] }), ...entries]);
  const app = await buildApp(config, {
    callers,
    logger,
    processMetrics,
    validators,
    pauses: { ...defaultRetryDelays, readRetryMs: 10, probeFirstMs: 50 },
    ...(options.dispatchers && { dispatchers: options.dispatchers }),
    ...options.seams,
    ...(options.store && { store: options.store }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const assertClean = () => {
    // The logger of a test hides nothing, so that what would have been hidden is found.
    for (const text of [log, ...answers]) expect(text).not.toContain(simulator.key);
    if (!options.mayViolate) expect(simulator.violations).toEqual([]);
  };

  return {
    url,
    simulator,
    app,
    ask: async (method, path, { key = allKey, json, body, headers = {} } = {}) => {
      const answer = await undiciRequest(`${url}${path}`, {
        method,
        headers: {
          ...(key !== null && { authorization: `Bearer ${key}` }),
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: json !== undefined ? JSON.stringify(json) : (body ?? null),
      });
      const text = isEndless(path, answer.headers) ? await beginningOf(answer.body) : await answer.body.text();
      answers.push(JSON.stringify(answer.headers), text);
      return { status: answer.statusCode, headers: answer.headers, text, json: parsed(text) };
    },
    logs: () =>
      log
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    renew: () => {
      assertClean();
      simulator.reset();
      log = '';
      answers.length = 0;
    },
    close: async () => {
      await app.close();
      await simulator.close();
      assertClean();
    },
  };
}

async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  for await (const chunk of body) return chunk.toString('utf8');
  return '';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
