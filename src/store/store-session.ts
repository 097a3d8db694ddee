/** The session of one process with its store: whether it works, what the process owns, and its end. */
export interface StoreSession {
  /** Writes something durable. Throws StoreError if that fails. */
  check(): Promise<void>;

  /** Renews the lease of this process (PostgreSQL). Throws if it could not. */
  heartbeat(): Promise<void>;
  /**
   * Deletes the rows of inserts in doubt, or prevents them from being committed later, because their callers were told that
   * nothing is sent. Throws if the store fails; the next call continues.
   */
  resolveInDoubt(): Promise<void>;
  /** Whether the lease is valid by this machine's monotonic clock. Checked right before the first byte goes out. */
  holdsLease(): boolean;
  /** Changes when this process has lost its messages: those claimed in an earlier epoch are not its own any more. */
  epoch(): number;

  close(): Promise<void>;
}
