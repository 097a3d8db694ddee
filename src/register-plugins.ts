import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import { accessLog } from '../plugins/access-log.ts';
import { adminListener } from '../plugins/admin.ts';
import { auth } from '../plugins/auth.ts';
import { cacheControl } from '../plugins/cache-control.ts';
import { refuseOverQuota } from '../plugins/day-quota.ts';
import { drain } from '../plugins/drain.ts';
import { headRoutes } from '../plugins/head.ts';
import { lingeringClose } from '../plugins/lingering-close.ts';
import { refuseUnlisted } from '../plugins/listed-connection.ts';
import { openapi } from '../plugins/openapi.ts';
import { pages } from '../plugins/pages.ts';
import { problems } from '../plugins/problems.ts';
import { recipientCountries } from '../plugins/recipients.ts';
import { requestBodies } from '../plugins/request-bodies.ts';
import { requestCompleted } from '../plugins/request-completed.ts';
import { requestValidation } from '../plugins/request-validation.ts';
import { refuseStopped } from '../plugins/sending-stop.ts';
import { slowClients } from '../plugins/slow-clients.ts';
import { strictText } from '../plugins/strict-text.ts';
import { traceRequests } from '../plugins/tracing.ts';
import { strictValidation } from '../plugins/validation.ts';
import { createContextResolver, deadlineOf, isUnattended } from '../routes/request-context.ts';
import type { Config } from './config.ts';
import { createListedConnections } from './connections/listed-connections.ts';
import { watchMethods } from './http/allowed-methods.ts';
import { hasKey } from './http/authenticate.ts';
import { createIsRepeat } from './http/earlier-request.ts';
import type { Front } from './http/front.ts';
import { createListedCheck } from './http/listed-check.ts';
import { createProblemBase } from './http/problem-base.ts';
import { endRequestSpan } from './http/request-span.ts';
import { createStopCheck } from './http/stop-check.ts';
import { countRefusals } from './observability/front-metrics.ts';
import type { Metrics } from './observability/metrics.ts';
import type { PhoneNumbers } from './recipients/phone-numbers.ts';
import { createValidators } from './schemas/validators.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { Services } from './services.ts';
import { version } from './version.ts';

type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What plugins and routes are built from. */
export interface AppParts {
  app: App;
  config: Config;
  overrides: ServiceOverrides;
  front: Front;
  metrics: Metrics;
  services: Services;
  numbers: PhoneNumbers;
}

/** How long a read waits for Maton's list of connections. */
const listedWaitMs = 2_000;

export type Checks = ReturnType<typeof createChecks>;

/** Checks that run before a route, and those that routes call. */
export function createChecks(config: Config, { store, stopSwitch, upstream, pin }: Services) {
  const isRepeat = createIsRepeat(store);
  const stopCheck = createStopCheck({ stopped: stopSwitch, isRepeat });
  const listed = createListedConnections(upstream.connections);
  const listedCheck = createListedCheck({
    listed,
    stopCheck,
    isRepeat,
    isUnattended,
    deadline: (request) => deadlineOf(request, config).deadline,
  });
  const resolveContext = createContextResolver(config, { connections: upstream.connections, pin, stopCheck });
  const isListed = async (connection: string) => {
    const found = await listed.check(connection, performance.now() + listedWaitMs);
    return found.is === 'listed' || (found.is === 'unavailable' && !found.missing);
  };
  return { isRepeat, stopCheck, listedCheck, isListed, resolveContext };
}

const docsOf = (config: Config, { sandbox, callers }: ServiceOverrides) => ({
  account: sandbox ? ('sandbox' as const) : ('real' as const),
  ...(config.DOCS === 'key' && { mayRead: (request: FastifyRequest) => hasKey(request, callers) }),
});

/** Counts the 429s that a caller's own limits cause. */
const countOwnRefusals =
  ({ callerCounts }: Services) =>
  ({ caller }: FastifyRequest, { statusCode }: FastifyReply) => {
    if (statusCode === 429 && caller) callerCounts.refused(caller.id);
  };

/** Registers the plugins in the order in which a request passes them. Returns a function to call after the last route is registered. */
export async function registerPlugins(parts: AppParts, { isRepeat, stopCheck, listedCheck }: Checks) {
  const { app, config, overrides, front, metrics, services, numbers } = parts;
  const { readiness, reservations, dayQuota } = services;
  if (config.ADMIN_PORT !== undefined) {
    const { ADMIN_HOST: host, ADMIN_PORT: port } = config;
    await app.register(adminListener, { host, port, readiness, registry: metrics.registry });
  }
  app.removeContentTypeParser('text/plain');
  await app.register(headRoutes);
  await app.register(strictValidation, { validators: overrides.validators ?? createValidators(numbers) });
  const refuseOtherMethods = watchMethods(app);
  await app.register(cacheControl);
  await app.register(accessLog);
  if (overrides.tracing) await app.register(traceRequests, { tracing: overrides.tracing });
  const refusals = countRefusals(metrics.registry);
  const hooks = [front.requestLog.log, metrics.recordRequest, refusals, countOwnRefusals(services), front.leave];
  await app.register(requestCompleted, { hooks: overrides.tracing ? [...hooks, endRequestSpan] : hooks });
  await app.register(problems, { problemBase: createProblemBase(config.PUBLIC_URL) });
  await app.register(lingeringClose);
  await app.register(requestValidation);
  await app.register(slowClients);
  await app.register(drain, {
    delayMs: config.DRAIN_DELAY_MS,
    timeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    onDrain: () => readiness.drain(),
    cutOff: services.cutOff,
  });
  const { pools, keyless } = front;
  await app.register(auth, {
    callers: overrides.callers,
    requests: pools.requests,
    keyless,
    ...(reservations && { callerTokens: reservations }),
  });
  await app.register(refuseStopped, { check: stopCheck });
  await app.register(refuseOverQuota, { quota: dayQuota, isRepeat });
  await app.register(refuseUnlisted, { check: listedCheck });
  await app.register(requestBodies, { bodies: pools.bodies });
  await app.register(strictText);
  await app.register(recipientCountries, { numbers, defaultCountries: config.DEFAULT_COUNTRIES });
  await app.register(openapi, { version, ...(config.DOCS !== 'off' && { docs: docsOf(config, overrides) }) });
  await app.register(pages, {
    account: docsOf(config, overrides).account,
    docs: config.DOCS !== 'off',
    console: config.CONSOLE === 'on',
    version,
  });
  return refuseOtherMethods;
}
