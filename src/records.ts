import type { Config } from './config.ts';
import type { Metrics } from './observability/metrics.ts';
import type { CallerTokenStore, ReservationStore } from './store/coordination-store.ts';
import { openStore, type Store } from './store/open.ts';
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

/** The store, and where replicas take turns: through their database. One process alone paces itself. */
export async function openRecords(
  config: Config,
  onQuery: Metrics['recordStoreCall'],
): Promise<{ store: Store; reservations?: ReservationStore & CallerTokenStore }> {
  const store = await openStore(config.STORE_URL, { ...retentionOf(config), onQuery });
  return { store, ...(config.STORE_URL.startsWith('postgres') && { reservations: store }) };
}
