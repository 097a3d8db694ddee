import type { TokenGrant, TokenRequest } from '../coordination-store.ts';
import { StoreError } from '../errors.ts';
import type { StoreOptions } from '../options.ts';
import { bindings, type Engine, RESERVED_AHEAD_MAX_MS, type Row, type Step } from '../sql/engine.ts';
import { keepSecret, newSecret, toSecret } from '../sql/secret.ts';
import type { Bound, Connection } from './connection.ts';
import { MIGRATIONS } from './file.ts';
import { openConnection } from './open-connection.ts';
import { PersistedClock } from './persisted-clock.ts';

/** The clock is saved at least this often while nothing is written. */
const CLOCK_SAVED_EVERY_MS = 60_000;
/** No committed time is further ahead of the saved clock. */
const CLOCK_LAG_MAX_MS = 100;
const SAVE_CLOCK = 'UPDATE send_store SET clock = ?';
const ENTER = 'UPDATE send_store SET owner = owner + 1 RETURNING owner, clock';

/** The state of the store when it is opened. */
interface Opened {
  /** Number of times the file was opened. */
  readonly owner: number;
  /** The last saved value of the ageing clock. */
  readonly clock: number;
  readonly secret: Buffer;
}

const asTheyAre = (rows: Row[][]): Row[][] => rows;

export class SqliteEngine implements Engine {
  readonly #connection: Connection;
  readonly #clock: PersistedClock;
  readonly #me: number;
  readonly secret: Buffer;
  readonly #steady: () => number;
  readonly #wall: () => number;
  #isOpen = true;
  #savedClock = Number.NEGATIVE_INFINITY;
  #slot = Number.NEGATIVE_INFINITY;
  readonly #spentUntil = new Map<string, number>();
  readonly #saving: NodeJS.Timeout;
  readonly webhooks = this;

  constructor(connection: Connection, { owner, clock, secret }: Opened, options: StoreOptions) {
    this.#connection = connection;
    this.#steady = options.monotonicClock ?? (() => performance.now());
    this.#wall = options.wallClock ?? (() => Date.now());
    this.#me = owner;
    this.secret = secret;
    // After a crash too, no recorded time is in the future: what is due then is due at once.
    this.#clock = new PersistedClock(clock + CLOCK_LAG_MAX_MS, this.#steady);
    this.#saving = setInterval(() => {
      this.#saveClock().catch(() => undefined); // writes report a full disk; this may wait
    }, CLOCK_SAVED_EVERY_MS).unref();
  }

  /**
   * Saves the clock with what it stamped, if the saved one is too far behind. Writes of one commit resolve in their order, with the
   * clock or without, so that messages to one person keep theirs.
   */
  write(steps: readonly Step[]): Promise<Row[][]> {
    try {
      this.#mustBeOpen();
      const clock = this.#clock.now();
      const bound = steps.map((step) => this.#bound(step, clock));
      if (clock - this.#savedClock < CLOCK_LAG_MAX_MS) return this.#connection.write(bound).then(asTheyAre);
      this.#savedClock = clock;
      return this.#connection.write([...bound, { sql: SAVE_CLOCK, values: [clock] }]).then(
        (rows) => rows.slice(0, -1),
        (error) => {
          this.#savedClock = Number.NEGATIVE_INFINITY;
          throw error;
        },
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async read(step: Step): Promise<Row[]> {
    this.#mustBeOpen();
    return this.#connection.read(this.#bound(step));
  }

  /** The same as other reads: the statement bounds how many rows it visits. */
  async list(step: Step): Promise<Row[]> {
    this.#mustBeOpen();
    return this.#connection.list(this.#bound(step));
  }

  async checkpoint(): Promise<void> {
    this.#mustBeOpen();
    await this.#connection.checkpoint();
  }

  async scrub(isAlone: boolean): Promise<void> {
    this.#mustBeOpen();
    await this.#connection.scrub(isAlone);
  }

  async heartbeat(): Promise<void> {
    this.#mustBeOpen();
  }

  /** In memory: there is one process, and the slots of an earlier one are used up. */
  async reservePermit(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }> {
    this.#mustBeOpen();
    const nowMs = this.#steady();
    const slot = Math.min(Math.max(this.#slot, nowMs), nowMs + RESERVED_AHEAD_MAX_MS);
    this.#slot = slot + intervalMs;
    return { waitMs: slot - nowMs, nowMs, replicas: 1 };
  }

  async blockReservations(ms: number): Promise<void> {
    this.#mustBeOpen();
    this.#slot = Math.max(this.#slot, this.#steady() + Math.min(ms, RESERVED_AHEAD_MAX_MS));
  }

  async takeTokens(
    caller: string,
    { perSecond, burst, maxTokens: most, debt: owed }: TokenRequest,
  ): Promise<TokenGrant> {
    this.#mustBeOpen();
    const now = this.#steady();
    const spent = Math.min(burst, owed + Math.max(0, ((this.#spentUntil.get(caller) ?? 0) - now) * (perSecond / 1000)));
    const granted = Math.min(most, Math.floor(burst - spent + 1e-3));
    const spentMs = ((spent + granted) / perSecond) * 1000;
    this.#spentUntil.set(caller, now + spentMs);
    return { granted, waitMs: Math.max(0, spentMs - ((burst - 1) * 1000) / perSecond), replicas: 1 };
  }

  hasOlderReplicas(): boolean {
    return false;
  }

  /** There is no other process. */
  onForeignEvents(_listener: () => void): () => void {
    return () => undefined;
  }

  holdsLease(): boolean {
    return this.#isOpen;
  }

  wallNow(): number {
    return Math.floor(this.#wall());
  }

  epoch(): number {
    return this.#me;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#saving);
    const saved = this.#saveClock().catch(() => undefined); // a full disk must not prevent closing
    await this.#connection.close();
    await saved;
  }

  async #saveClock(): Promise<void> {
    await this.#connection.write([{ sql: SAVE_CLOCK, values: [this.#clock.now()] }]);
  }

  #bound(step: Step, clock = this.#clock.now()): Bound {
    const { positional: sql, names } = step.statement;
    const own = { me: this.#me, clock, wallNow: this.wallNow() };
    return { sql, values: bindings(step, names, own) };
  }

  #mustBeOpen(): void {
    if (!this.#isOpen) throw new StoreError('the store is closed', { notCommitted: true });
  }
}

export async function openSqlite(path: string, options: StoreOptions): Promise<SqliteEngine> {
  const noopWrite = 'UPDATE send_store SET checks = checks + 1';
  const connection = await openConnection(path, { migrations: MIGRATIONS, noopWrite }, options.sameThread);
  try {
    return new SqliteEngine(connection, await enter(connection), options);
  } catch (error) {
    await connection.close().catch(() => undefined); // the first failure is the cause
    throw error;
  }
}

async function enter(connection: Connection): Promise<Opened> {
  const steps = [
    { sql: ENTER, values: [] },
    { sql: keepSecret.positional, values: [newSecret()] },
  ];
  const [[store] = [], [kept] = []] = await connection.write(steps);
  return { owner: Number(store?.owner), clock: Number(store?.clock), secret: toSecret(kept?.secret) };
}
