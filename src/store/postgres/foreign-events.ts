import pg from 'pg';
import { reached, type Server } from './pools.ts';

const CHANNEL = 'wati_bff_events';
const RETRY_MS = 1_000;
const ANSWER_MS = 5_000;

/** Runs in the transaction that records events. PostgreSQL notifies the listeners when it commits. */
export const announceEvents = `SELECT pg_notify('${CHANNEL}', CAST(CAST(:me AS BIGINT) AS TEXT))`;

/**
 * Listens for events that other processes have recorded, on a connection of its own that is open while there are listeners. After
 * each connect it calls them once, because earlier notifications are lost.
 */
export class ForeignEvents {
  readonly #server: Server;
  readonly #owner: () => number;
  readonly #listeners = new Set<() => void>();
  #client: pg.Client | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(server: Server, owner: () => number) {
    this.#server = server;
    this.#owner = owner;
  }

  listen(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#connect();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) void this.#disconnect();
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  #connect(): void {
    const client = new pg.Client({ ...reached(this.#server), keepAlive: true, query_timeout: ANSWER_MS });
    this.#client = client;
    const onLost = (): void => {
      if (this.#client !== client) return;
      void this.#disconnect();
      this.#retry = setTimeout(() => this.#connect(), RETRY_MS).unref();
    };
    client.on('error', onLost);
    client.on('end', onLost);
    client.on('notification', ({ payload }) => {
      if (payload !== String(this.#owner())) this.#tell();
    });
    client
      .connect()
      .then(() => client.query(`LISTEN ${CHANNEL}`))
      .then(() => this.#tell(), onLost);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
