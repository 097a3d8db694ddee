/**
 * The slots of the calls that all processes on one store share. Nothing of it is durable, and it asks the
 * clock of the database alone.
 */
export interface SlotStore {
  /**
   * Takes the next slot and puts the one after it `intervalMs` later, in one step. The slot is `waitMs` after `nowMs`, which
   * is the clock when it answered; at most a minute. `replicas`: how many processes are believed to live, this one included.
   */
  reserveSlot(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }>;
  /** No slot is given out from now on that is earlier than in `ms`; at most a minute. */
  holdSlots(ms: number): Promise<void>;
}

/** What a caller may do at all, and what is asked for now. */
export interface PermitAsk {
  perSecond: number;
  /** How many may come at once after a rest. */
  burst: number;
  most: number;
  /** Passed without asking, while the store was not there: taken off now. */
  owed: number;
}

export interface Permits {
  granted: number;
  /** From now until there is one more; 0 where one is left. */
  waitMs: number;
  /** How many processes are believed to live, this one included. */
  replicas: number;
}

/** A caller's own limit, held over all processes on one store. Nothing of it is durable either. */
export interface PermitStore {
  /** Takes as many permits of this caller as there are, up to `most`, in one step. What is taken is not given back. */
  takePermits(caller: string, ask: PermitAsk): Promise<Permits>;
}
