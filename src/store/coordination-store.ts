/** A slot of the evenly spaced upstream calls that all processes share. */
export interface Reservation {
  /** From `nowMs` until the call may start. */
  waitMs: number;
  /** The database's clock, ms. */
  nowMs: number;
  /** Processes with a valid lease, this one included. */
  replicas: number;
}

/** Slots for upstream calls, shared by all processes on one store. Not durable; only the database's clock counts. */
export interface ReservationStore {
  /**
   * Takes the next slot and moves the one after it `intervalMs` later, atomically. The slot is `waitMs` after `nowMs`, the
   * database's clock; at most a minute. `replicas`: processes with a valid lease, this one included.
   */
  reservePermit(intervalMs: number): Promise<Reservation>;
  /** Reserves no slot for the next `ms`; at most a minute. */
  blockReservations(ms: number): Promise<void>;
}

/** A caller's limit, and the request. */
export interface TokenRequest {
  perSecond: number;
  /** The most tokens that may be taken at once after a pause. */
  burst: number;
  maxTokens: number;
  /** Tokens granted locally while the store was unavailable; subtracted now. */
  debt: number;
}

export interface TokenGrant {
  granted: number;
  /** Until the next token is available; 0 if one is left. */
  waitMs: number;
  /** Processes with a valid lease, this one included. */
  replicas: number;
}

/** The limit of a caller over all processes on one store. Not durable. */
export interface CallerTokenStore {
  /** Takes the available tokens of this caller, up to `maxTokens`, atomically. They cannot be returned. */
  takeTokens(caller: string, ask: TokenRequest): Promise<TokenGrant>;
}
