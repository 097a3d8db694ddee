import type { StoredEvent } from '../store/event-store.ts';

/** Notifies readers of this process that events were recorded, by any process. */
export interface EventSignal {
  /** Calls the listener after each commit of events. Returns a function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** An event as its caller gets it: the same bytes in feed, stream and webhooks. */
export type EventText = (event: StoredEvent) => string;
