import type { StoredEvent } from '../store/event-store.ts';
import type { EventCursors } from './cursor.ts';
import type { EventText } from './types.ts';

/** The members have a fixed order, and `data` is written as it is stored: the bytes are the same in each process, at any time. */
export const eventText =
  (cursors: EventCursors): EventText =>
  (event) =>
    textWith(event, cursors.at(event.caller, event.seq));

function textWith({ id, type, at, connectionId, data }: StoredEvent, cursor: string): string {
  const timestamp = new Date(at).toISOString();
  // Events about an endpoint of the caller name no connection.
  const head = { id, type, timestamp, cursor, ...(connectionId !== '' && { connectionId }) };
  return `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;
}

/** Events of a stream (WHATWG, server-sent events), each made once for all the streams that it goes to. */
export function eventFrames(cursors: EventCursors): (event: StoredEvent) => string {
  const made = new WeakMap<StoredEvent, string>();
  return (event) => {
    const known = made.get(event);
    if (known !== undefined) return known;
    const cursor = cursors.at(event.caller, event.seq);
    // JSON has no line breaks inside of its texts; outside of them there are none.
    const frame = `id: ${cursor}\nevent: ${event.type}\ndata: ${textWith(event, cursor)}\n\n`;
    made.set(event, frame);
    return frame;
  };
}
