import type { Client } from './generated/client/index.ts';
import { client as ownClient } from './generated/client.gen.ts';
import { listEvents } from './generated/sdk.gen.ts';
import type { Event, ListEventsData } from './generated/types.gen.ts';
import { isProblem } from './problem.ts';

export interface ReadEventsOptions {
  /** Where to go on: `cursor` of the last event that is done, `earliest` or `latest`. */
  cursor: string;
  types?: NonNullable<ListEventsData['query']>['types'];
  client?: Client;
  signal?: AbortSignal;
}

/** The service refused to go on, and will again; `cause` is the problem. */
export class EventsRefused extends Error {}

/**
 * Events as they come, one by one, until `signal` ends it. Store `cursor` of each once its work is done: after a crash those
 * behind it come again, and none is missed. An outage is waited out; a refusal that would come again is thrown.
 */
export async function* readEvents({
  cursor,
  types,
  client = ownClient,
  signal,
}: ReadEventsOptions): AsyncGenerator<Event, void> {
  let from = cursor;
  while (!signal?.aborted) {
    const query = types === undefined ? { cursor: from } : { cursor: from, types };
    const headers = { Prefer: 'wait=30' };
    const { data, error, response } = await listEvents({
      client,
      query,
      headers,
      throwOnError: false,
      ...(signal && { signal }),
    });
    if (data) {
      yield* data.data;
      from = data.nextCursor;
      continue;
    }
    if (isProblem(error) && !error.retryable)
      throw new EventsRefused(`${error.title}: ${error.detail}`, { cause: error });
    await rest((Number(response?.headers.get('retry-after')) || 5) * 1000, signal);
  }
}

const rest = (ms: number, signal: AbortSignal | undefined) =>
  new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end);
  });
