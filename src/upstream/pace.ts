/** On whose behalf a call waits for its turn, and how urgently. */
export interface Turn {
  caller: string;
  lane: 'urgent' | 'interactive' | 'broadcast';
  /** Of the caller among those of its lane; 1 if absent. */
  weight?: number;
}

/** WATI counts some of its routes in groups of their own (docs/reference/upstream.md, "WATI's own limits"). */
export type RouteGroup = 'contacts' | 'messages' | 'templates';

const groups: Record<string, RouteGroup> = {
  getContacts: 'contacts',
  addContact: 'contacts',
  getMessages: 'messages',
  sendTemplateMessages: 'templates',
  sendTemplateMessage: 'templates',
};

/** Lets calls out no faster than Maton and WATI take them. Every call asks: those of Maton's connections API count as well. */
export interface Pace {
  /** Resolves when one call may go out, now. Throws TurnTooLate where that cannot be before `untilMs` (performance.now()). */
  take(ask: Turn & { group?: RouteGroup; untilMs: number; signal?: AbortSignal }): Promise<void>;
  /** Whether a turn that came then (performance.now()) is still good: soon enough, and with no 429 since. */
  isGood(turnCameMs: number): boolean;
  /** How long a call would wait, ms, with so many more of its kind before it. Asked before a send is recorded. */
  expectedWaitMs(ask: Turn & { group?: RouteGroup; callsBefore?: number }): number;
  /** A 429 was met. */
  refused(group: RouteGroup | undefined, retryAfterMs: number | undefined): void;
}

/** What Pace throws: when a repeat has a chance, ms. */
export interface TurnTooLate extends Error {
  retryAfterMs: number;
}

export const isTurnTooLate = (error: unknown): error is TurnTooLate =>
  error instanceof Error && 'retryAfterMs' in error && typeof error.retryAfterMs === 'number';

/** The calls of the service itself: health, diagnosis, looking for unknown sends. */
export const ownTurn: Turn = { caller: 'wati-bff', lane: 'interactive' };

/** What `take` wants to know of a call. */
export function askOf(operation: string, turn: Turn = ownTurn): Turn & { group?: RouteGroup } {
  const group = groups[operation];
  return { ...turn, ...(group !== undefined && { group }) };
}

/** In whose line, and in which, a call waits. */
export const whoOf = ({ lane, caller }: Turn = ownTurn): string => `${lane} ${caller}`;

/** A load that several wait for, and whose answer is kept. */
export interface Load {
  at: number;
  /** `whoOf` the turn it waits for. */
  who: string;
  /** It is in flight or answered. Until then another caller's own permit may come sooner. */
  begun: boolean;
}

/** Whether a load is fresh enough, and joining it does not mean waiting in another caller's queue. */
export const serves = (load: Load, maxAgeMs: number, turn: Turn | undefined): boolean =>
  performance.now() - load.at <= maxAgeMs && (load.begun || load.who === whoOf(turn));
