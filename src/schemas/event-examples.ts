import type { Static } from 'typebox';
import type { EventType } from '../events/event-types.ts';
import type { Broadcast } from './broadcast.ts';
import { exampleIds } from './common.ts';
import type { Event, EventData } from './event.ts';
import type { Message } from './message.ts';

const at = '2026-11-02T09:30:00.000Z';

const accepted: Message = {
  id: exampleIds.sentMessage,
  kind: 'template',
  to: '14155550100',
  connectionId: exampleIds.connection,
  status: 'accepted',
  localMessageId: exampleIds.sentMessage,
  whatsappMessageId: 'wamid.HBgLMTQxNTU1NTAxMDA=',
  template: 'order_update',
  attempts: 1,
  createdAt: at,
  updatedAt: at,
};

type Delivery = NonNullable<Message['delivery']>;
const sent: Delivery = { status: 'sent', sentAt: at, source: 'webhook', updatedAt: at };
const delivered: Delivery = { ...sent, status: 'delivered', deliveredAt: at };
const read: Delivery = { ...delivered, status: 'read', readAt: at };
const failed: Delivery = {
  ...sent,
  status: 'failed',
  failedAt: at,
  failure: { code: '131026', detail: 'Message undeliverable', kind: 'recipient' },
};

const unsent = ({ status, failure }: Pick<Message, 'status' | 'failure'>): Message => {
  const { localMessageId, whatsappMessageId, ...message } = accepted;
  return { ...message, status, ...(failure && { failure }) };
};

const moved = (delivery: Delivery, from?: string) => ({
  message: { ...accepted, delivery },
  change: { ...(from !== undefined && { from }), to: delivery.status, source: 'webhook' },
});

const finished: Broadcast = {
  id: exampleIds.doneBroadcast,
  template: 'order_update',
  broadcastName: 'autumn-sale',
  connectionId: exampleIds.connection,
  status: 'done',
  counts: { total: 2, queued: 0, sending: 0, accepted: 2, rejected: 0, notSent: 0, unknown: 0, cancelled: 0 },
  createdAt: at,
  updatedAt: at,
  finishedAt: at,
};

const endpoint = {
  id: exampleIds.endpoint,
  host: 'hooks.billing.internal',
  since: at,
  reason: 'answered 500',
};

/** `data` of an example of each type. */
const data: Record<EventType, Static<typeof EventData>> = {
  'message.sent': moved(sent),
  'message.delivered': moved(delivered, 'sent'),
  'message.read': moved(read, 'delivered'),
  'message.replied': {
    message: { ...accepted, delivery: { ...read, repliedAt: at } },
    change: { from: 'read', to: 'replied', source: 'webhook' },
  },
  'message.failed': moved(failed, 'sent'),
  'message.resolved': {
    message: { ...accepted, evidence: 'local-id', delivery: sent },
    change: { from: 'not_sent', to: 'accepted', source: 'webhook' },
    contradicts: 'not_sent',
  },
  'message.accepted': { message: accepted },
  'message.rejected': {
    message: unsent({ status: 'rejected', failure: { code: 'opted-out', detail: 'the recipient has opted out' } }),
  },
  'message.not_sent': {
    message: unsent({ status: 'not_sent', failure: { code: 'not-sent', detail: 'the gateway could not be reached' } }),
  },
  'message.unknown': {
    message: unsent({ status: 'unknown', failure: { code: 'unknown', detail: 'no answer came before the deadline' } }),
  },
  'message.received': {
    received: {
      id: '673a1f0c5e8b4d2a9c7f6e01',
      recipient: '14155550100',
      phone: '14155550100',
      bsuid: 'US.123124141512',
      name: 'Asha',
      type: 'text',
      text: 'When will it be here?',
      replyTo: { whatsappMessageId: 'wamid.HBgLMTQxNTU1NTAxMDA=', messageId: exampleIds.sentMessage },
      whatsappMessageId: 'wamid.HBgLMTQxNTU1NTAxMDAVAgASGBQzQQ==',
      at,
      window: { open: true, expiresAt: '2026-11-03T09:30:00.000Z', source: 'webhook' },
      routedBy: 'quote',
    },
  },
  'message.clicked': {
    message: { ...accepted, delivery: read },
    click: { text: 'Track it', url: 'https://shop.example/orders/A-1001' },
  },
  'broadcast.finished': { broadcast: finished },
  'template.changed': { template: { name: 'order_update', status: 'approved', quality: 'green', category: 'utility' } },
  'account.changed': { account: { what: 'number-quality', detail: 'phoneNumber: 14155550199, event: FLAGGED' } },
  'contact.changed': {
    contact: { phone: '14155550100', bsuid: 'US.123124141512', previousBsuid: 'US.98112233', username: '@asha' },
  },
  'webhook_endpoint.failing': { endpoint },
  'webhook_endpoint.disabled': { endpoint: { ...endpoint, reason: 'nothing but failures for 72 hours' } },
};

/** Made with the epoch `example`, which no database has. */
const cursor = 'WXNCim9dj7Mxu8y0zzoUOM3hL9y8Ebu-CGPkn-u-xl3zbtL9v6B_ZB7eWw7casPp';

const exampleOf = (type: EventType): Event => ({
  id: exampleIds.event,
  type,
  timestamp: at,
  cursor,
  ...(!type.startsWith('webhook_endpoint.') && { connectionId: exampleIds.connection }),
  data: data[type],
});

const types = Object.keys(data) as EventType[];

/** An event of each type, by its type. */
export const eventExamples: ReadonlyMap<string, Event> = new Map([
  ...types.map((type) => [type, exampleOf(type)] as const),
  ['webhook.test', { id: exampleIds.event, type: 'webhook.test', timestamp: at, data: {} }],
]);

export const deliveredExample: Event = exampleOf('message.delivered');

export const eventListExample = { data: [deliveredExample], nextCursor: cursor, hasMore: false };
