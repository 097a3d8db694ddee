import type { MessageStatus } from './message-store.ts';

/**
 * What is kept of one person, by the number or id that messages went to. Types only, like message-store.ts, and held to by the same
 * conformance suite. Each verb asks one caller, by an index: `listCallers` names all of them.
 */

/** `recording`: of a broadcast that is not recorded as a whole yet, and that nobody sees. */
export type PersonState = MessageStatus | 'recording';

export interface PersonCount {
  caller: string;
  status: PersonState;
  count: number;
}

export interface PersonStore {
  /** How many records of this caller went to this recipient, by state; what nobody will see any more counts as `cancelled`. */
  countPerson(caller: string, to: string): Promise<PersonCount[]>;
  /**
   * `queued` -> `cancelled`, of at most `limit` records, recipients of broadcasts among them, whichever process has them. Answers
   * how many.
   */
  cancelPerson(caller: string, to: string, limit: number): Promise<number>;
  /**
   * Deletes at most `limit` records that have ended; the counts of their broadcasts stay. Answers how many. Keys go with them:
   * a repeat under one is a new send.
   */
  erasePerson(caller: string, to: string, limit: number): Promise<number>;
  /**
   * Takes what was deleted out of the files of the database, as far as it lets us. `isAlone`: nobody else waits for the store,
   * and it may take its time. Otherwise traces may stay in a large SQLite file.
   */
  scrub(how: { exclusive: boolean }): Promise<void>;
}
