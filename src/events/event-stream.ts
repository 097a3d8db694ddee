import { Problem } from '../problem.ts';
import type { StoredEvent } from '../store/event-store.ts';
import type { EventFeed, EventFilter } from './event-feed.ts';
import type { EventReader } from './event-reader.ts';

/** Delay before a client reconnects after the end of a stream. */
const retryMs = 5_000;
/** A comment is sent after this silence, because proxies close idle connections. */
const silenceMaxMs = 15_000;
/** A client that takes longer to read one portion is disconnected, and reconnects. */
const slowMs = 10_000;

interface StreamServices {
  feed: Pick<EventFeed, 'next' | 'cursorAt'>;
  frame: (event: StoredEvent) => string;
  onFault: (error: unknown) => void;
  /** Monotonic milliseconds. */
  clock?: () => number;
}

interface StreamAsk {
  reader: EventReader;
  /** All events up to here were read. */
  position: number;
  types?: readonly string[];
  connectionId?: string;
  /** Returns the connections that the reader may read now; undefined if its rights were revoked. */
  rights: () => Pick<EventFilter, 'mayUse'> | undefined;
  isOver: () => boolean;
}

/**
 * The events of one stream (WHATWG, server-sent events) behind a position. It ends between two events, so that the client comes
 * back with the last id: when the service goes down, when the reader's rights were taken away, when the client is slow, and where
 * the store cannot be read.
 *
 * The first portion and every comment carry an id without data: that moves the client's last id on, and makes no event. So a
 * reader of few types does not fall behind what is deleted by age, and one that is cut off before its first event misses none.
 */
export async function* eventStream(services: StreamServices, ask: StreamAsk): AsyncGenerator<string> {
  const { feed, onFault, clock = () => performance.now() } = services;
  const { reader, types, connectionId, rights, isOver } = ask;
  const wanted = { ...(types && { types }), ...(connectionId !== undefined && { connectionId }) };
  const idAt = (position: number) => `id: ${feed.cursorAt(reader.caller, position)}\n\n`;
  let { position } = ask;
  let saidAt = clock();
  yield `retry: ${retryMs}\n${idAt(position)}`;
  while (!isOver()) {
    const mine = rights();
    if (!mine) return;
    const page = await feed.next(reader, position, { ...mine, ...wanted }).catch((error: unknown) => {
      // The client is told that its cursor has expired when it reconnects.
      if (!(error instanceof Problem) || error.slug !== 'cursor-expired') onFault(error);
    });
    if (!page || isOver()) return;
    position = page.position;
    const silentMs = clock() - saidAt;
    if (page.events.length === 0 && silentMs < silenceMaxMs) {
      await reader.wait(silenceMaxMs - silentMs);
      continue;
    }
    const startedAt = clock();
    const events = page.events.map(services.frame).join('');
    yield events === '' ? `: still here\n${idAt(position)}` : events;
    saidAt = clock();
    if (saidAt - startedAt > slowMs) return;
  }
}
