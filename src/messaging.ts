import { randomUUID } from 'node:crypto';
import { createBroadcasts } from './broadcasts/broadcast-service.ts';
import { BroadcastWorker } from './broadcasts/broadcast-worker.ts';
import type { Config } from './config.ts';
import { createSendsPool } from './delivery/admission/admission.ts';
import { createDelivery } from './delivery/delivery-service.ts';
import { createBatchSizes } from './delivery/dispatch/batch-sizes.ts';
import { type CircuitBreaker, createCircuitBreaker } from './delivery/dispatch/circuit-breaker.ts';
import { expiry } from './delivery/dispatch/expiry.ts';
import { createReconcileWorker } from './delivery/reconcile/reconcile-worker.ts';
import { createReconciler } from './delivery/reconcile/reconciler.ts';
import { createMaintenance } from './delivery/recovery/maintenance.ts';
import { createQueueLog } from './delivery/recovery/queue-log.ts';
import { createSchedule, type Schedule } from './delivery/recovery/schedule.ts';
import { createHolds, type Holds } from './holds/holds.ts';
import type { StopSwitch } from './holds/sending-stop.ts';
import { timeOrderedId } from './lib/time-ordered-id.ts';
import type { Metrics } from './observability/metrics.ts';
import { broadcastCallsPerSecond } from './rate-limit/broadcast-pace.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import type { Recording } from './recording.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { StoredMessage } from './store/message-store.ts';
import type { Store } from './store/open.ts';
import type { OnTaskError } from './task-error-code.ts';
import { createTracking, type Tracking } from './tracking/tracking.ts';
import type { Upstream } from './upstream/upstream.ts';

const dayMs = 24 * 3_600_000;

/** A message that has an outcome. */
export type EndedMessage = Pick<StoredMessage, 'caller' | 'kind' | 'connectionId' | 'status' | 'failure'>;

export interface MessagingParts {
  store: Store;
  rateLimiter: OutboundRateLimiter | undefined;
  upstream: Upstream;
  stopSwitch: StopSwitch;
  metrics: Metrics;
  pauses: RetryDelays;
  recording: Recording;
  onEnd: (message: EndedMessage) => void;
  onTaskError: OnTaskError;
}

/** Builds delivery, broadcasts, reconciliation and maintenance. */
export function createMessaging(config: Config, overrides: ServiceOverrides, parts: MessagingParts) {
  const { store, rateLimiter, upstream, stopSwitch, metrics, pauses, onTaskError } = parts;
  const now = overrides.now ?? (() => Date.now());
  const closing = new AbortController();
  const holds = createHolds(overrides.callers, stopSwitch);
  const breaker = createCircuitBreaker(upstream.isConnectionAccepted, closing.signal, {
    probeFirstMs: pauses.probeFirstMs,
  });
  const tracking = createTracking({
    store,
    metrics: metrics.tracking,
    logger: overrides.logger,
    factOptions: parts.recording.factOptions,
    onApplied: parts.recording.recorder.wake,
    onFault: (error) => onTaskError('webhooks', error),
    intakeEveryMs: pauses.intakeEveryMs,
  });
  const dispatch = dispatchServices(config, parts, { now, breaker, holds, tracking, closing: closing.signal });
  const outbound = createOutbound(config, overrides, { parts, dispatch });
  const reconciler = createReconciler(countReconciled(parts), upstream.conversations, {
    messageLookup: upstream.messageLookup,
    channel: dispatch.channel,
  });
  const reconcileWorker = createReconcileWorker({
    store,
    reconciler,
    onFault: (error) => onTaskError('reconcile', error),
    ...(rateLimiter && { rateLimiter }),
    ...overrides.looks,
  });
  const broadcasts = createBroadcasts({
    store,
    stopped: stopSwitch,
    channel: dispatch.channel,
    newId: overrides.newId ?? timeOrderedId,
    reconcileWorker,
    now,
    onChange: () => outbound.broadcastWorker.wake(),
    onStart: outbound.onBroadcastStart,
    callsPerMinute: () => broadcastCallsPerSecond(rateLimiter?.stats()) * 60,
    batchSize: (connection) => dispatch.batchSizes.limit({ connection, lane: 'broadcast' }),
  });
  const { delivery } = outbound;
  const schedule = createOwnSchedule(parts, outbound);
  const maintenance = createMaintenance({
    store,
    delivery,
    leaseMs: config.STORE_LEASE_MS,
    eventRetentionMs: config.EVENT_RETENTION_DAYS * dayMs,
    onFault: onTaskError,
  });
  /** Shown to callers and operators; includes the circuit breaker. */
  const shownHolds: Holds = { reasonFor: (ask) => holds.reasonFor(ask) ?? breaker.holdOf(ask.connection) };
  return {
    closing,
    sends: outbound.sends,
    shownHolds,
    delivery,
    broadcasts,
    broadcastWorker: outbound.broadcastWorker,
    batchSizes: dispatch.batchSizes,
    reconciler,
    reconcileWorker,
    maintenance,
    schedule,
    tracking,
  };
}

