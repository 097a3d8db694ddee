/**
 * Where webhooks of WATI are kept until they are applied. Types only, like message-store.ts, and tested by the same conformance
 * suite: each operation is atomic, and durable when its promise resolves.
 */

/** One member of a webhook's body. */
export interface IntakeRow {
  /** Identifies the webhook: rows with the same key are repeats of it. */
  key: string;
  connectionId: string;
  /** Wall clock, ms. */
  receivedAtMs: number;
  /** JSON text of this member alone. */
  body: string;
}

export interface IntakeEntry extends IntakeRow {
  seq: number;
  /** How often the entry was postponed. */
  tries: number;
  /** Time since its receipt, by the store's ageing clock. */
  ageMs: number;
}

/** When an entry is to be tried again: this long after its receipt. */
export interface Postponement {
  seq: number;
  inMs: number;
}

export interface IntakeState {
  /** Entries that are due and not applied; counts no further than 10,000. */
  waiting: number;
  /** For how long the oldest due entry has been due. */
  oldestMs: number;
  /** Entries that were set aside; counts no further than 10,000. */
  failed: number;
}

/** The time before this note in which no process listened for the webhooks of a connection. */
export interface ListeningNote {
  connectionId: string;
  /** By the store's ageing clock. */
  agoMs: number;
  /** By the wall clock, which continues while no process runs. */
  wallAgoMs: number;
}

export interface IntakeStore {
  /**
   * Inserts rows. A row whose key exists already is skipped and counted as a duplicate. Calls made while another commit is in
   * progress, or some ms after it, share the next one. Either all rows of a call are inserted, or none. A call that failed may have
   * been committed; then the same rows are duplicates the next time, and are applied all the same.
   */
  recordIntake(rows: readonly IntakeRow[]): Promise<{ received: number; duplicates: number }>;
  /**
   * Due entries of this process, in the order of receipt; if there are fewer than `limit`, it adopts those of dead owners, which
   * are looked for once a second. Returns the same entries until they are applied, postponed or failed, so a process must have
   * one reader only.
   */
  dueIntake(limit: number): Promise<IntakeEntry[]>;
  /** Makes each entry due again this long after its receipt, and increments `tries`. Skips entries that are done or failed. */
  postponeIntake(entries: readonly Postponement[]): Promise<void>;
  /** Sets an entry aside with its body, for `failedKeptMs`. */
  failIntake(seqs: readonly number[]): Promise<void>;
  /** Makes the entries that were set aside due again, with no tries. Returns how many. */
  retryFailedIntake(): Promise<number>;
  intakeState(): Promise<IntakeState>;

  /**
   * Notes that webhooks of these connections are listened for, and whether any came since the last note. Returns how long ago
   * the last note of any process was; connections without an earlier note are left out.
   */
  noteListening(notes: readonly { connectionId: string; received: boolean }[]): Promise<ListeningNote[]>;
}
