import pg from 'pg';
import { toError } from '../../lib/to-error.ts';
import { StoreError } from '../errors.ts';
import { bindings, type Lane, type Row, type Step } from '../sql/engine.ts';

/**
 * Runs statements over the connections of one pool. Prepared statements (all of a lane that `isPrepared`, else those that are
 * planned once) are parsed once per connection, so there must be few of them. A statement that fails closes its connection, so that
 * no later one finds it in an undefined state.
 */
export class PooledLane implements Lane {
  readonly #pool: pg.Pool;
  readonly #owner: () => number;
  readonly #isPrepared: boolean;
  readonly #names = new Map<string, string>();

  constructor(pool: pg.Pool, owner: () => number, { isPrepared = false } = {}) {
    this.#pool = pool;
    this.#owner = owner;
    this.#isPrepared = isPrepared;
  }

  async write(steps: readonly Step[]): Promise<Row[][]> {
    const client = await this.#pool.connect().catch((cause: unknown) => {
      throw failed('connect', cause, true);
    });
    try {
      return await this.#transaction(client, steps);
    } catch (cause) {
      throw failed('write', cause, isRefusal(cause));
    }
  }

  async read(step: Step): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>(this.#query(step))).rows;
    } catch (cause) {
      throw failed('read', cause, true);
    }
  }

  /** A single statement is a transaction by itself, which saves two round trips. */
  async #transaction(client: pg.PoolClient, steps: readonly Step[]): Promise<Row[][]> {
    let lost: Error | undefined;
    const onError = (error: Error): void => {
      lost = error;
    };
    client.on('error', onError); // without a listener, a connection lost between two queries would end the process
    try {
      // Without it the following steps would be committed one by one.
      if (steps.length > 1) await client.query('BEGIN');
      return await this.#sendAll(client, steps);
    } catch (error) {
      lost ??= toError(error);
      throw error;
    } finally {
      client.off('error', onError);
      client.release(lost); // with an error the connection is closed, which rolls back
    }
  }

  /**
   * Sends all steps without waiting for answers in between. After one fails, the server refuses the others and rolls back at
   * the COMMIT.
   */
  async #sendAll(client: pg.PoolClient, steps: readonly Step[]): Promise<Row[][]> {
    const queries = steps.map((step) => this.#query(step));
    const answers = queries.map(async (query) => (await client.query<Row>(query)).rows);
    const committed = steps.length > 1 ? client.query('COMMIT') : undefined;
    // The first failure is the cause.
    const [rows] = await Promise.all([Promise.all(answers), committed]);
    return rows;
  }

  #query(step: Step): pg.QueryConfig {
    const { numbered: text, names, isPlannedOnce } = step.statement;
    const values = bindings(step, names, { me: this.#owner() });
    return this.#isPrepared || isPlannedOnce ? { name: this.#nameOf(text), text, values } : { text, values };
  }

  #nameOf(text: string): string {
    const name = this.#names.get(text) ?? `s${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }
}

/**
 * Classes of SQLSTATE after which the connection is still usable: errors of data, constraints, transaction state, deadlocks,
 * syntax, objects; and 57014, the statement_timeout. The list is not complete; a missing class only causes an unnecessary check
 * for a commit in doubt.
 */
const refusals = /^(?:22|23|25(?!P0[34])|40|42|55|57014)/;

/**
 * Whether the server reports that it rolled back. After FATAL it closes the connection, which may have happened after the
 * commit. pg returns the severity in the server's language (`lc_messages`), so the code is used.
 */
function isRefusal(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && (cause.severity === 'ERROR' || refusals.test(cause.code ?? ''));
}

export function failed(what: string, cause: unknown, notCommitted = false): StoreError {
  if (cause instanceof StoreError) return cause;
  const why = cause instanceof Error ? cause.message : cause;
  return new StoreError(`the store could not ${what}: ${why}`, { cause, notCommitted });
}
