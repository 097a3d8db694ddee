import { completionOf, toJson } from '../delivery/outcome.ts';
import { type Content, contentFingerprint } from '../delivery/send-content.ts';
import { exampleIds } from '../schemas/common.ts';
import type { BroadcastStore } from '../store/broadcast-store.ts';
import type { EventStore } from '../store/event-store.ts';
import type { MessageStore, NewMessage } from '../store/message-store.ts';
import type { ScheduleStore } from '../store/schedule-store.ts';
import type { TrackingStore } from '../store/tracking-store.ts';
import type { WebhookEndpointStore } from '../store/webhook-endpoint-store.ts';

const connectionId = exampleIds.connection;
const template = 'order_update';

const {
  unknownMessage,
  lostMessage,
  waitingMessage,
  scheduledMessage,
  doneBroadcast,
  failedBroadcast,
  pausedBroadcast,
  unwantedBroadcast,
  operatedBroadcast,
} = exampleIds;
const { endpoint, unwantedEndpoint, event } = exampleIds;
const broadcasts = [doneBroadcast, failedBroadcast, pausedBroadcast, unwantedBroadcast, operatedBroadcast];
const named = [
  unknownMessage,
  lostMessage,
  waitingMessage,
  scheduledMessage,
  ...broadcasts,
  endpoint,
  unwantedEndpoint,
  event,
];

/** Whether a request names one of the records in the examples. */
export const namesExample = (url: string): boolean => named.some((id) => url.includes(id));

/**
 * The records that the examples of the docs page name, so that the sandbox can answer every example. Inserted when the first of
 * them is read, so that test suites start without records.
 */
export async function recordExamples(
  store: MessageStore &
    Pick<ScheduleStore, 'wallNow'> &
    BroadcastStore &
    WebhookEndpointStore &
    EventStore &
    TrackingStore,
  caller: string,
): Promise<void> {
  await recordUnknown(store, { caller, id: unknownMessage, text: 'Your invoice is ready.' });
  await recordUnknown(store, { caller, id: lostMessage, text: 'Your parcel is at the counter.' });
  const sendAt = new Date(store.wallNow() + 24 * 3_600_000).toISOString();
  const to = '14155550112';
  const content = toJson({ kind: 'text', body: { to, text: 'Your parcel comes tomorrow.' } });
  const later = { caller, kind: 'text' as const, to, connectionId, content, sendAt };
  await store.insert({ ...later, id: scheduledMessage, localMessageId: scheduledMessage });

  const detail = 'the gateway could not be reached';
  for (const [broadcast, name, outcome] of [
    [doneBroadcast, 'november', { outcome: 'accepted', evidence: 'answer' }],
    [failedBroadcast, 'october', { outcome: 'not_sent', detail, retryAfterS: 1 }],
  ] as const) {
    await start(store, { caller, broadcast, name });
    const recipients = await store.claimBatch(broadcast, 100);
    await store.completeAll(recipients.map(({ id }) => ({ id, ...completionOf(outcome) })));
  }
  while ((await store.sweepBroadcasts(100)) > 0);
  for (const [broadcast, name] of [
    [exampleIds.pausedBroadcast, 'winter'],
    [exampleIds.unwantedBroadcast, 'sent-by-mistake'],
    [exampleIds.operatedBroadcast, 'spring'],
  ] as const) {
    await start(store, { caller, broadcast, name });
    await store.changeBroadcastStatus(caller, broadcast, { to: 'paused' });
  }
  // Subscribes to a type that the sandbox never sends by itself, because no receiver listens at this address.
  const webhooks = { caller, url: 'http://127.0.0.1:4001/example', types: ['account.changed'], position: 0 };
  for (const id of [endpoint, unwantedEndpoint]) await store.createEndpoint({ ...webhooks, id }, 100);
  await store.updateEndpoint(caller, unwantedEndpoint, { status: 'disabled' });
  await recordEvent(store, caller);
}

/** Records a text whose answer was lost. */
async function recordUnknown(store: MessageStore, { caller, id, text }: { caller: string; id: string; text: string }) {
  const to = '14155550112';
  const content: Content = { kind: 'text', body: { to, text } };
  await store.insert({
    id,
    caller,
    kind: 'text',
    to,
    connectionId,
    localMessageId: id,
    content: toJson(content),
    fingerprint: contentFingerprint(connectionId, content),
  });
  await store.claim(id, 1);
  await store.complete(id, completionOf({ outcome: 'unknown', detail: 'no answer came before the deadline' }));
}

/** An event with the id of the examples, if the caller has events of its type. */
async function recordEvent(store: EventStore & TrackingStore, caller: string): Promise<void> {
  const detail = { contact: { phone: '14155550112', username: '@divya' } };
  const example = { caller, connectionId, type: 'contact.changed', fact: 'c:example', at: Date.now() };
  const nothing = { messages: [], conversations: [], done: [], postponed: [] };
  await store.applyTracking({ ...nothing, facts: [{ ...example, contact: detail.contact.phone, detail }] });
  const pending = (await store.pendingFacts(256)).find(({ fact }) => fact === example.fact);
  if (!pending) return;
  const recorded = { ...example, id: event, data: JSON.stringify(detail), factSeq: pending.seq };
  await store.recordEvents([recorded], [pending.seq]);
}

interface Example {
  caller: string;
  broadcast: string;
  name: string;
}

async function start(store: BroadcastStore, example: Example): Promise<void> {
  const { caller, broadcast: id, name } = example;
  await store.openBroadcast({
    id,
    caller,
    template,
    name,
    connectionId,
    idempotency: { route: 'POST /v1/broadcasts', key: name },
  });
  await store.addRecipients(id, [recipient(example, 0), recipient(example, 1)]);
  await store.publishBroadcast(id, name);
}

function recipient({ broadcast: broadcastId, caller, name: broadcastName }: Example, at: number): NewMessage {
  const to = String(14_155_550_113 + at);
  const parameters = {
    customer_name: at === 0 ? 'Divya' : 'Emre',
    order_id: `A-100${3 + at}`,
    order_status: 'packed',
  };
  // An id that is the same in every sandbox.
  const id = `${broadcastId.slice(0, -1)}${at}-r`;
  const call = toJson({ kind: 'template', body: { to, template, parameters, broadcastName } });
  return { id, caller, kind: 'template', to, connectionId, template, localMessageId: id, content: call, broadcastId };
}
