import type { MessageStatus } from './message-store.ts';

/**
 * What is stored about one person, by the number or id that messages went to. Types only, like message-store.ts. Each operation
 * concerns one caller, so that an index can be used; `listCallers` returns all of them.
 */

/** `recording`: the broadcast is not published yet. */
export type PersonState = MessageStatus | 'recording';

export interface PersonCount {
  caller: string;
  status: PersonState;
  count: number;
}

export interface PersonStore {
  /** Records of this caller for this recipient, by status. Recipients of discarded broadcasts count as `cancelled`. */
  countPerson(caller: string, to: string): Promise<PersonCount[]>;
  /** `queued` -> `cancelled` for at most `limit` records of any owner, recipients of broadcasts included. Returns how many. */
  cancelPerson(caller: string, to: string, limit: number): Promise<number>;
  /**
   * Deletes at most `limit` completed records; the counts of their broadcasts stay. Returns how many. Their keys are deleted
   * too, so a repeat is a new message.
   */
  erasePerson(caller: string, to: string, limit: number): Promise<number>;
  /**
   * Removes deleted rows from the files of the database, as far as possible. `exclusive`: nothing else uses the store, so it
   * may block. Otherwise traces may stay in a large SQLite file.
   */
  scrub(how: { exclusive: boolean }): Promise<void>;
}
