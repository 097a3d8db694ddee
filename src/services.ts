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
import { type OpenIntake, openIntake } from './intake/open-intake.ts';
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
import { createTracking } from './tracking/tracking.ts';
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
    onAnswer: (connection, answer) => readiness.heard(connection, answer),
  });
  const stopSwitch = createStopSwitch({ store, onFault: (error) => onFault('sending-stop', error) });
  const pin = createConnectionPin({
    store,
    onChange: (changed) =>
      seams.logger.error(changed, 'the only active connection is not the one that was used before; it is not used'),
  });
  const { logger, now, intakeTokens } = seams;
  const intake = await openIntake(config, intakeTokens, {
    store,
    registry: metrics.registry,
    logger,
    ...(now && { now }),
  });
  const onEnd = ({ kind, status, connectionId }: StoredMessage) => {
    metrics.send(kind, status);
    if (status === 'accepted') intake?.onAccepted(connectionId);
  };
  const parts = { store, rateLimiter, upstream, stopSwitch, metrics, pauses, onEnd, onFault };
  const messaging = createMessaging(config, seams, parts);
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
  const upkeep = { dayQuota, stopSwitch, pin, readiness, intake };
  const own = { ...upkeep, uploads, store, reservations, rateLimiter, dispatchers, upstream, templates };
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
  onAnswer: Readiness['heard'];
}

function connectUpstream(config: Config, seams: Seams, wiring: UpstreamWiring): Upstream {
  const { matonKey, dispatchers, rateLimiter, metrics, replicas, readRetryMs, onAttempt, onAnswer } = wiring;
  return createUpstream(
    config,
    matonKey,
    dispatchers,
    (report) => {
      metrics.attempt(report);
      seams.tracing?.saw(report);
      onAttempt(report);
    },
    {
      replicas,
      readRetryMs,
      onAnswer,
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
  onEnd: (message: StoredMessage) => void;
  onFault: OnFault;
}

/** What takes messages, sends them and finds out what became of them. */
function createMessaging(config: Config, seams: Seams, parts: MessagingParts) {
  const { store, rateLimiter, upstream, stopSwitch, metrics, pauses, onEnd, onFault } = parts;
  const faultOf = (chore: string) => (error: unknown) => onFault(chore, error);
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
  const tracking = createTracking({
    store,
    metrics: metrics.tracking,
    logger: seams.logger,
    onFault: faultOf('webhooks'),
    intakeEveryMs: pauses.intakeEveryMs,
  });
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
    onEnd: (message: StoredMessage) => {
      onEnd(message);
      tracking.ended(message);
    },
    onProved: tracking.proved,
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
    onFault: faultOf('broadcasts'),
  });
  const reconciler = createReconciler(countReconciled(store, metrics), upstream.conversations, {
    messageLookup: upstream.messageLookup,
    channel,
  });
  const reconcileWorker = createReconcileWorker({
    store,
    reconciler,
    onFault: faultOf('reconcile'),
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
    tracking,
  };
}

/** What a look in the history finds is counted like what a webhook proves. */
const countReconciled = (store: Store, metrics: Metrics): Pick<Store, 'countLookalikes' | 'markReconciled'> => ({
  countLookalikes: (...asked) => store.countLookalikes(...asked),
  markReconciled: async (...found) => {
    const isResolved = await store.markReconciled(...found);
    if (isResolved) metrics.tracking.resolved('reconcile');
    return isResolved;
  },
});

type Parts = Pick<MessagingParts, 'store' | 'rateLimiter' | 'stopSwitch'> & {
  dispatchers: Dispatchers;
  intake: OpenIntake | undefined;
} & ReturnType<typeof createMessaging>;

function lifecycleOf(parts: Parts, acceptConfigured: () => void) {
  const { store, rateLimiter, stopSwitch, dispatchers, intake, closing } = parts;
  const { delivery, broadcastWorker, reconcileWorker, maintenance, tracking } = parts;
  return {
    start: async () => {
      // Before anything goes out.
      await stopSwitch.start();
      await maintenance.start();
      acceptConfigured();
      reconcileWorker.start();
      tracking.start();
      broadcastWorker.wake();
      await intake?.start(tracking.wake);
    },
    /** What is on the wire is given up: the time for going down is over. */
    cutOff: () => {
      closing.abort();
      rateLimiter?.close();
      void dispatchers.close();
      intake?.cutOff();
    },
    close: async () => {
      // The lease is kept until the last send has ended: another replica would take it for lost.
      closing.abort();
      const ended = Promise.all([delivery.close(), broadcastWorker.close()]);
      rateLimiter?.close();
      await ended;
      // The last of what listens: each webhook that is refused counts towards its being switched off.
      await intake?.close();
      await Promise.all([maintenance.stop(), reconcileWorker.stop(), tracking.stop()]);
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
  intakeDedupeMs: config.INTAKE_DEDUPE_DAYS * 24 * hourMs,
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
