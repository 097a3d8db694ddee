import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { accessLog, logRequest, takeRequestId } from '../plugins/access-log.ts';
import { auth } from '../plugins/auth.ts';
import type { PermitSource } from '../plugins/caller-limit.ts';
import { drain } from '../plugins/drain.ts';
import { watchFreshness } from '../plugins/freshness.ts';
import { watchMethods } from '../plugins/methods.ts';
import { createMetrics, createProcessMetrics, type Metrics } from '../plugins/metrics.ts';
import { openapi } from '../plugins/openapi.ts';
import { problems } from '../plugins/problems.ts';
import { requestBodies } from '../plugins/request-bodies.ts';
import { onRequestEnd } from '../plugins/request-end.ts';
import { requestGuard } from '../plugins/request-guard.ts';
import { slowReaders } from '../plugins/slow-readers.ts';
import { tellStanding } from '../plugins/standing-metrics.ts';
import { endSpan, traceRequests } from '../plugins/tracing.ts';
import { refuseUnreadable } from '../plugins/unreadable.ts';
import { refuseUnroutable } from '../plugins/unroutable.ts';
import { useStrictValidation } from '../plugins/validation.ts';
import { broadcastImport } from '../routes/broadcast-import.ts';
import { broadcasts } from '../routes/broadcasts.ts';
import { connections } from '../routes/connections.ts';
import { contacts } from '../routes/contacts.ts';
import { createContextOf } from '../routes/context.ts';
import { conversations } from '../routes/conversations.ts';
import { files } from '../routes/files.ts';
import { media } from '../routes/media.ts';
import { messages } from '../routes/messages.ts';
import { native } from '../routes/native.ts';
import { operations } from '../routes/operations.ts';
import { problemPages } from '../routes/problem-pages.ts';
import { records } from '../routes/records.ts';
import { templates } from '../routes/templates.ts';
import { createBudget } from './budget/budget.ts';
import type { SlotSource } from './budget/words.ts';
import type { Callers } from './callers.ts';
import type { Config } from './config.ts';
import { createBroadcasts } from './delivery/broadcasts.ts';
import { createDelivery } from './delivery/delivery.ts';
import { createGate } from './delivery/gate.ts';
import { createKeeper } from './delivery/keeper.ts';
import { createPump } from './delivery/pump.ts';
import { createReconciler } from './delivery/reconcile.ts';
import { createTemplateCache } from './delivery/template-cache.ts';
import { Problem } from './problem.ts';
import { createReadiness } from './readiness.ts';
import { openStore, type Store } from './store/open.ts';
import type { StoredSend, StoreOptions } from './store/port.ts';
import type { Tracing } from './tracing/tracing.ts';
import { createUploads, type Uploads } from './upload/uploads.ts';
import { type Dispatchers, openDispatchers } from './upstream/dispatchers.ts';
import { codeOf } from './upstream/error-code.ts';
import { createUpstream } from './upstream/upstream.ts';

/** What a test may put in the place of the real thing; the server takes the defaults. */
export interface Seams {
  callers: Callers;
  logger: FastifyBaseLogger;
  /** Where the Maton key can change while the service runs; the setting otherwise. */
  matonKey?: () => string;
  dispatchers?: Dispatchers;
  store?: Store;
  uploads?: Uploads;
  /** Where one process has one service after another. */
  processMetrics?: ReturnType<typeof createProcessMetrics>;
  /** Of sends and broadcasts; random by default. */
  newId?: () => string;
  /** Wall clock, ms: what records say of their times. A store that is handed in has its own. */
  now?: () => number;
  /** Absent: nothing is traced. Whoever opened it closes it. */
  tracing?: Tracing;
}

export const version = '0.1.0';

const jsonBytesMax = 1024 * 1024;

/**
 * The whole service as a function of its settings, not yet listening: every plugin, then every route file, in order.
 * `close()` waits for the sends under way and closes what was opened here.
 */
