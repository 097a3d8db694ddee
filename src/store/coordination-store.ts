/** One of the evenly spaced upstream calls that all processes share. */
export interface Reservation {
  /** From `nowMs` until the call may start. */
  waitMs: number;
  /** The database's clock, ms. */
  nowMs: number;
  /** Processes with a valid lease, this one included. */
  replicas: number;
}

/** Permits for upstream calls, shared by all processes on one store. Not durable; only the database's clock counts. */
export interface ReservationStore {
  /**
   * Takes the next slot and moves the one after it `intervalMs` later, atomically. The slot is `waitMs` after `nowMs`, the
   * database's clock; at most a minute. `replicas`: processes with a valid lease, this one included.
   */
  reservePermit(intervalMs: number): Promise<Reservation>;
  /** Reserves no permit for the next `ms`; at most a minute. */
  blockReservations(ms: number): Promise<void>;
}

/** A caller's limit, and what is asked for now. */
export interface TokenRequest {
  perSecond: number;
  /** The most that may come at once after a pause. */
  burst: number;
  maxTokens: number;
  /** Granted locally while the store was unavailable; subtracted now. */
  debt: number;
}

export interface TokenGrant {
  granted: number;
  /** Until the next one is available; 0 if one is left. */
  waitMs: number;
  /** Processes with a valid lease, this one included. */
  replicas: number;
}

/** The limit of a caller over all processes on one store. Not durable. */
export interface CallerTokenStore {
  /** Takes what is available of this caller's tokens, up to `maxTokens`, atomically. They are not given back. */
  takeTokens(caller: string, ask: TokenRequest): Promise<TokenGrant>;
}
