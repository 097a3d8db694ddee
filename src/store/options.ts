export interface StoreOptions {
  keyRetentionMs: number;
  unknownRetentionMs: number;
  recordRetentionMs: number;
  /** How long a webhook's key is kept to recognize repeats; three days by default. */
  intakeDedupeMs?: number;
  /** How long events are kept after they were recorded; seven days by default. */
  eventRetentionMs?: number;
  /** PostgreSQL: a process without a heartbeat for this long is considered dead. */
  leaseMs: number;
  /** PostgreSQL: `require` connects only by TLS with a verified certificate; `off` by default. */
  tls?: 'require' | 'off';
  /** SQLite: uses the file in the calling thread, which waits for each commit; by default in a thread of its own. */
  sameThread?: boolean;
  /** Monotonic milliseconds, `performance.now` by default: SQLite records age by it, leases are checked by it. */
  monotonicClock?: () => number;
  /** Wall clock in ms, `Date.now` by default: the times in records. */
  wallClock?: () => number;
  /** Called after every use of the database. */
  onQuery?: (kind: 'read' | 'write' | 'slot' | 'permits', seconds: number, failed: boolean) => void;
}
