import { hostname } from 'node:os';
import type pg from 'pg';
import { StoreError } from '../port.ts';

/**
 * The life of this process as the others see it: a row of send_owners that it keeps renewing by the database's clock. Its
 * id is the epoch of delivery.md 2.6: once others took it out, a heartbeat gets a new one, and the rows of the old stay
 * lost. A lease that ran out without anybody noticing is renewed; nothing happened to its rows.
 */
export class Lease {
  readonly #pool: pg.Pool;
  readonly #leaseMs: number;
  readonly #clock: () => number;
  #owner = 0;
  #until = Number.NEGATIVE_INFINITY;

  constructor(pool: pg.Pool, leaseMs: number, clock: () => number) {
    this.#pool = pool;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
  }

  get owner(): number {
    return this.#owner;
  }

  holds(): boolean {
    return this.#clock() < this.#until;
  }

  /** Counted from before the question was sent: the database counts from later, so ours ends first. */
  async renew(): Promise<void> {
    const asked = this.#clock();
    const renewed = await this.#pool.query(
      "UPDATE send_owners SET lease_until = now() + $2 * interval '1 millisecond' WHERE id = $1",
      [this.#owner, this.#leaseMs],
    );
    if (renewed.rowCount === 0) await this.#enter();
    this.#until = asked + this.#leaseMs;
  }

  async leave(): Promise<void> {
    this.#until = Number.NEGATIVE_INFINITY;
    await this.#pool.query('DELETE FROM send_owners WHERE id = $1', [this.#owner]);
  }

  async #enter(): Promise<void> {
    const entered = await this.#pool.query<{ id: string }>(
      "INSERT INTO send_owners (name, lease_until) VALUES ($1, now() + $2 * interval '1 millisecond') RETURNING id",
      [`${hostname()}:${process.pid}`, this.#leaseMs],
    );
    const owner = Number(entered.rows[0]?.id);
    if (!Number.isSafeInteger(owner)) throw new StoreError('the database gave this process no number');
    this.#owner = owner;
  }
}
