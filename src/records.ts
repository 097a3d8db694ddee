import type { Config } from './config.ts';
import type { Metrics } from './observability/metrics.ts';
import type { CallerTokenStore, ReservationStore } from './store/coordination-store.ts';
import { createStore, openEngine, type Store } from './store/open.ts';
import type { StoreOptions } from './store/options.ts';

const hourMs = 60 * 60 * 1000;

/** How long the store keeps what. */
export const retentionOf = (config: Config): StoreOptions => ({
  keyRetentionMs: config.KEY_RETENTION_HOURS * hourMs,
  unknownRetentionMs: config.UNKNOWN_RETENTION_DAYS * 24 * hourMs,
  recordRetentionMs: config.RECORD_RETENTION_DAYS * 24 * hourMs,
  intakeDedupeMs: config.INTAKE_DEDUPE_DAYS * 24 * hourMs,
  leaseMs: config.STORE_LEASE_MS,
  tls: config.STORE_TLS,
});

interface Records {
  store: Store;
  /** Where replicas take turns: their database. One process alone paces itself. */
  reservations?: ReservationStore & CallerTokenStore;
}

/** Begins to open the store; the function that it returns waits for it. */
export function openRecords(config: Config): (onQuery: Metrics['recordStoreCall']) => Promise<Records> {
  const options = retentionOf(config);
  const opening = openEngine(config.STORE_URL, options);
  // The error is thrown where the store is waited for.
  opening.catch(() => {});
  return async (onQuery) => {
    const store = createStore(await opening, { ...options, onQuery });
    return { store, ...(config.STORE_URL.startsWith('postgres') && { reservations: store }) };
  };
}
