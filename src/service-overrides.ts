import type { LookupAddress } from 'node:dns';
import type { FastifyBaseLogger } from 'fastify';
import type { Callers } from './callers.ts';
import type { ReconcileClock } from './delivery/reconcile/reconcile-worker.ts';
import type { IntakeTokens } from './intake/tokens.ts';
import type { createProcessMetrics } from './observability/metrics.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import type { Readiness } from './readiness.ts';
import type { openRecords } from './records.ts';
import type { Validators } from './schemas/validators.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { Store } from './store/open.ts';
import type { Tracing } from './tracing/types.ts';
import type { Uploads } from './upload/uploads.ts';
import type { Dispatchers } from './upstream/dispatchers.ts';

/** Parts that tests and the sandbox replace; the server uses the defaults. */
export interface ServiceOverrides {
  callers: Callers;
  logger: FastifyBaseLogger;
  /** Senders that may post webhooks, closed with the service; required with INTAKE_PORT. `onListening` gets the port. */
  intake?: { tokens: IntakeTokens; onListening?: (port: number) => void };
  /** For a Maton key that can change while the service runs; by default the setting. */
  matonKey?: () => string;
  /** Where EVENTS_SIGNING_KEY can change while the service runs; the setting otherwise. */
  signingKeys?: () => readonly string[];
  /** Resolves hosts of webhook endpoints; the system by default. */
  webhookLookup?: (hostname: string) => Promise<LookupAddress[]>;
  dispatchers?: Dispatchers;
  store?: Store;
  /** Being opened already; by default it is opened from the settings. */
  records?: ReturnType<typeof openRecords>;
  uploads?: Uploads;
  /** The rate limiter of upstream calls; by default built from the settings. */
  rateLimiter?: OutboundRateLimiter;
  /** These two are for processes that run several services one after another. */
  processMetrics?: ReturnType<typeof createProcessMetrics>;
  validators?: Validators;
  /** Makes ids of messages and broadcasts; random by default. */
  newId?: () => string;
  /** Wall clock, ms, for the times in records. A store that is passed in has its own. */
  now?: () => number;
  /** The usual ones by default. */
  pauses?: RetryDelays;
  /** The clock of reconciliation; real time by default. */
  looks?: ReconcileClock;
  /** The clock of polling; real time by default. */
  polls?: Pick<ReconcileClock, 'wait'>;
  /** The upstream is simulated, and the docs page says so. */
  sandbox?: boolean;
  /** Called once when the service listens. Without it, the checks of the start are not made. */
  onListening?: (readiness: Readiness) => Promise<void>;
  /** How many lines the log has lost. */
  linesDropped?: () => number;
  /** Absent: no tracing. The code that opened it closes it. */
  tracing?: Tracing;
}
