import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
  type RawServerDefault,
} from 'fastify';
import { accessLog } from '../plugins/access-log.ts';
import { adminListener } from '../plugins/admin.ts';
import { auth, hasKey } from '../plugins/auth.ts';
import { refuseOverQuota } from '../plugins/day-quota.ts';
import { drain } from '../plugins/drain.ts';
import { createIsRepeat } from '../plugins/earlier-request.ts';
import { watchFreshness } from '../plugins/freshness.ts';
import { createFront } from '../plugins/front.ts';
import { countRefusals, tellFront } from '../plugins/front-metrics.ts';
import { answerHeads } from '../plugins/head.ts';
import { lingeringClose } from '../plugins/lingering-close.ts';
import { createListedCheck, refuseUnlisted } from '../plugins/listed-connection.ts';
import { watchMethods } from '../plugins/methods.ts';
import { createMetrics, createProcessMetrics, type Metrics } from '../plugins/metrics.ts';
import { openapi } from '../plugins/openapi.ts';
import { createProblemBase } from '../plugins/problem-base.ts';
import { problems } from '../plugins/problems.ts';
import { recipientCountries } from '../plugins/recipients.ts';
import { requestBodies } from '../plugins/request-bodies.ts';
import { onRequestEnd } from '../plugins/request-end.ts';
import { requestGuard } from '../plugins/request-guard.ts';
import { createStopCheck, refuseStopped } from '../plugins/sending-stop.ts';
import { slowReaders } from '../plugins/slow-readers.ts';
import { patient, tellStanding } from '../plugins/standing-metrics.ts';
import { strictText } from '../plugins/strict-text.ts';
import { endSpan, traceRequests } from '../plugins/tracing.ts';
import { refuseUnreadable } from '../plugins/unreadable.ts';
import { refuseUnroutable } from '../plugins/unroutable.ts';
import { useStrictValidation } from '../plugins/validation.ts';
import { broadcastImport } from '../routes/broadcast-import.ts';
import { broadcasts } from '../routes/broadcasts.ts';
import { connections } from '../routes/connections.ts';
import { contacts } from '../routes/contacts.ts';
import { createContextOf, isUnattended, timeOf } from '../routes/context.ts';
import { conversations } from '../routes/conversations.ts';
import { files } from '../routes/files.ts';
import { home } from '../routes/home.ts';
import { media } from '../routes/media.ts';
import { messages } from '../routes/messages.ts';
import { native } from '../routes/native.ts';
import { operations } from '../routes/operations.ts';
import { operator } from '../routes/operator.ts';
import { problemPages } from '../routes/problem-pages.ts';
import { records } from '../routes/records.ts';
import { templates as templateRoutes } from '../routes/templates.ts';
import { hasScope } from './callers.ts';
import type { Config } from './config.ts';
import { createListedConnections } from './connections/listed-connections.ts';
import { createCallersView } from './operator/callers-view.ts';
import { heldMessages } from './operator/held-messages.ts';
import { PhoneNumbers } from './recipients/phone-numbers.ts';
import type { Seams } from './seams.ts';
import { createServices, type Services } from './services.ts';

export const version = '0.1.0';

/** The largest message, escaped letter by letter, has half of it; a broadcast says itself how much it takes. */
const jsonBytesMax = 64 * 1024;

/**
 * The whole service as a function of its settings, not yet listening: every plugin, then every route file, in order.
 * `close()` waits for the sends under way and closes what was opened here.
 */
