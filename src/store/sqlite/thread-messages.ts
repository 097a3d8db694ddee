import { StoreError } from '../errors.ts';
import type { Row, Value } from '../sql/engine.ts';
import type { Bound } from './connection.ts';

/** Messages between the thread of the service and that of the store. Several are sent as one array. */

/** The text of a statement is sent once; afterwards its number is enough. */
export interface NumberedStep {
  readonly n: number;
  readonly sql?: string;
  readonly values: readonly Value[];
}

export type Call =
  | { readonly kind: 'write'; readonly steps: readonly NumberedStep[] }
  | { readonly kind: 'read'; readonly step: NumberedStep }
  | { readonly kind: 'list'; readonly step: Bound }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'scrub'; readonly isAlone: boolean }
  | { readonly kind: 'close' };

export interface Request {
  readonly id: number;
  readonly call: Call;
}

/** A StoreError as data, because class instances cannot be sent between threads. */
export interface Failure {
  readonly message: string;
  readonly notCommitted: boolean;
  /** SQLite's code of the cause. */
  readonly errcode?: number;
}

export type Answer =
  | { readonly id: number; readonly rows: Row[][] }
  | { readonly id: number; readonly failure: Failure };

/** The first message of the thread. */
export type Greeting = { readonly isOpen: true } | { readonly failure: Failure };

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
