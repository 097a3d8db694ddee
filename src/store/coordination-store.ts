/** Slots for upstream calls, shared by all processes on one store. Not durable; only the database's clock counts. */
export interface SlotStore {
  /**
   * Takes the next slot and moves the one after it `intervalMs` later, atomically. The slot is `waitMs` after `nowMs`, the
   * database's clock; at most a minute. `replicas`: processes with a valid lease, this one included.
   */
  reserveSlot(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }>;
  /** Gives out no slot for the next `ms`; at most a minute. */
  holdSlots(ms: number): Promise<void>;
}

/** A caller's limit, and what is asked for now. */
export interface PermitAsk {
  perSecond: number;
  /** The most that may come at once after a pause. */
  burst: number;
  most: number;
  /** Granted locally while the store was unavailable; subtracted now. */
  owed: number;
}

export interface Permits {
  granted: number;
  /** Until the next one is available; 0 if one is left. */
  waitMs: number;
  /** Processes with a valid lease, this one included. */
  replicas: number;
}

/** The limit of a caller over all processes on one store. Not durable. */
export interface PermitStore {
  /** Takes what is available of this caller's permits, up to `most`, atomically. They are not given back. */
  takePermits(caller: string, ask: PermitAsk): Promise<Permits>;
}
