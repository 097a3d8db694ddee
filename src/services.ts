import type { Config } from './config.ts';
import { connectUpstream } from './connect-upstream.ts';
import { acceptConnection, createConnectionPin } from './connections/connection-pin.ts';
import { type EventServices, openEventServices } from './event-services.ts';
import { createStopSwitch } from './holds/sending-stop.ts';
import { type OpenIntake, openIntake } from './intake/open-intake.ts';
import { createMessaging, type EndedMessage, type MessagingParts } from './messaging.ts';
import type { Metrics } from './observability/metrics.ts';
import { CallerCounts } from './operator/caller-counts.ts';
import { createPolling } from './polling.ts';
import { DayQuota } from './rate-limit/day-quota.ts';
import { MonthCalls } from './rate-limit/month-calls.ts';
import { createRateLimiter } from './rate-limit/outbound-limiter.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import { openRecords } from './records.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import { defaultRetryDelays } from './settings/retry-delays.ts';
import type { ReservationStore } from './store/coordination-store.ts';
import type { Store } from './store/open.ts';
import { errorCode, type OnTaskError } from './task-error-code.ts';
import { createTemplateCache } from './templates/template-cache.ts';
import type { PollWorker } from './tracking/poll-worker.ts';
import { createUploads } from './upload/uploads.ts';
import { type Dispatchers, openDispatchers } from './upstream/dispatchers.ts';
import type { CallReport } from './upstream/types.ts';
import { version } from './version.ts';
import { openWebhooks, type Webhooks } from './webhooks/open-webhooks.ts';

export type Services = Awaited<ReturnType<typeof createServices>>;

/** The service without HTTP: store, rate limiter, upstream, delivery. */
export async function createServices(config: Config, overrides: ServiceOverrides, metrics: Metrics) {
  const pauses = overrides.pauses ?? defaultRetryDelays;
  const matonKey = overrides.matonKey ?? (() => config.MATON_API_KEY);
  const onTaskError: OnTaskError = (task, error) =>
    overrides.logger.warn({ task, reason: errorCode(error) }, 'task failed');
  const resources = await openResources(config, overrides, { metrics, onTaskError });
  const { store, reservations, rateLimiter, dispatchers, dayQuota, monthCalls } = resources;
  const upstream = connectUpstream(config, overrides, {
    matonKey,
    dispatchers,
    rateLimiter,
    metrics,
    replicas: reservations !== undefined,
    readRetryMs: pauses.readRetryMs,
    onAttempt: (report, connection) => {
      countCall(resources, report, connection);
      readiness.observe(report);
    },
    onAnswer: (connection, answer) => readiness.heard(connection, answer),
  });
  const stopSwitch = createStopSwitch({ store, onFault: (error) => onTaskError('sending-stop', error) });
  const pin = openPin(store, overrides.logger);
  const onGap = (connectionId: string, fromMs: number) => void pollWorker.lookSince(connectionId, fromMs);
  const polls = config.TRACKING_POLL === 'off' ? {} : { onGap };
  const intakeWiring = { store, registry: metrics.registry, logger: overrides.logger, now: nowOf(overrides), ...polls };
  const intake = overrides.intake && (await openIntake(config, { ...intakeWiring, ...overrides.intake }));
  const parts = { store, metrics, pauses, onTaskError, webhooks: resources.webhooks };
  const eventServices = await openEventServices(config, overrides, parts);
  const shared = { ...parts, rateLimiter, upstream, recording: eventServices.recording };
  const messaging = createMessaging(config, overrides, {
    ...shared,
    stopSwitch,
    onEnd: (message) => {
      countOutcome(message, { metrics, callerCounts: resources.callerCounts });
      if (message.status === 'accepted') intake?.onAccepted(message.connectionId);
    },
  });
  const pollWorker = createPolling(config, overrides, {
    ...shared,
    monthCalls,
    reconcileWorker: messaging.reconcileWorker,
    mayRead: () => dayQuota.spentForMs('read') === 0,
  });
  const readiness: Readiness = createReadiness(upstream.connections, config.MATON_CONNECTION_ID, {
    store,
    stopSwitch,
    pin,
    matonKey,
    hasRecovered: () => messaging.maintenance.hasRecovered,
  });
  const templates = createTemplateCache(upstream.templates, config.TEMPLATE_CACHE_MS, pauses.templateMissMs);
  const acceptConfigured = () => acceptConfiguredConnection(config, store, onTaskError);
  const own = {
    ...resources,
    ...eventServices,
    uploads: overrides.uploads ?? openUploads(config),
    pollWorker,
    upstream,
    stopSwitch,
    pin,
    readiness,
    intake,
    templates,
    onTaskError,
  };
  return { ...own, ...messaging, ...lifecycleOf({ ...own, ...messaging }, acceptConfigured) };
}

const nowOf = ({ now = () => Date.now() }: ServiceOverrides) => now;

function countOutcome(
  message: EndedMessage,
  { metrics, callerCounts }: { metrics: Metrics; callerCounts: CallerCounts },
) {
  const { kind, status, failure } = message;
  if (failure?.code === 'expired') metrics.recordExpired(kind);
  else metrics.recordOutcome(kind, status);
  callerCounts.ended(message);
}

