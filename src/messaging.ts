import { randomUUID } from 'node:crypto';
import { createBroadcasts } from './broadcasts/broadcast-service.ts';
import { BroadcastWorker } from './broadcasts/broadcast-worker.ts';
import type { Config } from './config.ts';
import { createSendsPool } from './delivery/admission/admission.ts';
import { createDelivery } from './delivery/delivery-service.ts';
import { createCircuitBreaker } from './delivery/dispatch/circuit-breaker.ts';
import { createReconcileWorker } from './delivery/reconcile/reconcile-worker.ts';
import { createReconciler } from './delivery/reconcile/reconciler.ts';
import { createMaintenance } from './delivery/recovery/maintenance.ts';
import { createQueueLog } from './delivery/recovery/queue-log.ts';
import { createHolds, type Holds } from './holds/holds.ts';
import type { StopSwitch } from './holds/sending-stop.ts';
import type { Metrics } from './observability/metrics.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { StoredMessage } from './store/message-store.ts';
import type { Store } from './store/open.ts';
import { createTracking } from './tracking/tracking.ts';
import type { Upstream } from './upstream/upstream.ts';

/** A recurring task failed. */
export type OnTaskError = (task: string, error: unknown) => void;

export interface MessagingParts {
  store: Store;
  rateLimiter: OutboundRateLimiter | undefined;
  upstream: Upstream;
  stopSwitch: StopSwitch;
  metrics: Metrics;
  pauses: RetryDelays;
  /** A message has an outcome. */
  onEnd: (message: StoredMessage) => void;
  onTaskError: OnTaskError;
}

/** Delivery, broadcasts, reconciliation and maintenance. */
export function createMessaging(config: Config, overrides: ServiceOverrides, parts: MessagingParts) {
  const { store, rateLimiter, upstream, stopSwitch, metrics, pauses, onEnd, onTaskError } = parts;
  const onErrorIn = (task: string) => (error: unknown) => onTaskError(task, error);
  const now = overrides.now ?? (() => Date.now());
  const newId = overrides.newId ?? randomUUID;
  const channel = config.WATI_CHANNEL_NUMBER;
  const closing = new AbortController();
  const holds = createHolds(overrides.callers, stopSwitch);
  const breaker = createCircuitBreaker(upstream.isConnectionAccepted, closing.signal, {
    probeFirstMs: pauses.probeFirstMs,
  });
  const sends = createSendsPool();
  const queueLog = createQueueLog(overrides.logger, store);
  const tracking = createTracking({
    store,
    metrics: metrics.tracking,
    logger: overrides.logger,
    onFault: onErrorIn('webhooks'),
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
    onBatch: metrics.recordBatch,
  };
  const delivery = createDelivery({
    ...deliveryServices,
    onHold: queueLog.sendsHeld,
    stopped: stopSwitch,
    newId,
    sends,
    sendTimeoutMs: config.SEND_WAIT_MS,
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
      overrides.logger.warn({ broadcastId: id, callerId: caller }, 'broadcast paused by the service'),
    onFinished: queueLog.ended,
    onFault: onErrorIn('broadcasts'),
  });
  const reconciler = createReconciler(countReconciled(store, metrics), upstream.conversations, {
    messageLookup: upstream.messageLookup,
    channel,
  });
  const reconcileWorker = createReconcileWorker({
    store,
    reconciler,
    onFault: onErrorIn('reconcile'),
    ...(rateLimiter && { rateLimiter }),
    ...overrides.looks,
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
  const maintenance = createMaintenance({ store, delivery, leaseMs: config.STORE_LEASE_MS, onFault: onTaskError });
  /** Shown to callers and operators; includes the circuit breaker. */
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
