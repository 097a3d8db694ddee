import type { Config } from './config.ts';
import type { ReconcileWorker } from './delivery/reconcile/reconcile-worker.ts';
import type { Metrics } from './observability/metrics.ts';
import { type MonthCalls, monthQuotas } from './rate-limit/month-calls.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import type { Recording } from './recording.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { Store } from './store/open.ts';
import type { OnTaskError } from './task-error-code.ts';
import { pollsPerDay } from './tracking/poll-plan.ts';
import { createPollWorker, type PollWorker } from './tracking/poll-worker.ts';
import { createHistoryReader } from './upstream/history-reader.ts';
import { backgroundPriority, permitRequestOf } from './upstream/permits.ts';
import type { Upstream } from './upstream/upstream.ts';

interface PollingParts {
  store: Store;
  rateLimiter: OutboundRateLimiter | undefined;
  upstream: Upstream;
  metrics: Metrics;
  pauses: RetryDelays;
  recording: Recording;
  monthCalls: MonthCalls;
  reconcileWorker: Pick<ReconcileWorker, 'isBusy'>;
  /** Whether the day's calls leave some for reads. */
  mayRead: () => boolean;
  onTaskError: OnTaskError;
}

/** If a permit would be granted within this time, no other call is waiting. */
const turnMs = 200;

/** Reads histories of messages that no webhook reports on, at the lowest priority of all calls. */
export function createPolling(config: Config, overrides: ServiceOverrides, parts: PollingParts): PollWorker {
  const { store, rateLimiter, upstream, metrics, pauses, monthCalls, reconcileWorker, mayRead, onTaskError } = parts;
  const { TRACKING_POLL: mode, TRACKING_POLL_PER_DAY: perDay, WATI_PLAN: plan } = config;
  const onFault = (error: unknown) => onTaskError('polls', error);
  const nobodyWaits = () =>
    rateLimiter === undefined ||
    (Object.values(rateLimiter.stats().lanes).every(({ queued }) => queued === 0) &&
      rateLimiter.expectedWaitMs(permitRequestOf('getMessages', backgroundPriority)) <= turnMs);
  return createPollWorker({
    store,
    mode,
    perDay: perDay ?? pollsPerDay[plan],
    monthQuota: monthQuotas[plan],
    monthCalls: (connectionId) => monthCalls.of(connectionId),
    readHistory: createHistoryReader(upstream.conversations, onFault),
    channel: config.WATI_CHANNEL_NUMBER,
    isIdle: () => !reconcileWorker.isBusy() && mayRead() && nobodyWaits(),
    replicas: () => rateLimiter?.stats().replicas ?? 1,
    now: overrides.now ?? Date.now,
    metrics: metrics.tracking,
    factOptions: parts.recording.factOptions,
    onApplied: parts.recording.recorder.wake,
    logger: overrides.logger,
    onRead: metrics.polls.read,
    onFault,
    pollEveryMs: pauses.pollEveryMs,
    ...(overrides.polls && { wait: overrides.polls.wait }),
  });
}
