import type { StoredEvent } from '../store/event-store.ts';
import type { MessageStore } from '../store/message-store.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { Conversation, TrackingStore } from '../store/tracking-store.ts';

const pageSize = 500;

type Exported = Pick<OperatorStore, 'listCallers'> &
  Pick<MessageStore, 'list'> &
  Pick<TrackingStore, 'listPersonTracking' | 'listPersonEvents'>;

/**
 * What is stored about one person across all callers, as the text of one JSON object, read a page at a time: messages with
 * their delivery, conversations, webhooks that are not applied yet, and events for callers. Broadcasts that are still being recorded are left out.
 */
export async function* exportPerson(store: Exported, to: string): AsyncGenerator<string> {
  yield '{\n"messages": [';
  yield* listed(messagesTo(store, to));
  const { conversations, webhooks } = await store.listPersonTracking(to);
  yield '],\n"conversations": [';
  yield* listed(conversations.map(withTimes));
  yield '],\n"webhooks": [';
  yield* listed(
    webhooks.map(({ connectionId, receivedAtMs, body }) => ({ connectionId, receivedAt: isoTime(receivedAtMs), body })),
  );
  yield '],\n"events": [';
  yield* listed(eventsAbout(store, to));
  yield ']\n}\n';
}

async function* messagesTo(store: Exported, to: string) {
  for (const caller of await store.listCallers()) {
    let cursor: string | undefined;
    do {
      const asked = { limit: pageSize, withContent: true as const, ...(cursor !== undefined && { cursor }) };
      const page = await store.list(caller, { to }, asked);
      // `call` is the name that its content has in exports.
      for (const { content, ...message } of page.messages) {
        yield { ...message, ...(content !== undefined && { call: content }) };
      }
      cursor = page.next;
    } while (cursor !== undefined);
  }
}

async function* eventsAbout(store: Exported, to: string) {
  let after: number | undefined = 0;
  while (after !== undefined) {
    const events: StoredEvent[] = await store.listPersonEvents(to, { after, limit: pageSize });
    for (const { id, caller, type, connectionId, at, data } of events) {
      yield { id, caller, type, connectionId, timestamp: isoTime(at), data: JSON.parse(data) };
    }
    after = events.at(-1)?.seq;
  }
}

async function* listed(each: AsyncIterable<object> | Iterable<object>): AsyncGenerator<string> {
  let separator = '\n';
  for await (const one of each) {
    yield separator + JSON.stringify(one);
    separator = ',\n';
  }
}

function withTimes({ lastInAt, closedAt, lastForeignOutAt, ...known }: Conversation) {
  const times = { lastReceivedAt: lastInAt, closedAt, lastForeignSentAt: lastForeignOutAt };
  const told = Object.entries(times).flatMap(([name, at]) => (at === undefined ? [] : [[name, isoTime(at)] as const]));
  return { ...known, ...Object.fromEntries(told) };
}

const isoTime = (ms: number): string => new Date(ms).toISOString();
