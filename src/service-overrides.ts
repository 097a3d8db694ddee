import type { LookupAddress } from 'node:dns';
import type { FastifyBaseLogger } from 'fastify';
import type { Callers } from './callers.ts';
import type { ReconcileClock } from './delivery/reconcile/reconcile-worker.ts';
import type { IntakeTokens } from './intake/tokens.ts';
import type { createProcessMetrics } from './observability/metrics.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import type { Readiness } from './readiness.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { Store } from './store/open.ts';
import type { Tracing } from './tracing/types.ts';
import type { Uploads } from './upload/uploads.ts';
import type { Dispatchers } from './upstream/dispatchers.ts';

/** Parts that a test or the sandbox replaces; the server uses the defaults. */
export interface ServiceOverrides {
  callers: Callers;
  logger: FastifyBaseLogger;
  /** Who may post webhooks, closed with the service; needed with INTAKE_PORT. Who posts them may want to know the port. */
  intake?: { tokens: IntakeTokens; onListening?: (port: number) => void };
  /** Where the Maton key can change while the service runs; the setting otherwise. */
  matonKey?: () => string;
  /** Where EVENTS_SIGNING_KEY can change while the service runs; the setting otherwise. */
  signingKeys?: () => readonly string[];
  /** Resolves hosts of webhook endpoints; the system by default. */
  webhookLookup?: (hostname: string) => Promise<LookupAddress[]>;
  dispatchers?: Dispatchers;
  store?: Store;
  uploads?: Uploads;
  /** Gives calls upstream their turns; by the settings otherwise. */
  rateLimiter?: OutboundRateLimiter;
  /** Where one process has one service after another. */
  processMetrics?: ReturnType<typeof createProcessMetrics>;
  /** Ids of messages and broadcasts; random by default. */
  newId?: () => string;
  /** Wall clock, ms: what records say of their times. A store that is handed in has its own. */
  now?: () => number;
  /** The usual ones by default. */
  pauses?: RetryDelays;
  /** By which unknown sends are looked for; real time by default. */
  looks?: ReconcileClock;
  /** By which histories are polled; real time by default. */
  polls?: Pick<ReconcileClock, 'wait'>;
  /** Everything behind it is simulated: the docs page says so. */
  sandbox?: boolean;
  /** Hears once that the service listens; what it needs is not asked after at the start otherwise. */
  onListening?: (readiness: Readiness) => Promise<void>;
  /** How many lines the log has lost. */
  linesDropped?: () => number;
  /** Absent: nothing is traced. Whoever opened it closes it. */
  tracing?: Tracing;
}
