import { fileURLToPath } from 'node:url';
import type { BroadcastStore } from './broadcast-store.ts';
import type { CallerCountStore } from './caller-count-store.ts';
import type { CallerTokenStore, ReservationStore } from './coordination-store.ts';
import { StoreError } from './errors.ts';
import type { EventStore } from './event-store.ts';
import type { IntakeStore } from './intake-store.ts';
import type { MessageStore } from './message-store.ts';
import type { OperatorMessageStore } from './operator-message-store.ts';
import type { OperatorStore } from './operator-store.ts';
import type { StoreOptions } from './options.ts';
import type { PersonStore } from './person-store.ts';
import type { QuotaStore } from './quota-store.ts';
import type { ReconcileStore } from './reconcile-store.ts';
import type { ScheduleStore } from './schedule-store.ts';
import { createBroadcastStore } from './sql/broadcasts.ts';
import { createCallerCountStore } from './sql/caller-counts.ts';
import type { Dialect, Engine } from './sql/engine.ts';
import { createEventStore } from './sql/events.ts';
import { instrument } from './sql/instrumented-engine.ts';
import { createIntakeStore } from './sql/intake.ts';
import { listeningOperations } from './sql/listening.ts';
import { createMessageStore } from './sql/messages.ts';
import { createOperatorStore } from './sql/operator.ts';
import { createOperatorMessageStore } from './sql/operator-messages.ts';
import { createPersonStore } from './sql/person.ts';
import { createQuotaStore } from './sql/quotas.ts';
import { createReconcileStore } from './sql/reconciliation.ts';
import { createScheduleStore } from './sql/schedules.ts';
import { createTrackingStore } from './sql/tracking.ts';
import { createWebhookEndpointStore } from './sql/webhooks.ts';
import { sqliteDialect } from './sqlite/dialect.ts';
import type { TrackingStore } from './tracking-store.ts';
import type { WebhookEndpointStore } from './webhook-endpoint-store.ts';

export type Store = MessageStore &
  ReconcileStore &
  BroadcastStore &
  OperatorStore &
  OperatorMessageStore &
  CallerCountStore &
  PersonStore &
  QuotaStore &
  IntakeStore &
  TrackingStore &
  EventStore &
  WebhookEndpointStore &
  ScheduleStore &
  ReservationStore &
  CallerTokenStore;

export interface OpenEngine {
  engine: Engine;
  dialect: Dialect;
}

/** `memory:`, `file:<path>` or `postgres://...`. Each driver is loaded only if it is used. */
export async function openEngine(url: string, options: StoreOptions): Promise<OpenEngine> {
  if (/^postgres(ql)?:\/\//.test(url)) {
    const { openPostgres, postgresDialect } = await import('./postgres/engine.ts');
    return { engine: await openPostgres(url, options), dialect: postgresDialect };
  }
  const { openSqlite } = await import('./sqlite/engine.ts');
  return { engine: await openSqlite(sqlitePath(url), options), dialect: sqliteDialect };
}

export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  return createStore(await openEngine(url, options), options);
}

export function createStore({ engine: bare, dialect }: OpenEngine, options: StoreOptions): Store {
  const engine = options.onQuery ? instrument(bare, options.onQuery) : bare;
  const operations = {
    ...createBroadcastStore(engine, dialect, options.wallClock),
    ...createReconcileStore(engine, dialect),
    ...createQuotaStore(engine, options.wallClock),
    ...createOperatorStore(engine, dialect, options.wallClock),
    ...createOperatorMessageStore(engine, dialect, options.wallClock),
    ...createCallerCountStore(engine, dialect, options.wallClock),
    ...createPersonStore(engine, dialect, options.wallClock),
    ...createIntakeStore(engine, dialect, options.monotonicClock),
    ...listeningOperations(engine, dialect, options.wallClock),
    ...createTrackingStore(engine, dialect, options.wallClock),
    ...createEventStore(engine, dialect),
    ...createScheduleStore(engine, dialect, options.wallClock),
    ...createWebhookEndpointStore(engine, dialect, options.wallClock),
  };
  return Object.assign(createMessageStore(engine, dialect, options), operations);
}

export function sqlitePath(url: string): string {
  if (url === 'memory:') return ':memory:';
  const path = url.startsWith('file:///') ? fileURLToPath(url) : url.startsWith('file:') ? url.slice(5) : '';
  // The address may contain a password, so it is not repeated.
  if (path === '') throw new StoreError('the store address must be memory:, file:<path> or postgres://...');
  return path;
}
