/**
 * Where webhooks of WATI are kept until they are applied. Types only, like message-store.ts, and held to by the same conformance suite:
 * each operation is atomic and durable when its promise resolves.
 */

/** One member of a webhook's body. */
export interface IntakeRow {
  /** What makes it the same webhook: two rows with one key are one. */
  key: string;
  connectionId: string;
  /** Wall clock, ms. */
  receivedAtMs: number;
  /** JSON text of this member alone. */
  body: string;
}

export interface IntakeEntry extends IntakeRow {
  seq: number;
  /** How often it was postponed. */
  tries: number;
  /** Since its receipt, by the clock that the store ages by. */
  ageMs: number;
}

/** When an entry is to be tried again: so long after its receipt. */
export interface Postponement {
  seq: number;
  inMs: number;
}

export interface IntakeState {
  /** Entries that are due and not applied; counts no further than 10,000. */
  waiting: number;
  /** How long the one that has waited longest has been due. */
  oldestMs: number;
  /** Entries that were set aside. */
  failed: number;
}

/** How long nobody listened for the webhooks of a connection before this note. */
export interface ListeningNote {
  connectionId: string;
  /** By the clock that messages age by. */
  agoMs: number;
  /** By the wall clock, which goes on while nothing runs. */
  wallAgoMs: number;
}

export interface IntakeStore {
  /**
   * Inserts rows. Those whose key stands already are left as they are and counted as duplicates. What is asked while another
   * commit is under way, or some ms after it, shares the next one. All rows of one call stand, or none. A failure may hide
   * a commit: the same rows are duplicates then, and are applied.
   */
  recordIntake(rows: readonly IntakeRow[]): Promise<{ received: number; duplicates: number }>;
  /**
   * Entries of this process that are due, in the order of their receipt; where fewer are, those of dead owners are adopted, which
   * are looked for once a second. It answers the same ones until they are applied, postponed or failed: one reader a process.
   */
  dueIntake(limit: number): Promise<IntakeEntry[]>;
  /** Each is due again so long after its receipt; tries + 1. What is done or failed stays so. */
  postponeIntake(entries: readonly Postponement[]): Promise<void>;
  /** Set aside with its body, for `failedKeptMs`. */
  failIntake(seqs: readonly number[]): Promise<void>;
  /** What was set aside is due again, with no try behind it. Answers how many. */
  retryFailedIntake(): Promise<number>;
  intakeState(): Promise<IntakeState>;

  /**
   * Notes that webhooks of these connections are listened for, and whether any came since the last note. Answers how long ago
   * the last note was, of any process; a connection without one is left out.
   */
  noteListening(notes: readonly { connectionId: string; received: boolean }[]): Promise<ListeningNote[]>;
}
