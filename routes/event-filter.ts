import { type Caller, mayUse } from '../src/callers.ts';
import type { EventFeed, EventFilter } from '../src/events/event-feed.ts';
import { typesOf } from '../src/events/event-types.ts';
import { invalid } from '../src/problem.ts';
import { assertTypes } from './recorded-types.ts';

interface Services {
  feed: Pick<EventFeed, 'hasAny'>;
  /** Returns whether Maton lists a connection; true if that cannot be found out now. */
  isListed: (connection: string) => Promise<boolean>;
}

/** Throws if no event can match a pattern, or the connection is not the caller's. */
export async function filterOf(
  { feed, isListed }: Services,
  caller: Caller,
  { types: patterns, connection: connectionId }: { types?: readonly string[]; connection?: string },
): Promise<EventFilter> {
  assertTypes(caller, patterns ?? [], '/query/types');
  if (connectionId !== undefined) {
    // Events of a deleted connection are kept for their normal retention.
    const isOwn =
      mayUse(caller, connectionId) && ((await isListed(connectionId)) || (await feed.hasAny(caller.id, connectionId)));
    if (!isOwn) throw invalid([{ pointer: '/query/connection', detail: 'is none of your connections' }]);
  }
  return {
    mayUse: (connection) => mayUse(caller, connection),
    ...(patterns && { types: typesOf(patterns) }),
    ...(connectionId !== undefined && { connectionId }),
  };
}
