import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { request } from 'undici';
import { expect } from 'vitest';

export interface EventClient {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Everything that came so far, as it came. */
  text(): string;
  events(): readonly EventSourceMessage[];
  /** The last id that came, with an event or without. */
  lastId(): string;
  /** Until so many events are there. */
  have(count: number): Promise<readonly EventSourceMessage[]>;
  /** Until the server has ended it; false: it was cut off. */
  ended(): Promise<boolean>;
  close(): void;
}

interface EventClientOptions {
  key: string;
  path?: string;
  lastEventId?: string;
}

/** Reads a stream of events as an EventSource does. */
export async function followEvents(url: string, options: EventClientOptions): Promise<EventClient> {
  const { key, path = '/v1/events/stream', lastEventId } = options;
  const answer = await request(`${url}${path}`, {
    headers: { authorization: `Bearer ${key}`, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
    bodyTimeout: 0,
  });
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  let text = '';
  let isWhole = false;
  answer.body.setEncoding('utf8');
  answer.body.on('data', (chunk: string) => {
    text += chunk;
    parser.feed(chunk);
  });
  answer.body.on('end', () => {
    isWhole = true;
  });
  answer.body.on('error', () => {});
  const closed = new Promise((resolve) => answer.body.on('close', resolve));
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: () => text,
    events: () => events,
    lastId: () => text.match(/(?<=^id: ).*$/gm)?.at(-1) ?? '',
    have: async (count) => {
      await expect.poll(() => events.length, { timeout: 10_000, interval: 5 }).toBeGreaterThanOrEqual(count);
      return events;
    },
    ended: async () => {
      await closed;
      return isWhole;
    },
    close: () => answer.body.destroy(),
  };
}