interface DispatchParts {
  now: () => number;
  breaker: CircuitBreaker;
  holds: Holds;
  tracking: Tracking;
  closing: AbortSignal;
}

/** Used by single messages and by broadcasts. */
function dispatchServices(config: Config, parts: MessagingParts, own: DispatchParts) {
  const { upstream, rateLimiter } = parts;
  const { tracking, ...rest } = own;
  return {
    ...rest,
    store: parts.store,
    transport: upstream.transport,
    diagnosis: upstream.diagnosis,
    sendCalls: upstream.sendCalls,
    splitsBatches: config.GROUP_SPLIT === 'on',
    batchSizes: createBatchSizes({ bounds: config.GROUP_BOUNDS, slowMs: config.UPSTREAM_TIMEOUT_MS / 4 }),
    channel: config.WATI_CHANNEL_NUMBER,
    ...(rateLimiter && { rateLimiter }),
    onEnd: (message: StoredMessage) => {
      parts.onEnd(message);
      tracking.ended(message);
      parts.recording.recorder.wake();
    },
    onProved: tracking.proved,
    onBatch: parts.metrics.recordBatch,
  };
}

interface OutboundParts {
  parts: MessagingParts;
  dispatch: ReturnType<typeof dispatchServices>;
}

/** Builds what sends: single messages, and the worker of the broadcasts. */
function createOutbound(config: Config, { logger, newId }: ServiceOverrides, { parts, dispatch }: OutboundParts) {
  const sends = createSendsPool(config.GROUP_BOUNDS.interactive.max);
  const queueLog = createQueueLog(logger, parts.store);
  const delivery = createDelivery({
    ...dispatch,
    onHold: queueLog.sendsHeld,
    stopped: parts.stopSwitch,
    newId: newId ?? randomUUID,
    sends,
    sendTimeoutMs: config.SEND_WAIT_MS,
  });
  const broadcastWorker = new BroadcastWorker({
    ...dispatch,
    lookEveryMs: parts.pauses.lookEveryMs,
    onHold: queueLog.broadcastsHeld,
    onPause: ({ id, caller }) => logger.warn({ broadcastId: id, callerId: caller }, 'broadcast paused by the service'),
    onFinished: (broadcast) => {
      queueLog.ended(broadcast);
      parts.recording.recorder.wake();
    },
    onFault: (error) => parts.onTaskError('broadcasts', error),
  });
  return { sends, delivery, broadcastWorker, onBroadcastStart: queueLog.started };
}

/** Counts expired messages, except those that this process is delivering: they are counted when their delivery ends. */
const createOwnSchedule = (
  { store, recording, pauses, onEnd, onTaskError }: MessagingParts,
  { delivery, broadcastWorker }: ReturnType<typeof createOutbound>,
): Schedule =>
  createSchedule({
    store,
    resumeQueued: () => delivery.resumeQueued(),
    onBroadcastsDue: () => broadcastWorker.wake(),
    onExpired: (messages) => {
      for (const { id, ...message } of messages) {
        if (!delivery.isUnderWay(id)) onEnd({ ...message, status: 'not_sent', failure: expiry.failure });
      }
      recording.recorder.wake();
    },
    onFault: (error) => onTaskError('schedule', error),
    lookEveryMs: pauses.lookEveryMs,
  });

/** Counts messages that reconciliation resolves in the same metric as those that webhooks resolve. */
const countReconciled = ({
  store,
  metrics,
  recording,
}: MessagingParts): Pick<Store, 'countLookalikes' | 'markReconciled'> => ({
  countLookalikes: (...asked) => store.countLookalikes(...asked),
  markReconciled: async (...found) => {
    const isResolved = await store.markReconciled(...found);
    if (isResolved) {
      metrics.tracking.resolved('reconcile');
      recording.recorder.wake();
    }
    return isResolved;
  },
});