export async function buildApp(config: Config, seams: Seams): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: seams.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (request) => takeRequestId(request.headers['x-request-id']) ?? randomUUID(),
    bodyLimit: jsonBytesMax,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 2048 },
    // Slow callers (delivery.md 1.8): headers in ten seconds; bodies are watched by plugins/request-bodies.ts and src/upload.
    keepAliveTimeout: 10_000,
    // A missing Host is refused by plugins/request-guard.ts, in the same words as all else.
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
    // While it goes down, what still comes in over an open connection is served (contract 8.14).
    return503OnClosing: false,
    frameworkErrors: refuseUnroutable(seams.callers),
    clientErrorHandler: refuseUnreadable,
  }).withTypeProvider<TypeBoxTypeProvider>();

  const metrics = createMetrics(seams.processMetrics ?? createProcessMetrics());
  const dispatchers = seams.dispatchers ?? openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const { store, slots } = seams.store ? { store: seams.store } : await openRecords(config, metrics.store);
  const budget =
    config.MATON_RATE_PER_SECOND < 100_000
      ? createBudget({ perSecond: config.MATON_RATE_PER_SECOND, plan: config.WATI_PLAN, ...(slots && { slots }) })
      : undefined;
  const upstream = createUpstream(
    config,
    seams.matonKey ?? (() => config.MATON_API_KEY),
    dispatchers,
    (report) => {
      metrics.attempt(report);
      seams.tracing?.saw(report);
      readiness.saw(report);
    },
    {
      replicas: slots !== undefined,
      ...(budget && { pace: budget }),
      onEcho: (operation) => {
        metrics.keyEcho(operation);
        seams.logger.error({ operation }, 'the upstream quoted a key of this service; renew it');
      },
    },
  );
  const contextOf = createContextOf(config, upstream.connections);
  const templateCache = createTemplateCache(upstream.templates, config.TEMPLATE_CACHE_MS);
  const readiness = createReadiness(upstream.connections, config.MATON_CONNECTION_ID, store);
  const closing = new AbortController();
  const gate = createGate(upstream.answers, closing.signal);
  const newId = seams.newId ?? randomUUID;
  const lives = {
    store,
    now: seams.now ?? (() => Date.now()),
    transport: upstream.transport,
    diagnosis: upstream.diagnosis,
    sendCalls: upstream.sendCalls,
    gate,
    closing: closing.signal,
    ...(budget && { pace: budget }),
    onEnd: ({ kind, status }: StoredSend) => metrics.send(kind, status),
    onGroup: metrics.group,
  };
  const delivery = createDelivery({
    ...lives,
    newId,
    patienceMs: config.SEND_WAIT_MS,
    groupMax: {
      urgent: config.GROUP_MAX_URGENT,
      interactive: config.GROUP_MAX_INTERACTIVE,
      broadcast: config.GROUP_MAX_BROADCAST,
    },
  });
  const onFault = (chore: string, error: unknown) => seams.logger.warn({ chore, reason: faultCode(error) }, 'chore');
  const pump = createPump({
    ...lives,
    groupMax: config.GROUP_MAX_BROADCAST,
    onFault: (error) => onFault('broadcasts', error),
  });
  const reconciler = createReconciler(store, upstream.conversations, upstream.readBack);
  const keeper = createKeeper({
    store,
    delivery,
    reconciler,
    leaseMs: config.STORE_LEASE_MS,
    onFault,
  });

  app.removeContentTypeParser('text/plain');
  useStrictValidation(app);
  const refuseOtherMethods = watchMethods(app);
  watchFreshness(app);
  await app.register(accessLog);
  if (seams.tracing) traceRequests(app, seams.tracing);
  onRequestEnd(app, logRequest, metrics.request, ...(seams.tracing ? [endSpan] : []));
  await app.register(problems);
  await app.register(requestGuard);
  app.server.maxConnections = config.CONNECTIONS_MAX;
  await app.register(slowReaders);
  await app.register(drain, {
    delayMs: config.DRAIN_DELAY_MS,
    timeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    onDrain: () => readiness.drain(),
    cutOff: () => {
      closing.abort();
      budget?.close();
      void dispatchers.close();
    },
  });
  await app.register(auth, { callers: seams.callers, ...(slots && { permits: slots }) });
  await app.register(requestBodies);
  await app.register(openapi, { docs: config.DOCS, version });

  await app.register(messages, {
    config,
    delivery,
    sendCalls: upstream.sendCalls,
    templates: templateCache,
    contextOf,
  });
  await app.register(records, { config, delivery, reconciler, templates: templateCache });
  const uploads =
    seams.uploads ??
    createUploads({ openMax: config.UPLOADS_MAX, bytesPerSecondMin: config.UPLOAD_MIN_BYTES_PER_SECOND });
  const broadcastServices = {
    config,
    broadcasts: createBroadcasts(store, pump.nudge, newId),
    templates: templateCache,
    contextOf,
  };
  await app.register(broadcasts, broadcastServices);
  await app.register(broadcastImport, { ...broadcastServices, uploads });
  await app.register(files, {
    config,
    delivery,
    sendCalls: upstream.sendCalls,
    streams: upstream.streams,
    templates: templateCache,
    uploads,
    contextOf,
  });
  await app.register(templates, { templates: templateCache, contextOf });
  await app.register(contacts, { contacts: upstream.contacts, contextOf });
  await app.register(conversations, { conversations: upstream.conversations, contextOf });
  await app.register(media, { streams: upstream.streams, diagnosis: upstream.diagnosis, contextOf });
  await app.register(connections, { config, connections: upstream.connections });
  await app.register(native, {
    allowed: config.NATIVE_PATHS,
    streams: upstream.streams,
    diagnosis: upstream.diagnosis,
    contextOf,
  });
  tellStanding(metrics.registry, {
    version,
    uploads,
    ready: readiness.check,
    sends: () => store.counts(),
    // PostgreSQL counts every row.
    sendsRestMs: config.STORE_URL.startsWith('postgres') ? 10_000 : 0,
    broadcasts: async () => (await store.runningBroadcasts(100)).length,
    ...(budget && { budget }),
  });
  await app.register(operations, { readiness, registry: metrics.registry });
  await app.register(problemPages);
  refuseOtherMethods();

  app.addHook('onReady', async () => {
    await keeper.start();
    pump.nudge();
  });
  app.addHook('onClose', async () => {
    // The lease is kept until the last send has ended: another replica would take it for lost.
    closing.abort();
    const ended = Promise.all([delivery.close(), pump.close()]);
    budget?.close();
    await ended;
    await keeper.stop();
    await dispatchers.close();
    await store.close();
    seams.callers.close();
  });
  return app;
}

/** Not the message: it may quote the upstream, or the database. */
const faultCode = (error: unknown): string => {
  if (error instanceof Problem) return error.slug;
  return error instanceof Error ? codeOf(error) : 'unknown';
};

const hourMs = 60 * 60 * 1000;

/** How long the store keeps what. */
export const retentionOf = (config: Config): StoreOptions => ({
  keyRetentionMs: config.KEY_RETENTION_HOURS * hourMs,
  unknownRetentionMs: config.UNKNOWN_RETENTION_DAYS * 24 * hourMs,
  recordRetentionMs: config.RECORD_RETENTION_DAYS * 24 * hourMs,
  leaseMs: config.STORE_LEASE_MS,
});

/** The store, and where replicas take turns: through their database. One process alone paces itself. */
async function openRecords(
  config: Config,
  onUse: Metrics['store'],
): Promise<{ store: Store; slots?: SlotSource & PermitSource }> {
  const store = await openStore(config.STORE_URL, { ...retentionOf(config), onUse });
  return { store, ...(config.STORE_URL.startsWith('postgres') && { slots: store }) };
}
