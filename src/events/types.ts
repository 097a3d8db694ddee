import type { StoredEvent } from '../store/event-store.ts';

/** Tells the readers of this process that events were recorded, whichever process recorded them. */
export interface EventSignal {
  /** Called after each commit of events; the listener reads what it wants. The answer ends it. */
  subscribe(listener: () => void): () => void;
}

/** An event as its caller gets it: the same bytes in the feed, the stream and each webhook. */
export type EventText = (event: StoredEvent) => string;
