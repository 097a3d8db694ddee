import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import { accessLog } from '../plugins/access-log.ts';
import { adminListener } from '../plugins/admin.ts';
import { auth, hasKey } from '../plugins/auth.ts';
import type { PermitSource } from '../plugins/caller-limit.ts';
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
import { problemBase, problems } from '../plugins/problems.ts';
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
import { templates } from '../routes/templates.ts';
import { createBroadcasts } from './broadcasts/broadcast-service.ts';
import { BroadcastWorker } from './broadcasts/broadcast-worker.ts';
import { createBudget } from './budget/budget.ts';
import { DayQuota } from './budget/day-quota.ts';
import type { Budget, SlotSource } from './budget/words.ts';
import { type Callers, hasScope } from './callers.ts';
import type { Config } from './config.ts';
import { acceptConnection, createConnectionPin } from './connections/connection-pin.ts';
import { createListedConnections } from './connections/listed-connections.ts';
import { createSendsPool } from './delivery/admission/admission.ts';
import { createDelivery } from './delivery/delivery-service.ts';
import { createCircuitBreaker } from './delivery/dispatch/circuit-breaker.ts';
import { createReconcileWorker, type ReconcileClock } from './delivery/reconcile/reconcile-worker.ts';
import { createReconciler } from './delivery/reconcile/reconciler.ts';
import { createMaintenance } from './delivery/recovery/maintenance.ts';
import { createQueueLog } from './delivery/recovery/queue-log.ts';
import { createHolds, type Holds } from './holds/holds.ts';
import { createStopSwitch } from './holds/sending-stop.ts';
import { createCallersView } from './operator/callers-view.ts';
import { heldMessages } from './operator/held-messages.ts';
import { type Pauses, usualPauses } from './pauses.ts';
import { Problem } from './problem.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import { PhoneNumbers } from './recipients/phone-numbers.ts';
import { openStore, type Store } from './store/open.ts';
import type { StoredSend, StoreOptions } from './store/port.ts';
import { createTemplateCache } from './templates/template-cache.ts';
import type { Tracing } from './tracing/types.ts';
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
  /** Gives calls upstream their turns; by the settings otherwise. */
  budget?: Budget;
  /** Where one process has one service after another. */
  processMetrics?: ReturnType<typeof createProcessMetrics>;
  /** Of sends and broadcasts; random by default. */
  newId?: () => string;
  /** Wall clock, ms: what records say of their times. A store that is handed in has its own. */
  now?: () => number;
  /** The usual ones by default. */
  pauses?: Pauses;
  /** By which unknown sends are looked for; real time by default. */
  looks?: ReconcileClock;
  /** Everything behind it is simulated: the docs page says so. */
  sandbox?: boolean;
  /** Hears once that the service listens; what it needs is not asked after at the start otherwise. */
  onListening?: (readiness: Readiness) => Promise<void>;
  /** How many lines the log has lost. */
  linesDropped?: () => number;
  /** Absent: nothing is traced. Whoever opened it closes it. */
  tracing?: Tracing;
}

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
    clientErrorHandler: refuseUnreadable(problemBase(config.PUBLIC_URL)),
  }).withTypeProvider<TypeBoxTypeProvider>();

  const pauses = seams.pauses ?? usualPauses;
  const metrics = createMetrics(seams.processMetrics ?? createProcessMetrics());
  const dispatchers = seams.dispatchers ?? openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const { store, slots } = seams.store ? { store: seams.store } : await openRecords(config, metrics.store);
  const budget = seams.budget ?? openBudget(config, slots);
  const dayQuota = new DayQuota(
    config.UPSTREAM_CALLS_PER_DAY,
    () => budget?.stats().replicas ?? 1,
    seams.now ?? (() => Date.now()),
  );
  const upstream = createUpstream(
    config,
    seams.matonKey ?? (() => config.MATON_API_KEY),
    dispatchers,
    (report) => {
      metrics.attempt(report);
      if (report.host === 'gateway' && report.sent) dayQuota.count();
      seams.tracing?.saw(report);
      readiness.saw(report);
    },
    {
      replicas: slots !== undefined,
      ...(budget && { pace: budget }),
      readRetryMs: pauses.readRetryMs,
      onEcho: (operation) => {
        metrics.keyEcho(operation);
        seams.logger.error({ operation }, 'the upstream quoted a key of this service; renew it');
      },
    },
  );
  const onFault = (chore: string, error: unknown) => seams.logger.warn({ chore, reason: faultCode(error) }, 'chore');
  const stopSwitch = createStopSwitch({ store, onFault: (error) => onFault('sending-stop', error) });
  const holds = createHolds(seams.callers, stopSwitch);
  const isRepeat = createIsRepeat(store);
  const stopCheck = createStopCheck({ stopped: stopSwitch, isRepeat });
  const listedCheck = createListedCheck({
    listed: createListedConnections(upstream.connections),
    stopCheck,
    isRepeat,
    isUnattended,
    untilMs: (request) => timeOf(request, config).untilMs,
  });
  const pin = createConnectionPin({
    store,
    onChange: (changed) =>
      seams.logger.error(changed, 'the only active connection is not the one that was used before; it is not used'),
  });
  const contextOf = createContextOf(config, { connections: upstream.connections, pin, stopCheck });
  const templateCache = createTemplateCache(upstream.templates, config.TEMPLATE_CACHE_MS, pauses.templateMissMs);
  const readiness = createReadiness(upstream.connections, config.MATON_CONNECTION_ID, {
    store,
    stopSwitch,
    pin,
    hasRecovered: () => maintenance.hasRecovered,
  });
  const channel = config.WATI_CHANNEL_NUMBER;
  const closing = new AbortController();
  const breaker = createCircuitBreaker(upstream.answers, closing.signal, { probeFirstMs: pauses.probeFirstMs });
  /** For those who ask why something waits. */
  const shownHolds: Holds = { reasonFor: (ask) => holds.reasonFor(ask) ?? breaker.holdOf(ask.connection) };
  const sends = createSendsPool();
  const newId = seams.newId ?? randomUUID;
  const deliveryServices = {
    store,
    now: seams.now ?? (() => Date.now()),
    transport: upstream.transport,
    diagnosis: upstream.diagnosis,
    sendCalls: upstream.sendCalls,
    splitsBatches: config.GROUP_SPLIT === 'on',
    channel,
    breaker,
    holds,
    closing: closing.signal,
    ...(budget && { pace: budget }),
    onEnd: ({ kind, status }: StoredSend) => metrics.send(kind, status),
    onBatch: metrics.group,
  };
  const queueLog = createQueueLog(seams.logger, store);
  const delivery = createDelivery({
    ...deliveryServices,
    onHold: queueLog.sendsHeld,
    stopped: stopSwitch,
    newId,
    sends,
    patienceMs: config.SEND_WAIT_MS,
    batchMax: {
      urgent: config.GROUP_MAX_URGENT,
      interactive: config.GROUP_MAX_INTERACTIVE,
      broadcast: config.GROUP_MAX_BROADCAST,
    },
  });
  const broadcastWorker = new BroadcastWorker({
    ...deliveryServices,
    batchMax: config.GROUP_MAX_BROADCAST,
    lookEveryMs: pauses.lookEveryMs,
    onHold: queueLog.broadcastsHeld,
    onPause: ({ id, caller }) =>
      seams.logger.warn({ broadcastId: id, callerId: caller }, 'broadcast paused by the service'),
    onFinished: queueLog.ended,
    onFault: (error) => onFault('broadcasts', error),
  });
  const reconciler = createReconciler(store, upstream.conversations, { readBack: upstream.readBack, channel });
  const maintenance = createMaintenance({
    store,
    delivery,
    leaseMs: config.STORE_LEASE_MS,
    onFault,
  });
  const reconcileWorker = createReconcileWorker({
    store,
    reconciler,
    onFault: (error: unknown) => onFault('reconcile', error),
    ...(budget && { pace: budget }),
    ...seams.looks,
  });

  if (config.ADMIN_PORT !== undefined) {
    const { ADMIN_HOST: host, ADMIN_PORT: port } = config;
    await app.register(adminListener, { host, port, readiness, registry: metrics.registry });
  }
  app.removeContentTypeParser('text/plain');
  const numbers = new PhoneNumbers();
  answerHeads(app);
  useStrictValidation(app, numbers);
  const refuseOtherMethods = watchMethods(app);
  watchFreshness(app);
  await app.register(accessLog);
  if (seams.tracing) traceRequests(app, seams.tracing);
  const refusals = countRefusals(metrics.registry);
  onRequestEnd(app, front.requestLog.log, metrics.request, refusals, front.leave, ...(seams.tracing ? [endSpan] : []));
  await app.register(problems, { publicUrl: config.PUBLIC_URL });
  await app.register(lingeringClose);
  await app.register(requestGuard);
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
  const { pools, keyless } = front;
  await app.register(auth, {
    callers: seams.callers,
    requests: pools.requests,
    keyless,
    ...(slots && { permits: slots }),
  });
  await app.register(refuseStopped, { check: stopCheck });
  await app.register(refuseOverQuota, { quota: dayQuota, isRepeat });
  await app.register(refuseUnlisted, { check: listedCheck });
  await app.register(requestBodies, { bodies: pools.bodies });
  await app.register(strictText);
  await app.register(recipientCountries, { numbers, defaultCountries: config.DEFAULT_COUNTRIES });
  const docs = {
    account: seams.sandbox ? ('sandbox' as const) : ('real' as const),
    ...(config.DOCS === 'key' && { mayRead: (request: FastifyRequest) => hasKey(request, seams.callers) }),
  };
  await app.register(openapi, { version, ...(config.DOCS !== 'off' && { docs }) });

  await app.register(messages, {
    config,
    delivery,
    sendCalls: upstream.sendCalls,
    templates: templateCache,
    contextOf,
  });
  await app.register(records, {
    config,
    delivery,
    reconciler,
    templates: templateCache,
    holds: shownHolds,
    stopCheck,
    listedCheck,
  });
  const uploads =
    seams.uploads ??
    createUploads({ openMax: config.UPLOADS_MAX, bytesPerSecondMin: config.UPLOAD_MIN_BYTES_PER_SECOND });
  const broadcastServices = {
    config,
    broadcasts: createBroadcasts({
      store,
      stopped: stopSwitch,
      channel,
      newId,
      reconcileWorker,
      now: deliveryServices.now,
      onChange: () => broadcastWorker.wake(),
      onStart: queueLog.started,
    }),
    templates: templateCache,
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
    sendCalls: upstream.sendCalls,
    streams: upstream.streams,
    templates: templateCache,
    uploads,
    numbers,
    contextOf,
  });
  await app.register(templates, { templates: templateCache, contextOf });
  await app.register(contacts, { contacts: upstream.contacts, contextOf });
  await app.register(conversations, { conversations: upstream.conversations, contextOf });
  const streaming = { streams: upstream.streams, diagnosis: upstream.diagnosis, downloads: pools.downloads, contextOf };
  await app.register(media, streaming);
  await app.register(connections, { config, connections: upstream.connections });
  await app.register(native, {
    allowed: config.NATIVE_PATHS,
    defaultCountries: config.DEFAULT_COUNTRIES,
    ...streaming,
  });
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
      running: (await store.runningBroadcasts(100)).length,
      held: await store.heldBroadcasts(),
    }),
    ...(budget && { budget }),
    ...(seams.callers.file && { callersFile: seams.callers.file }),
  });
  tellFront(metrics.registry, {
    front,
    pools: [sends, ...uploads.pools, ...Object.values(pools), ...upstream.intake.pools],
    linesDropped: seams.linesDropped ?? (() => 0),
  });
  await app.register(operations, { readiness, registry: metrics.registry });
  await app.register(operator, {
    callersView,
    store,
    stopSwitch,
    holds: shownHolds,
    readiness,
    budget,
    onChange: () => broadcastWorker.wake(),
    counts: patient(() => store.counts(), countsRestMs),
  });
  await app.register(problemPages);
  await app.register(home, { account: docs.account, docs: config.DOCS !== 'off' });
  refuseOtherMethods();

  const { onListening } = seams;
  const accepted = config.MATON_CONNECTION_ID;
  // Not waited for: a gateway that is slow holds up no start.
  if (onListening) app.addHook('onListen', async () => void onListening(readiness));
  app.addHook('onReady', async () => {
    // Before anything goes out.
    await stopSwitch.start();
    await maintenance.start();
    if (accepted !== undefined)
      void acceptConnection(store, accepted).catch((error) => onFault('connection-pin', error));
    reconcileWorker.start();
    broadcastWorker.wake();
  });
  app.addHook('onClose', async () => {
    // The lease is kept until the last send has ended: another replica would take it for lost.
    closing.abort();
    const ended = Promise.all([delivery.close(), broadcastWorker.close()]);
    budget?.close();
    await ended;
    await Promise.all([maintenance.stop(), reconcileWorker.stop()]);
    await stopSwitch.close();
    await dispatchers.close();
    await store.close();
    front.close();
    seams.callers.close();
  });
  return app;
}

