import { healthAndMetrics } from '../routes/health-and-metrics.ts';
import { operator } from '../routes/operator.ts';
import { problemPages } from '../routes/problem-pages.ts';
import { registerFrontMetrics } from './observability/front-metrics.ts';
import { registerGauges } from './observability/gauges.ts';
import { cachedWithTimeout } from './observability/metric-factories.ts';
import { tellMonthCalls } from './observability/poll-metrics.ts';
import { createCallersView } from './operator/callers-view.ts';
import { heldMessages } from './operator/held-messages.ts';
import { monthQuotas } from './rate-limit/month-calls.ts';
import type { AppParts, Checks } from './register-plugins.ts';
import { version } from './version.ts';

/** Registers metrics, health, the pages and the operator routes. */
export async function registerOperatorRoutes(
  { app, config, overrides, front, metrics, services }: AppParts,
  { listedCheck }: Checks,
) {
  const { store, stopSwitch, shownHolds, readiness, rateLimiter, dayQuota, monthCalls } = services;
  const { uploads, upstream, sends, intake } = services;
  const callersView = createCallersView({
    callers: overrides.callers,
    stopped: stopSwitch,
    store,
    counts: services.callerCounts,
    now: overrides.now ?? Date.now,
  });
  // Read less often with PostgreSQL, which all replicas ask.
  const countsRestMs = config.STORE_URL.startsWith('postgres') ? 10_000 : 0;
  registerGauges(metrics.registry, {
    version,
    uploads,
    ready: readiness.check,
    sends: () => store.counts(),
    sendsRestMs: countsRestMs,
    stopped: () => stopSwitch.stopped,
    dayQuota: () => dayQuota.reading(),
    batchSizes: services.batchSizes,
    held: async () => heldMessages(await callersView.all()),
    broadcasts: async () => ({
      scheduled: await store.countScheduledBroadcasts(),
      running: (await store.listRunningBroadcasts(100)).length,
      held: await store.countPausedByService(),
    }),
    ...(rateLimiter && { rateLimiter }),
    ...(overrides.callers.file && { callersFile: overrides.callers.file }),
  });
  tellMonthCalls(metrics.registry, {
    calls: () => monthCalls.reading(),
    quota: monthQuotas[config.WATI_PLAN],
    restMs: countsRestMs,
  });
  registerFrontMetrics(metrics.registry, {
    front,
    pools: [
      sends,
      ...uploads.pools,
      ...Object.values(front.pools),
      ...upstream.bodyReader.pools,
      ...(intake?.pools ?? []),
    ],
    linesDropped: overrides.linesDropped ?? (() => 0),
  });
  await app.register(healthAndMetrics, { readiness, registry: metrics.registry });
  await app.register(operator, {
    ...services,
    config,
    callers: overrides.callers,
    listedCheck,
    operatorStreams: front.pools.operatorStreams,
    reports: front.pools.reports,
    now: overrides.now ?? Date.now,
    callersView,
    holds: shownHolds,
    onChange: () => services.broadcastWorker.wake(),
    counts: cachedWithTimeout(() => store.counts(), countsRestMs),
  });
  await app.register(problemPages);
}