async function openResources(
  config: Config,
  overrides: ServiceOverrides,
  { metrics, onTaskError }: { metrics: Metrics; onTaskError: OnTaskError },
) {
  const { store, reservations } = overrides.store
    ? { store: overrides.store }
    : await (overrides.records ?? openRecords(config))(metrics.recordStoreCall);
  const rateLimiter = overrides.rateLimiter ?? openRateLimiter(config, reservations);
  const dispatchers = overrides.dispatchers ?? openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const dayQuota = new DayQuota(
    config.UPSTREAM_CALLS_PER_DAY,
    () => rateLimiter?.stats().replicas ?? 1,
    nowOf(overrides),
  );
  const monthCalls = new MonthCalls(store, (error) => onTaskError('month-calls', error));
  const callerCounts = new CallerCounts(store, (error) => onTaskError('caller-counts', error));
  const webhooks = openWebhooks(config, {
    signingKeys: overrides.signingKeys ?? (() => config.EVENTS_SIGNING_KEYS),
    version,
    lookup: overrides.webhookLookup,
    now: nowOf(overrides),
  });
  return { store, reservations, rateLimiter, dispatchers, dayQuota, monthCalls, callerCounts, webhooks };
}

function countCall(
  { dayQuota, monthCalls }: Awaited<ReturnType<typeof openResources>>,
  { host, bytesSent }: CallReport,
  connection: string | undefined,
): void {
  if (host !== 'gateway' || !bytesSent) return;
  dayQuota.count();
  if (connection !== undefined) monthCalls.count(connection);
}

const openPin = (store: Store, logger: ServiceOverrides['logger']) =>
  createConnectionPin({
    store,
    onChange: (changed) =>
      logger.error(changed, 'the only active connection is not the one that was used before; it is not used'),
  });

const openUploads = ({ UPLOADS_MAX: openMax, UPLOAD_MIN_BYTES_PER_SECOND: bytesPerSecondMin }: Config) =>
  createUploads({ openMax, bytesPerSecondMin });

function acceptConfiguredConnection(config: Config, store: Store, onTaskError: OnTaskError): void {
  const { MATON_CONNECTION_ID: accepted } = config;
  if (accepted === undefined) return;
  void acceptConnection(store, accepted).catch((error) => onTaskError('connection-pin', error));
}

type Parts = Pick<MessagingParts, 'store' | 'rateLimiter' | 'stopSwitch'> & {
  dispatchers: Dispatchers;
  intake: OpenIntake | undefined;
  monthCalls: MonthCalls;
  callerCounts: CallerCounts;
  pollWorker: PollWorker;
  webhooks: Webhooks;
} & EventServices &
  ReturnType<typeof createMessaging>;

function lifecycleOf(parts: Parts, acceptConfigured: () => void) {
  const { store, rateLimiter, stopSwitch, dispatchers, intake, closing, monthCalls, pollWorker, events, webhooks } =
    parts;
  const { delivery, broadcastWorker, reconcileWorker, maintenance, schedule, tracking } = parts;
  const { recorder } = parts.recording;
  const { dispatcher } = parts;
  return {
    start: async () => {
      // Before anything is sent.
      await stopSwitch.start();
      // Before any state changes: facts that no caller asks for are not recorded.
      await recorder.start();
      await maintenance.start();
      acceptConfigured();
      schedule.start();
      reconcileWorker.start();
      tracking.start();
      dispatcher.start();
      broadcastWorker.wake();
      await intake?.start(tracking.wake);
      pollWorker.start();
    },
    /** Aborts in-flight requests: the shutdown time-out is over. */
    cutOff: () => {
      closing.abort();
      rateLimiter?.close();
      void dispatchers.close();
      intake?.cutOff();
      dispatcher.cutOff();
      webhooks.cutOff();
    },
    close: async () => {
      // The lease is kept until the last send has ended, or another replica would consider this process dead.
      closing.abort();
      const ended = Promise.all([delivery.close(), broadcastWorker.close(), dispatcher.stop()]);
      rateLimiter?.close();
      await ended;
      // Closed last of all listeners, because WATI counts each refused webhook towards switching it off.
      await intake?.close();
      await Promise.all([
        maintenance.stop(),
        schedule.stop(),
        reconcileWorker.stop(),
        tracking.stop(),
        pollWorker.stop(),
      ]);
      await recorder.stop();
      await events.hub.close();
      await webhooks.sender.close();
      await Promise.all([monthCalls.close(), parts.callerCounts.close()]);
      await stopSwitch.close();
      await dispatchers.close();
      await store.close();
    },
  };
}

/** Absent: there is no rate limit. */
function openRateLimiter(
  { MATON_RATE_PER_SECOND: perSecond, WATI_PLAN: plan }: Config,
  reservations?: ReservationStore,
): OutboundRateLimiter | undefined {
  return perSecond < 100_000
    ? createRateLimiter({ perSecond, plan, ...(reservations && { reservations }) })
    : undefined;
}
