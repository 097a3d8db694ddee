export interface StoreOptions {
  keyRetentionMs: number;
  unknownRetentionMs: number;
  recordRetentionMs: number;
  /** How long a webhook is known again when it is repeated; three days by default. */
  intakeDedupeMs?: number;
  /** PostgreSQL: how long a process that says nothing is believed to live. */
  leaseMs: number;
  /** PostgreSQL: `require` speaks TLS with a server whose certificate is verified, or not at all; `off` by default. */
  tls?: 'require' | 'off';
  /** Steady milliseconds, `performance.now` by default: SQLite ages by it, the lease is judged by it. */
  monotonicClock?: () => number;
  /** Wall clock, ms, `Date.now` by default: what records say of their times. */
  wallClock?: () => number;
  /** Told of every use of the database, when it is over. */
  onQuery?: (kind: 'read' | 'write' | 'slot' | 'permits', seconds: number, failed: boolean) => void;
}
