import type { StoredEvent } from '../store/event-store.ts';
import type { EventCursors } from './cursor.ts';
import type { EventText } from './types.ts';

/**
 * Members have a fixed order, and `data` is written as stored, so the bytes are the same in every process at any
 * time.
 */
export const eventText =
  (cursors: EventCursors): EventText =>
  (event) =>
    textWith(event, cursors.at(event.caller, event.seq));

function textWith({ id, type, at, connectionId, data }: StoredEvent, cursor: string): string {
  const timestamp = new Date(at).toISOString();
  // Events about the caller's own endpoints name no connection.
  const head = { id, type, timestamp, cursor, ...(connectionId !== '' && { connectionId }) };
  return `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;
}

/** Server-sent events (WHATWG), each built once for all streams that send it. */
export function eventFrames(cursors: EventCursors): (event: StoredEvent) => string {
  const made = new WeakMap<StoredEvent, string>();
  return (event) => {
    const known = made.get(event);
    if (known !== undefined) return known;
    const cursor = cursors.at(event.caller, event.seq);
    // JSON escapes line breaks inside strings, and this text has none outside of them.
    const frame = `id: ${cursor}\nevent: ${event.type}\ndata: ${textWith(event, cursor)}\n\n`;
    made.set(event, frame);
    return frame;
  };
}
