import { typesOf } from '../src/events/event-types.ts';
import type { QueuedReplay } from '../src/schemas/webhook-replay.ts';
import type { EventStore } from '../src/store/event-store.ts';
import type { StoredEndpoint, WebhookEndpointStore } from '../src/store/webhook-endpoint-store.ts';

type NotSent = NonNullable<QueuedReplay['notSent']>;

interface Asked {
  since?: string | undefined;
  /** Of the events that are kept: before it they are deleted. */
  keptSinceMs: number;
  what: Parameters<WebhookEndpointStore['replayEndpoint']>[2];
  queued: number;
}

/**
 * The requested events that a replay does not send. The store is read after the replay was started; if that fails, the list is
 * empty, because the replay is under way all the same.
 */
export async function notSentBy(
  store: Pick<EventStore, 'findEvent' | 'eventPositions'>,
  endpoint: Pick<StoredEndpoint, 'caller' | 'types'>,
  asked: Asked,
): Promise<NotSent> {
  return lookedUp(store, endpoint, asked).catch(() => []);
}

async function lookedUp(
  store: Pick<EventStore, 'findEvent' | 'eventPositions'>,
  { caller, types }: Pick<StoredEndpoint, 'caller' | 'types'>,
  { what, queued, since = '', keptSinceMs }: Asked,
): Promise<NotSent> {
  if ('after' in what) {
    if (Date.parse(since) >= keptSinceMs || what.after >= (await store.eventPositions(caller)).purged) return [];
    const detail = `events of before ${new Date(keptSinceMs).toISOString()} are deleted by age: what is left is sent again`;
    return [{ reason: 'deleted', detail }];
  }
  if ('failed' in what) return [];
  const ids = [...new Set(what.eventIds)];
  if (queued >= ids.length) return [];
  const own: readonly string[] = typesOf(types);
  const found = await Promise.all(
    ids.map(async (eventId) => ({ eventId, event: await store.findEvent(caller, eventId) })),
  );
  return found.flatMap(({ eventId, event }): NotSent => {
    if (!event) return [{ eventId, reason: 'unknown', detail: 'you have no such event, or it was deleted by age' }];
    if (own.includes(event.type)) return [];
    return [{ eventId, reason: 'type', detail: `the endpoint does not have its type, \`${event.type}\`` }];
  });
}
