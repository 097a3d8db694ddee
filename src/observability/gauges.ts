import type { Registry } from '@prometheus-io/client';
import type { OutboundRateLimiter } from '../rate-limit/types.ts';
import type { Ready } from '../schemas/health.ts';
import { cachedWithTimeout, metricFactories, type Sample } from './metric-factories.ts';

/** Sources of gauges, read at each scrape only. */
export interface GaugeSources {
  version: string;
  uploads: { readonly open: number; readonly bytes: number };
  ready(): Promise<Ready>;
  /** The number of recorded messages in each state. */
  sends(): Promise<Readonly<Record<string, number>>>;
  /** How long the store is not asked again, ms. */
  sendsRestMs: number;
  /**
   * Numbers of broadcasts that wait for their `sendAt`, that run and have something to send, and that the service has paused
   * because everything was refused.
   */
  broadcasts(): Promise<{ scheduled: number; running: number; held: number }>;
  /** Messages that wait because their caller may not send now, by reason. */
  held(): Promise<Readonly<Record<string, number>>>;
  /** How many template messages one call may carry now. */
  batchSizes: { reading(): readonly { connection: string; lane: string; limit: number }[] };
  /** Calls of this process to the gateway today, and its limit; 0: none. */
  dayQuota(): { used: number; limit: number };
  /** What operators have stopped. */
  stopped(): { all: boolean; callers: readonly string[]; connections: readonly string[] };
  rateLimiter?: OutboundRateLimiter;
  /** The callers file: whether it was valid when it was last read, and since when its current version is in force (ms since 1970). */
  callersFile?: () => { valid: boolean; sinceMs: number };
  /** Wall clock, ms. */
  now?: () => number;
}

/** Registers metrics whose values other parts keep. Values that are not known now are left out. */
export function registerGauges(registry: Registry, standing: GaugeSources): void {
  const { version, uploads, rateLimiter } = standing;
  const { gauge, counter } = metricFactories(registry);
  const ready = cachedWithTimeout(standing.ready, 0);
  const sends = cachedWithTimeout(standing.sends, standing.sendsRestMs);
  const broadcasts = cachedWithTimeout(standing.broadcasts, 0);
  const held = cachedWithTimeout(standing.held, standing.sendsRestMs);

  gauge({ name: 'build_info', help: 'Always 1: which build it is', labels: ['version', 'node'] }, () => [
    [{ version, node: process.versions.node }, 1],
  ]);
  gauge({ name: 'ready', help: '1 while /health/ready says `ready`' }, async () => [
    [{}, (await ready())?.status === 'ready' ? 1 : 0],
  ]);
  gauge(
    { name: 'dependency_up', help: 'What /health/ready knows: 1 it works, 0 it does not', labels: ['dependency'] },
    async () => dependencies(await ready()),
  );
  gauge(
    {
      name: 'connection_changed',
      help: '1 while the only active connection is not the one that was used before: what names none is refused',
    },
    async () => {
      const state = await ready();
      return state ? [[{}, state.connection === 'changed' ? 1 : 0]] : [];
    },
  );
  gauge(
    {
      name: 'recorded_sends',
      help: 'Sends on record by their state now, of all callers and replicas; `scheduled`: queued until their `sendAt`',
      labels: ['status'],
    },
    async () => Object.entries((await sends()) ?? {}).map(([status, count]) => [{ status }, count]),
  );
  gauge(
    {
      name: 'broadcasts',
      help: 'Broadcasts that wait for their `sendAt`, those that run and have something left to send, 100 at most, and those that the service has paused (`held`)',
      labels: ['status'],
    },
    async () => Object.entries((await broadcasts()) ?? {}).map(([status, count]) => [{ status }, count]),
  );
  gauge(
    {
      name: 'held_messages',
      help: 'Messages queued for callers that were removed, stopped or may not send any more; single sends up to 1,000 of each',
      labels: ['reason'],
    },
    async () => Object.entries((await held()) ?? {}).map(([reason, count]) => [{ reason }, count]),
  );
  gauge(
    { name: 'sending_stopped', help: 'How much operators have stopped: 1 for `all`, else how many', labels: ['scope'] },
    () => {
      const { all, callers, connections } = standing.stopped();
      return [
        [{ scope: 'all' }, all ? 1 : 0],
        [{ scope: 'caller' }, callers.length],
        [{ scope: 'connection' }, connections.length],
      ];
    },
  );
  registerDayQuotaGauges(registry, standing);
  registerBatchSizeGauge(registry, standing);
  gauge({ name: 'uploads_open', help: 'Uploads under way' }, () => [[{}, uploads.open]]);
  counter({ name: 'upload_bytes_total', help: 'Bytes of uploads taken in' }, () => [[{}, uploads.bytes]]);
  if (rateLimiter) registerRateLimiterGauges(registry, rateLimiter);
  if (rateLimiter) registerRateLimitGroupGauges(registry, rateLimiter);
  if (standing.callersFile) registerCallersFileGauges(registry, standing.callersFile, standing.now ?? Date.now);
}

function registerBatchSizeGauge(registry: Registry, { batchSizes }: GaugeSources): void {
  metricFactories(registry).gauge(
    {
      name: 'group_size_limit',
      help: 'How many template sends one call upstream may carry now',
      labels: ['connection', 'lane'],
    },
    () => batchSizes.reading().map(({ limit, ...labels }) => [labels, limit]),
  );
}