/** Not the message: it may quote the upstream, or the database. */
const faultCode = (error: unknown): string => {
  if (error instanceof Problem) return error.slug;
  return error instanceof Error ? codeOf(error) : 'unknown';
};

/** Absent: there is no limit. */
function openBudget(
  { MATON_RATE_PER_SECOND: perSecond, WATI_PLAN: plan }: Config,
  slots?: SlotSource,
): Budget | undefined {
  return perSecond < 100_000 ? createBudget({ perSecond, plan, ...(slots && { slots }) }) : undefined;
}

const hourMs = 60 * 60 * 1000;

/** How long the store keeps what. */
export const retentionOf = (config: Config): StoreOptions => ({
  keyRetentionMs: config.KEY_RETENTION_HOURS * hourMs,
  unknownRetentionMs: config.UNKNOWN_RETENTION_DAYS * 24 * hourMs,
  recordRetentionMs: config.RECORD_RETENTION_DAYS * 24 * hourMs,
  leaseMs: config.STORE_LEASE_MS,
  tls: config.STORE_TLS,
});

/** The store, and where replicas take turns: through their database. One process alone paces itself. */
async function openRecords(
  config: Config,
  onUse: Metrics['store'],
): Promise<{ store: Store; slots?: SlotSource & PermitSource }> {
  const store = await openStore(config.STORE_URL, { ...retentionOf(config), onUse });
  return { store, ...(config.STORE_URL.startsWith('postgres') && { slots: store }) };
}
