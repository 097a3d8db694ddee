import { hostname } from 'node:os';
import type pg from 'pg';
import { StoreError } from '../errors.ts';

/** 1: compares contents by content_mac. Earlier versions registered no number. */
const VERSION = 1;
const OLDER =
  'EXISTS (SELECT 1 FROM send_owners AS other WHERE other.version < $3 AND other.lease_until > now()) AS older';
const WALL = '(extract(epoch FROM now()) * 1000)::float8 AS wall';

interface Entry {
  id: string;
  older: boolean;
  /** The database's clock, ms. */
  wall: number;
}

/**
 * The lease of this process: a row of send_owners that it renews by the database's clock. Its id is the epoch
 * (docs/reference/delivery.md, "Leases, epochs and fencing"). If other processes have deleted the row, the next heartbeat
 * inserts one with a new id, and the messages of the old id are lost to this process. A lease that expired and was not yet
 * noticed by others is renewed; its rows are still its own.
 */
export class Lease {
  readonly #pool: pg.Pool;
  readonly #leaseMs: number;
  readonly #clock: () => number;
  #owner = 0;
  #until = Number.NEGATIVE_INFINITY;
  #hasOlder = true;
  /** The database's clock minus `clock`, ms. */
  #wallAhead = 0;

  constructor(pool: pg.Pool, leaseMs: number, clock: () => number) {
    this.#pool = pool;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
  }

  get owner(): number {
    return this.#owner;
  }

  /** Whether a process of an earlier version has a valid lease; as of the last renewal. */
  hasOlder(): boolean {
    return this.#hasOlder;
  }

  holds(): boolean {
    return this.#clock() < this.#until;
  }

  /** Counted from before the query was sent, so that it ends before the database considers it expired. */
  async renew(): Promise<void> {
    const asked = this.#clock();
    const { rows } = await this.#pool.query<Entry>(
      `UPDATE send_owners SET lease_until = now() + $2 * interval '1 millisecond' WHERE id = $1 RETURNING id, ${OLDER}, ${WALL}`,
      [this.#owner, this.#leaseMs, VERSION],
    );
    const [entry = await this.#enter()] = rows;
    this.#hasOlder = entry.older;
    this.#until = asked + this.#leaseMs;
    this.#wallAhead = entry.wall - asked;
  }

  /** The database's clock, ms, derived from the last renewal; at most as far ahead as that took. */
  wallNow(): number {
    return Math.floor(this.#clock() + this.#wallAhead);
  }

  async leave(): Promise<void> {
    this.#until = Number.NEGATIVE_INFINITY;
    await this.#pool.query('DELETE FROM send_owners WHERE id = $1', [this.#owner]);
  }

  async #enter(): Promise<Entry> {
    const { rows } = await this.#pool.query<Entry>(
      `INSERT INTO send_owners (name, lease_until, version) VALUES ($1, now() + $2 * interval '1 millisecond', $3)
       RETURNING id, ${OLDER}, ${WALL}`,
      [`${hostname()}:${process.pid}`, this.#leaseMs, VERSION],
    );
    const [entry] = rows;
    const owner = Number(entry?.id);
    if (!entry || !Number.isSafeInteger(owner)) throw new StoreError('the database gave this process no number');
    this.#owner = owner;
    return entry;
  }
}