export async function buildApp(config: Config, seams: Seams): Promise<FastifyInstance> {
  const front = createFront(config, seams.logger);
  const app = Fastify({
    loggerInstance: seams.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: jsonBytesMax,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 2048 },
    serverFactory: front.openServer,
    // While it goes down, what still comes in over an open connection is served.
    return503OnClosing: false,
    frameworkErrors: refuseUnroutable(seams.callers, front),
    clientErrorHandler: refuseUnreadable(createProblemBase(config.PUBLIC_URL)),
  }).withTypeProvider<TypeBoxTypeProvider>();

  const metrics = createMetrics(seams.processMetrics ?? createProcessMetrics());
  const services = await createServices(config, seams, metrics);
  const building: Building = { app, config, seams, front, metrics, services, numbers: new PhoneNumbers() };
  const checks = createChecks(config, services);
  const refuseOtherMethods = await registerPlugins(building, checks);
  await registerCallerRoutes(building, checks);
  await registerOperatorRoutes(building);
  refuseOtherMethods();

  const { onListening } = seams;
  // Not waited for: a gateway that is slow holds up no start.
  if (onListening) app.addHook('onListen', async () => void onListening(services.readiness));
  app.addHook('onReady', services.start);
  app.addHook('onClose', async () => {
    await services.close();
    front.close();
    seams.callers.close();
  });
  return app;
}

type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What the parts of the app are made from. */
interface Building {
  app: App;
  config: Config;
  seams: Seams;
  front: ReturnType<typeof createFront>;
  metrics: Metrics;
  services: Services;
  numbers: PhoneNumbers;
}

type Checks = ReturnType<typeof createChecks>;

/** What is asked of a request before a route sees it, and what the routes ask. */
function createChecks(config: Config, { store, stopSwitch, upstream, pin }: Services) {
  const isRepeat = createIsRepeat(store);
  const stopCheck = createStopCheck({ stopped: stopSwitch, isRepeat });
  const listedCheck = createListedCheck({
    listed: createListedConnections(upstream.connections),
    stopCheck,
    isRepeat,
    isUnattended,
    untilMs: (request) => timeOf(request, config).untilMs,
  });
  const contextOf = createContextOf(config, { connections: upstream.connections, pin, stopCheck });
  return { isRepeat, stopCheck, listedCheck, contextOf };
}

const docsOf = (config: Config, { sandbox, callers }: Seams) => ({
  account: sandbox ? ('sandbox' as const) : ('real' as const),
  ...(config.DOCS === 'key' && { mayRead: (request: FastifyRequest) => hasKey(request, callers) }),
});

/** In the order in which a request passes them. Answers what has to be called behind the last route. */
async function registerPlugins(building: Building, { isRepeat, stopCheck, listedCheck }: Checks) {
  const { app, config, seams, front, metrics, services, numbers } = building;
  const { readiness, reservations, dayQuota } = services;
  if (config.ADMIN_PORT !== undefined) {
    const { ADMIN_HOST: host, ADMIN_PORT: port } = config;
    await app.register(adminListener, { host, port, readiness, registry: metrics.registry });
  }
  app.removeContentTypeParser('text/plain');
  answerHeads(app);
  useStrictValidation(app, numbers);
  const refuseOtherMethods = watchMethods(app);
  watchFreshness(app);
  await app.register(accessLog);
  if (seams.tracing) traceRequests(app, seams.tracing);
  const refusals = countRefusals(metrics.registry);
  onRequestEnd(app, front.requestLog.log, metrics.request, refusals, front.leave, ...(seams.tracing ? [endSpan] : []));
  await app.register(problems, { problemBase: createProblemBase(config.PUBLIC_URL) });
  await app.register(lingeringClose);
  await app.register(requestGuard);
  await app.register(slowReaders);
  await app.register(drain, {
    delayMs: config.DRAIN_DELAY_MS,
    timeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    onDrain: () => readiness.drain(),
    cutOff: services.cutOff,
  });
  const { pools, keyless } = front;
  await app.register(auth, {
    callers: seams.callers,
    requests: pools.requests,
    keyless,
    ...(reservations && { permits: reservations }),
  });
  await app.register(refuseStopped, { check: stopCheck });
  await app.register(refuseOverQuota, { quota: dayQuota, isRepeat });
  await app.register(refuseUnlisted, { check: listedCheck });
  await app.register(requestBodies, { bodies: pools.bodies });
  await app.register(strictText);
  await app.register(recipientCountries, { numbers, defaultCountries: config.DEFAULT_COUNTRIES });
  await app.register(openapi, { version, ...(config.DOCS !== 'off' && { docs: docsOf(config, seams) }) });
  return refuseOtherMethods;
}