function registerDayQuotaGauges(registry: Registry, { dayQuota }: GaugeSources): void {
  const { gauge } = metricFactories(registry);
  gauge(
    { name: 'upstream_calls_today', help: 'Calls of this replica to the gateway since midnight UTC, or its start' },
    () => [[{}, dayQuota().used]],
  );
  gauge({ name: 'upstream_calls_day_limit', help: 'Its share of UPSTREAM_CALLS_PER_DAY; 0: there is no limit' }, () => [
    [{}, dayQuota().limit],
  ]);
}

function registerCallersFileGauges(
  registry: Registry,
  file: NonNullable<GaugeSources['callersFile']>,
  now: NonNullable<GaugeSources['now']>,
): void {
  const { gauge } = metricFactories(registry);
  gauge(
    {
      name: 'callers_file_valid',
      help: '1 while the callers file can be used; 0: it has faults, and an older version is in force',
    },
    () => [[{}, file().valid ? 1 : 0]],
  );
  gauge({ name: 'callers_file_age_seconds', help: 'How long ago the version in force was read' }, () => [
    [{}, Math.max(0, now() - file().sinceMs) / 1000],
  ]);
}

function registerRateLimiterGauges(registry: Registry, limiter: OutboundRateLimiter): void {
  const { gauge, counter } = metricFactories(registry);
  const lanes = () => Object.entries(limiter.stats().lanes);

  gauge(
    {
      name: 'rate_limit_calls_per_second',
      help: 'Calls per second that the upstream accepts, as learnt from its 429 responses',
    },
    () => [[{}, limiter.stats().rate]],
  );
  gauge({ name: 'rate_limit_used_ratio', help: 'Part of it that was used in the last ten seconds' }, () => [
    [{}, limiter.stats().used],
  ]);
  gauge({ name: 'rate_limit_paused_seconds', help: 'How long no call may start, after a 429' }, () => [
    [{}, limiter.stats().pausedMs / 1000],
  ]);
  gauge({ name: 'rate_limit_replicas', help: 'Replicas that share the limit, as far as this one knows' }, () => [
    [{}, limiter.stats().replicas],
  ]);
  gauge(
    {
      name: 'rate_limit_mode',
      help: '1 for where permits come from: `local`, `shared` through the database, or `fallback` (a share) while the database fails',
      labels: ['mode'],
    },
    () => {
      const { mode: current } = limiter.stats();
      return ['local', 'shared', 'fallback'].map((mode) => [{ mode }, mode === current ? 1 : 0]);
    },
  );
  counter({ name: 'rate_limit_too_many_requests_total', help: '429 responses of the upstream' }, () => [
    [{}, limiter.stats().tooManyRequests],
  ]);

  gauge({ name: 'rate_limit_queued_calls', help: 'Calls that wait for a permit', labels: ['lane'] }, () =>
    lanes().map(([lane, { queued }]) => [{ lane }, queued]),
  );
  counter({ name: 'rate_limit_granted_calls_total', help: 'Permits granted', labels: ['lane'] }, () =>
    lanes().map(([lane, { granted }]) => [{ lane }, granted]),
  );
  counter(
    { name: 'rate_limit_wait_seconds_total', help: 'Sum of the waits for granted permits', labels: ['lane'] },
    () => lanes().map(([lane, { waitedMs }]) => [{ lane }, waitedMs / 1000]),
  );
  counter(
    {
      name: 'rate_limit_rejected_calls_total',
      help: 'Calls without a permit in time: `predicted` when they asked, or `expired` because more urgent ones came',
      labels: ['lane', 'reason'],
    },
    () =>
      lanes().flatMap(([lane, { rejected, expired }]): Sample[] => [
        [{ lane, reason: 'predicted' }, rejected],
        [{ lane, reason: 'expired' }, expired],
      ]),
  );
}

function registerRateLimitGroupGauges(registry: Registry, limiter: OutboundRateLimiter): void {
  const { gauge } = metricFactories(registry);
  const groups = () => Object.entries(limiter.stats().groups);
  gauge(
    {
      name: 'rate_limit_group_limit_calls',
      help: 'Calls in ten seconds that WATI accepts of a group of routes, as learnt',
      labels: ['group'],
    },
    () => groups().map(([group, { limit }]) => [{ group }, limit]),
  );
  gauge(
    {
      name: 'rate_limit_group_used_calls',
      help: 'How many of them were used in the last ten seconds',
      labels: ['group'],
    },
    () => groups().map(([group, { used }]) => [{ group }, used]),
  );
  gauge(
    {
      name: 'rate_limit_group_paused_seconds',
      help: 'How long no call of the group may start, after a 429',
      labels: ['group'],
    },
    () => groups().map(([group, { pausedMs }]) => [{ group }, pausedMs / 1000]),
  );
}

/** Leaves out unknown states. */
function dependencies(ready: Ready | undefined): Sample[] {
  if (!ready) return [];
  const { store, gateway, key, connection } = ready;
  const samples: Sample[] = [
    [{ dependency: 'store' }, store === 'writable' ? 1 : 0],
    [{ dependency: 'gateway' }, gateway === 'reachable' ? 1 : 0],
  ];
  if (key !== 'unknown') samples.push([{ dependency: 'key' }, key === 'accepted' ? 1 : 0]);
  if (connection !== 'unknown') samples.push([{ dependency: 'connection' }, connection === 'none' ? 0 : 1]);
  return samples;
}
