import { randomUUID } from 'node:crypto';
import type { Metrics } from '../plugins/metrics.ts';
import { createBroadcasts } from './broadcasts/broadcast-service.ts';
import { BroadcastWorker } from './broadcasts/broadcast-worker.ts';
import type { Config } from './config.ts';
import { acceptConnection, createConnectionPin } from './connections/connection-pin.ts';
import { createSendsPool } from './delivery/admission/admission.ts';
import { createDelivery } from './delivery/delivery-service.ts';
import { createCircuitBreaker } from './delivery/dispatch/circuit-breaker.ts';
import { createReconcileWorker } from './delivery/reconcile/reconcile-worker.ts';
import { createReconciler } from './delivery/reconcile/reconciler.ts';
import { createMaintenance } from './delivery/recovery/maintenance.ts';
import { createQueueLog } from './delivery/recovery/queue-log.ts';
import { createHolds, type Holds } from './holds/holds.ts';
import { createStopSwitch, type StopSwitch } from './holds/sending-stop.ts';
import { type Pauses, usualPauses } from './pauses.ts';
import { Problem } from './problem.ts';
import type { TokenStore } from './rate-limit/caller-limiter.ts';
import { DayQuota } from './rate-limit/day-quota.ts';
import { createRateLimiter } from './rate-limit/outbound-limiter.ts';
import type { OutboundRateLimiter, ReservationSource } from './rate-limit/types.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import type { Seams } from './seams.ts';
import type { StoredMessage } from './store/message-store.ts';
import { openStore, type Store } from './store/open.ts';
import type { StoreOptions } from './store/options.ts';
import { createTemplateCache } from './templates/template-cache.ts';
import { createUploads } from './upload/uploads.ts';
import { type Dispatchers, openDispatchers } from './upstream/dispatchers.ts';
import { codeOf } from './upstream/error-code.ts';
import { createUpstream, type Upstream } from './upstream/upstream.ts';

export type Services = Awaited<ReturnType<typeof createServices>>;

/** A recurring task failed. */
type OnFault = (task: string, error: unknown) => void;

/** What the service does, without HTTP: the store, the upstream, and what delivers messages between them. */
export async function createServices(config: Config, seams: Seams, metrics: Metrics) {
  const pauses = seams.pauses ?? usualPauses;
  const matonKey = seams.matonKey ?? (() => config.MATON_API_KEY);
  const onFault: OnFault = (task, error) => seams.logger.warn({ task, reason: faultCode(error) }, 'task failed');
  const { store, reservations } = seams.store ? { store: seams.store } : await openRecords(config, metrics.store);
  const rateLimiter = seams.rateLimiter ?? openRateLimiter(config, reservations);
  const dispatchers = seams.dispatchers ?? openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const dayQuota = new DayQuota(
    config.UPSTREAM_CALLS_PER_DAY,
    () => rateLimiter?.stats().replicas ?? 1,
    seams.now ?? (() => Date.now()),
  );
  const upstream = connectUpstream(config, seams, {
    matonKey,
    dispatchers,
    rateLimiter,
    metrics,
    replicas: reservations !== undefined,
    readRetryMs: pauses.readRetryMs,
    onAttempt: (report) => {
      if (report.host === 'gateway' && report.bytesSent) dayQuota.count();
      readiness.saw(report);
    },
  });
  const stopSwitch = createStopSwitch({ store, onFault: (error) => onFault('sending-stop', error) });
  const pin = createConnectionPin({
    store,
    onChange: (changed) =>
      seams.logger.error(changed, 'the only active connection is not the one that was used before; it is not used'),
  });
  const messaging = createMessaging(config, seams, {
    store,
    rateLimiter,
    upstream,
    stopSwitch,
    metrics,
    pauses,
    onFault,
  });
  const readiness: Readiness = createReadiness(upstream.connections, config.MATON_CONNECTION_ID, {
    store,
    stopSwitch,
    pin,
    matonKey,
    hasRecovered: () => messaging.maintenance.hasRecovered,
  });
  const templates = createTemplateCache(upstream.templates, config.TEMPLATE_CACHE_MS, pauses.templateMissMs);
  const accepted = config.MATON_CONNECTION_ID;
  const acceptConfigured = () => {
    if (accepted === undefined) return;
    void acceptConnection(store, accepted).catch((error) => onFault('connection-pin', error));
  };
  const uploads =
    seams.uploads ??
    createUploads({ openMax: config.UPLOADS_MAX, bytesPerSecondMin: config.UPLOAD_MIN_BYTES_PER_SECOND });
  const own = {
    uploads,
    store,
    reservations,
    rateLimiter,
    dispatchers,
    dayQuota,
    upstream,
    stopSwitch,
    pin,
    readiness,
    templates,
  };
  return { ...own, ...messaging, ...lifecycleOf({ ...own, ...messaging }, acceptConfigured) };
}

interface UpstreamWiring {
  matonKey: () => string;
  dispatchers: Dispatchers;
  rateLimiter: OutboundRateLimiter | undefined;
  metrics: Metrics;
  /** Other replicas share the account. */
  replicas: boolean;
  readRetryMs: number;
  onAttempt: Parameters<typeof createUpstream>[3];
}

