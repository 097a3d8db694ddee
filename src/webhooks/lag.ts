import { typesOf } from '../events/event-types.ts';
import type { EventStore } from '../store/event-store.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';

/** Maximum number of pages read to find the lag of one endpoint. */
const pagesMax = 5;
const pageSize = 100;

/**
 * Returns the age of the oldest undelivered event of an endpoint, in whole seconds; 0 if none waits or none was found
 * within the limit.
 */
export async function lagSeconds(
  store: Pick<EventStore, 'readEvents'>,
  { caller, types, position, ahead }: Pick<StoredEndpoint, 'caller' | 'types' | 'position' | 'ahead'>,
  nowMs: number,
): Promise<number> {
  const wanted = typesOf(types);
  if (wanted.length === 0) return 0;
  const settled = new Set(ahead);
  let after = position;
  for (let page = 0; page < pagesMax; page += 1) {
    const { events, scannedTo, hasMore } = await store.readEvents(caller, { after, limit: pageSize, types: wanted });
    const first = events.find(({ seq }) => !settled.has(seq));
    if (first) return Math.max(0, Math.floor((nowMs - first.at) / 1000));
    if (!hasMore) return 0;
    after = scannedTo;
  }
  return 0;
}
