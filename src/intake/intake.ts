import type { AddressInfo } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { SharedPool } from '../pools/shared-pool.ts';
import { dedupeKey } from '../tracking/dedupe-key.ts';
import { eventName, eventTypeOf, meaningOf } from '../tracking/event-names.ts';
import { type BodyMember, readWebhookBody } from './body.ts';
import { IntakeRecorder, type IntakeSink, NotRecorded, type Recorded } from './intake-recorder.ts';
import { createIntakeServer, type IntakeServerOptions, type Taken } from './intake-server.ts';
import type { IntakeSource, IntakeTokens } from './tokens.ts';

export type IntakeResult = 'new' | 'duplicate' | 'unparsed' | 'refused';

export interface IntakeOptions {
  config: { INTAKE_MAX_BYTES: number; INTAKE_IN_FLIGHT_MAX: number; INTAKE_WAIT_MS: number };
  tokens: IntakeTokens;
  sink: IntakeSink;
  logger: FastifyBaseLogger;
  /** Label for metrics: a known name of an event, or `other`. */
  count: (event: string, result: IntakeResult, n: number) => void;
  onBadToken: () => void;
  /** New events are recorded. */
  onRecorded?: () => void;
  /** Called for each webhook with a valid token, and again for those that were answered 503. */
  watch?: { received(connectionId: string): void; refused(connectionId: string): void };
  /** Wall clock, ms. */
  now?: () => number;
  server?: Partial<Pick<IntakeServerOptions, 'bodyTimeoutMs' | 'wrongPerSecond' | 'clock'>>;
  retryMs?: number;
}

export interface Intake {
  listen(where: { host: string; port: number }): Promise<{ port: number }>;
  readonly bodies: SharedPool;
  /**
   * Wall-clock ms of the last event, by connection, for every connection that has a token. Before its first event: when the
   * process started.
   */
  lastEvents(): ReadonlyMap<string, number>;
  /** Accepts no new request; requests in progress are still answered. */
  close(): Promise<void>;
  /** The shutdown time-out is over: drops requests that are still in progress. */
  cutOff(): void;
}

/** Added to the time-out of the store: what the answer itself may take. */
const closeBeyondMs = 3_000;

/** Accepts WATI's webhooks and records their events. */
export async function createIntake(options: IntakeOptions): Promise<Intake> {
  const { config, tokens, sink, logger, now = Date.now } = options;
  const bodies = new SharedPool({ name: 'webhooks', size: () => 32 * 1024 * 1024 });
  const lastEvents = new Map<string, number>();
  const startedAt = now();
  const recorder = new IntakeRecorder({
    sink,
    inFlightMax: config.INTAKE_IN_FLIGHT_MAX,
    waitMs: config.INTAKE_WAIT_MS,
    onFault: (error) => logger.error({ reason: reasonOf(error) }, 'webhooks cannot be recorded'),
    ...(options.retryMs !== undefined && { retryMs: options.retryMs }),
  });
  const unread = createUnreadLog(logger, now);
  const app = await createIntakeServer({
    tokens,
    isFull: () => recorder.isFull,
    take: createTake(options, recorder, {
      unread,
      onWebhook: ({ connectionId }) => {
        lastEvents.set(connectionId, now());
        options.watch?.received(connectionId);
      },
    }),
    onUnread: (source, why) => {
      options.count('other', why === 'no-room' ? 'refused' : 'unparsed', 1);
      if (why === 'no-room') options.watch?.refused(source.connectionId);
      unread(source, why);
    },
    onBadToken: options.onBadToken,
    onError: (error) => logger.error({ reason: reasonOf(error) }, 'a webhook met a fault of this service'),
    bodies,
    bytesMax: config.INTAKE_MAX_BYTES,
    closeMs: config.INTAKE_WAIT_MS + closeBeyondMs,
    ...options.server,
  });
  return {
    listen: async (where) => {
      await app.listen({ ...where, backlog: 1_024 });
      const address = app.server.address() as AddressInfo;
      logger.info({ intakePort: address.port }, 'the listener for webhooks is up');
      return { port: address.port };
    },
    bodies,
    lastEvents: () => new Map(tokens.connections().map((id) => [id, lastEvents.get(id) ?? startedAt])),
    close: () => app.close(),
    cutOff: () => app.server.closeAllConnections(),
  };
}

interface TakeListeners {
  unread: (source: IntakeSource, why: string) => void;
  onWebhook: (source: IntakeSource) => void;
}

/** Handles one webhook, from the bytes of its body to the answer. */
function createTake(
  { count, onRecorded, watch, now = Date.now }: IntakeOptions,
  recorder: IntakeRecorder,
  { unread, onWebhook }: TakeListeners,
) {
  return async (source: IntakeSource, bytes: Buffer, release: () => void): Promise<Taken> => {
    onWebhook(source);
    const body = readWebhookBody(bytes);
    const ignored = body === undefined ? 1 : body.ignored;
    if (ignored > 0) {
      count('other', 'unparsed', ignored);
      unread(source, body === undefined ? 'no-json' : 'no-event');
    }
    if (body === undefined || body.members.length === 0) {
      release();
      return { status: 200, body: { received: 0, ...(ignored > 0 && { ignored }) } };
    }
    const labels = body.members.map(({ value }) => labelOf(value));
    const rows = body.members.map((member) => rowOf(source, member, now()));
    try {
      const { received, duplicates } = await recorder.record(rows, release);
      countRecorded(labels, { received, ...(duplicates !== undefined && { duplicates }) }, count);
      if (received > 0) onRecorded?.();
      return { status: 200, body: { received, ...(duplicates && { duplicates }), ...(ignored > 0 && { ignored }) } };
    } catch (error) {
      if (!(error instanceof NotRecorded)) throw error;
      for (const label of labels) count(label, 'refused', 1);
      watch?.refused(source.connectionId);
      return { status: 503 };
    }
  };
}

const rowOf = ({ connectionId }: IntakeSource, { value, text }: BodyMember, receivedAtMs: number) => ({
  key: dedupeKey({ connectionId, member: value, body: text }),
  connectionId,
  receivedAtMs,
  body: text,
});

/** The store returns only the number of new events, so the last members of the body are counted as the duplicates. */
function countRecorded(labels: readonly string[], { received }: Recorded, count: IntakeOptions['count']): void {
  for (const [at, label] of labels.entries()) count(label, at < received ? 'new' : 'duplicate', 1);
}

function labelOf(event: BodyMember['value']): string {
  const name = eventName(eventTypeOf(event));
  return meaningOf(name) === undefined ? 'other' : name;
}

/** Logs the code or the class of an error. The message of a database error may quote customers' data. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.cause instanceof Error ? reasonOf(error.cause) : error.name;
}

/** Logs at most one line in ten seconds for each connection and reason. Otherwise the holder of a token could fill the log. */
function createUnreadLog(logger: FastifyBaseLogger, now: () => number) {
  const logged = new Map<string, { until: number; left: number }>();
  return ({ name, connectionId }: IntakeSource, why: string): void => {
    const kind = `${name} ${why}`;
    const last = logged.get(kind);
    if (last !== undefined && now() < last.until) {
      last.left += 1;
      return;
    }
    logged.set(kind, { until: now() + 10_000, left: 0 });
    const left = last !== undefined && last.left > 0 ? { left: last.left } : {};
    logger.warn({ token: name, connection: connectionId, why, ...left }, 'a webhook was not read');
  };
}