function connectUpstream(config: Config, seams: Seams, wiring: UpstreamWiring): Upstream {
  const { matonKey, dispatchers, rateLimiter, metrics, replicas, readRetryMs, onAttempt } = wiring;
  return createUpstream(
    config,
    matonKey,
    dispatchers,
    (report) => {
      metrics.attempt(report);
      seams.tracing?.recordUnattributed(report);
      onAttempt(report);
    },
    {
      replicas,
      readRetryMs,
      ...(rateLimiter && { rateLimiter: rateLimiter }),
      onEcho: (operation) => {
        metrics.keyEcho(operation);
        seams.logger.error({ operation }, 'the upstream quoted a key of this service; renew it');
      },
    },
  );
}

interface MessagingParts {
  store: Store;
  rateLimiter: OutboundRateLimiter | undefined;
  upstream: Upstream;
  stopSwitch: StopSwitch;
  metrics: Metrics;
  pauses: Pauses;
  onFault: OnFault;
}

/** What takes messages, sends them and finds out what became of them. */
function createMessaging(config: Config, seams: Seams, parts: MessagingParts) {
  const { store, rateLimiter, upstream, stopSwitch, metrics, pauses, onFault } = parts;
  const now = seams.now ?? (() => Date.now());
  const newId = seams.newId ?? randomUUID;
  const channel = config.WATI_CHANNEL_NUMBER;
  const closing = new AbortController();
  const holds = createHolds(seams.callers, stopSwitch);
  const breaker = createCircuitBreaker(upstream.isConnectionAccepted, closing.signal, {
    probeFirstMs: pauses.probeFirstMs,
  });
  const sends = createSendsPool();
  const queueLog = createQueueLog(seams.logger, store);
  const deliveryServices = {
    store,
    now,
    transport: upstream.transport,
    diagnosis: upstream.diagnosis,
    sendRequests: upstream.sendRequests,
    splitsBatches: config.GROUP_SPLIT === 'on',
    channel,
    breaker,
    holds,
    closing: closing.signal,
    ...(rateLimiter && { rateLimiter }),
    onEnd: ({ kind, status }: StoredMessage) => metrics.send(kind, status),
    onBatch: metrics.group,
  };
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
  const reconciler = createReconciler(store, upstream.conversations, {
    messageLookup: upstream.messageLookup,
    channel,
  });
  const reconcileWorker = createReconcileWorker({
    store,
    reconciler,
    onFault: (error: unknown) => onFault('reconcile', error),
    ...(rateLimiter && { rateLimiter: rateLimiter }),
    ...seams.looks,
  });
  const broadcasts = createBroadcasts({
    store,
    stopped: stopSwitch,
    channel,
    newId,
    reconcileWorker,
    now,
    onChange: () => broadcastWorker.wake(),
    onStart: queueLog.started,
  });
  const maintenance = createMaintenance({ store, delivery, leaseMs: config.STORE_LEASE_MS, onFault });
  /** For those who ask why something waits. */
  const shownHolds: Holds = { reasonFor: (ask) => holds.reasonFor(ask) ?? breaker.holdOf(ask.connection) };
  return {
    closing,
    sends,
    shownHolds,
    delivery,
    broadcasts,
    broadcastWorker,
    reconciler,
    reconcileWorker,
    maintenance,
  };
}

type Parts = Pick<MessagingParts, 'store' | 'rateLimiter' | 'stopSwitch'> & { dispatchers: Dispatchers } & ReturnType<
    typeof createMessaging
  >;

function lifecycleOf(parts: Parts, acceptConfigured: () => void) {
  const { store, rateLimiter, stopSwitch, dispatchers, closing } = parts;
  const { delivery, broadcastWorker, reconcileWorker, maintenance } = parts;
  return {
    start: async () => {
      // Before anything goes out.
      await stopSwitch.start();
      await maintenance.start();
      acceptConfigured();
      reconcileWorker.start();
      broadcastWorker.wake();
    },
    /** What is on the wire is given up: the time for going down is over. */
    cutOff: () => {
      closing.abort();
      rateLimiter?.close();
      void dispatchers.close();
    },
    close: async () => {
      // The lease is kept until the last send has ended: another replica would take it for lost.
      closing.abort();
      const ended = Promise.all([delivery.close(), broadcastWorker.close()]);
      rateLimiter?.close();
      await ended;
      await Promise.all([maintenance.stop(), reconcileWorker.stop()]);
      await stopSwitch.close();
      await dispatchers.close();
      await store.close();
    },
  };
}

/** Not the message: it may quote the upstream, or the database. */
const faultCode = (error: unknown): string => {
  if (error instanceof Problem) return error.slug;
  return error instanceof Error ? codeOf(error) : 'unknown';
};

/** Absent: there is no limit. */
function openRateLimiter(
  { MATON_RATE_PER_SECOND: perSecond, WATI_PLAN: plan }: Config,
  reservations?: ReservationSource,
): OutboundRateLimiter | undefined {
  return perSecond < 100_000
    ? createRateLimiter({ perSecond, plan, ...(reservations && { reservations }) })
    : undefined;
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
  onQuery: Metrics['store'],
): Promise<{ store: Store; reservations?: ReservationSource & TokenStore }> {
  const store = await openStore(config.STORE_URL, { ...retentionOf(config), onQuery });
  return { store, ...(config.STORE_URL.startsWith('postgres') && { reservations: store }) };
}
