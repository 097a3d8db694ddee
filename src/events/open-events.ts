import type { EventStore } from '../store/event-store.ts';
import { EventCursors } from './cursor.ts';
import { EventFeed } from './event-feed.ts';
import { EventHub } from './event-hub.ts';
import { eventFrames, eventText } from './event-text.ts';
import type { EventSignal } from './types.ts';

export type Events = Awaited<ReturnType<typeof openEvents>>;

/** Creates the readers of events in this process. `recorder` signals events that this process records. */
export async function openEvents(store: EventStore, recorder: EventSignal, onFault: (error: unknown) => void) {
  const { epoch } = await store.eventPositions('');
  const cursors = new EventCursors(epoch);
  const hub = new EventHub({ store, recorder, onFault });
  const feed = new EventFeed({ store, cursors, hub });
  return { cursors, hub, feed, text: eventText(cursors), frame: eventFrames(cursors) };
}
