import { StoreError } from '../errors.ts';

const TRIES = 3;
/** SQLSTATE of a deadlock: the database rolled back one of two transactions that waited for each other. */
const DEADLOCK = '40P01';

/** Repeats a transaction that the database rolled back to end a deadlock. */
export async function retryDeadlocks<T>(write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await write();
    } catch (error) {
      if (tries === TRIES || !isDeadlock(error)) throw error;
    }
  }
}

function isDeadlock(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === DEADLOCK;
}
