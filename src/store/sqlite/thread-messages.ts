import { StoreError } from '../errors.ts';
import type { Row, Value } from '../sql/engine.ts';
import type { Bound, Opened } from './connection.ts';

/*
 * Messages between the thread of the service and that of the store. Writes and their answers are lists instead of an object each,
 * because copying objects between threads costs more than the rest of a short write.
 */

/** The writes of one turn of the event loop, in order. */
export interface Writes {
  readonly ids: number[];
  /** How many statements each write has. */
  readonly lengths: number[];
  /** The statements of all writes, each by its number, and their values. */
  readonly statements: number[];
  readonly values: (readonly Value[])[];
}

export type Call =
  | { readonly kind: 'read'; readonly n: number; readonly values: readonly Value[] }
  | { readonly kind: 'list'; readonly step: Bound }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'scrub'; readonly isAlone: boolean }
  | { readonly kind: 'close' };

export interface Requests {
  /** The texts of statements that are used for the first time. Statements are numbered from 0 in the order of their texts. */
  readonly texts: string[];
  readonly writes: Writes;
  readonly calls: { readonly id: number; readonly call: Call }[];
}

export const noRequests = (): Requests => ({
  texts: [],
  writes: { ids: [], lengths: [], statements: [], values: [] },
  calls: [],
});

/** The rows of each statement, by the id of its request, and failures. */
export interface Answers {
  readonly ids: number[];
  readonly rows: Row[][][];
  readonly failures: { readonly id: number; readonly failure: Failure }[];
}

export const noAnswers = (): Answers => ({ ids: [], rows: [], failures: [] });

/** A StoreError as data, because class instances cannot be sent between threads. */
export interface Failure {
  readonly message: string;
  readonly notCommitted: boolean;
  /** SQLite's code of the cause. */
  readonly errcode?: number;
}

/** The first message of the thread. */
export type Greeting = { readonly opened: Opened } | { readonly failure: Failure };

export function toFailure(error: unknown): Failure {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'errcode' in cause ? cause.errcode : undefined;
  return {
    message: error instanceof Error ? error.message : String(error),
    notCommitted: error instanceof StoreError && error.notCommitted,
    ...(typeof code === 'number' && { errcode: code }),
  };
}

export function toStoreError({ message, notCommitted, errcode }: Failure): StoreError {
  const cause = errcode === undefined ? undefined : Object.assign(new Error(message), { errcode });
  return new StoreError(message, { notCommitted, ...(cause && { cause }) });
}