async function registerCallerRoutes(building: Building, { stopCheck, listedCheck, contextOf }: Checks) {
  const { app, config, seams, front, services, numbers } = building;
  const { upstream, delivery, reconciler, templates, shownHolds, uploads } = services;
  const { pools } = front;
  await app.register(messages, {
    config,
    delivery,
    sendRequests: upstream.sendRequests,
    templates,
    contextOf,
  });
  await app.register(records, {
    config,
    delivery,
    reconciler,
    templates,
    holds: shownHolds,
    stopCheck,
    listedCheck,
  });
  const broadcastServices = {
    config,
    broadcasts: services.broadcasts,
    templates,
    contextOf,
    holds: shownHolds,
  };
  const mayListen = (id: string) => {
    const caller = seams.callers.byId(id);
    return caller !== undefined && hasScope(caller, 'messages:read');
  };
  await app.register(broadcasts, { ...broadcastServices, eventStreams: pools.eventStreams, mayListen });
  await app.register(broadcastImport, { ...broadcastServices, uploads, numbers });
  await app.register(files, {
    config,
    delivery,
    sendRequests: upstream.sendRequests,
    streams: upstream.streams,
    templates,
    uploads,
    numbers,
    contextOf,
  });
  await app.register(templateRoutes, { templates, contextOf });
  await app.register(contacts, { contacts: upstream.contacts, contextOf });
  await app.register(conversations, {
    conversations: upstream.conversations,
    store: services.store,
    now: seams.now ?? Date.now,
    contextOf,
  });
  const streaming = { streams: upstream.streams, diagnosis: upstream.diagnosis, downloads: pools.downloads, contextOf };
  await app.register(media, streaming);
  await app.register(connections, { config, connections: upstream.connections });
  await app.register(native, {
    allowed: config.NATIVE_PATHS,
    defaultCountries: config.DEFAULT_COUNTRIES,
    ...streaming,
  });
}

/** Metrics, health, the pages, and what operators may do. */
async function registerOperatorRoutes({ app, config, seams, front, metrics, services }: Building) {
  const { store, stopSwitch, shownHolds, readiness, rateLimiter, dayQuota, uploads, upstream, sends, intake } =
    services;
  const callersView = createCallersView({ callers: seams.callers, stopped: stopSwitch, store });
  // PostgreSQL counts every row.
  const countsRestMs = config.STORE_URL.startsWith('postgres') ? 10_000 : 0;
  tellStanding(metrics.registry, {
    version,
    uploads,
    ready: readiness.check,
    sends: () => store.counts(),
    sendsRestMs: countsRestMs,
    stopped: () => stopSwitch.stopped,
    dayQuota: () => dayQuota.reading(),
    held: async () => heldMessages(await callersView.all()),
    broadcasts: async () => ({
      running: (await store.listRunningBroadcasts(100)).length,
      held: await store.countPausedByService(),
    }),
    ...(rateLimiter && { rateLimiter }),
    ...(seams.callers.file && { callersFile: seams.callers.file }),
  });
  tellFront(metrics.registry, {
    front,
    pools: [
      sends,
      ...uploads.pools,
      ...Object.values(front.pools),
      ...upstream.bodyReader.pools,
      ...(intake?.pools ?? []),
    ],
    linesDropped: seams.linesDropped ?? (() => 0),
  });
  await app.register(operations, { readiness, registry: metrics.registry });
  await app.register(operator, {
    callersView,
    store,
    stopSwitch,
    holds: shownHolds,
    readiness,
    rateLimiter,
    onChange: () => services.broadcastWorker.wake(),
    counts: patient(() => store.counts(), countsRestMs),
  });
  await app.register(problemPages);
  await app.register(home, { account: docsOf(config, seams).account, docs: config.DOCS !== 'off' });
}
