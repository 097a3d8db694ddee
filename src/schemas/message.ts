import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { Channel, exampleIds, NotAfter, oneOf, Recipient, Reference, strict, Timestamp, text } from './common.ts';
import { TemplateFilter, TemplateName } from './template.ts';

const deliveryStatuses = ['sent', 'delivered', 'read', 'failed'] as const;

const failureKinds =
  '`recipient` (not on WhatsApp, or cannot be reached), `window` (the 24 hours were over), `held-back` (Meta limits marketing to this person: the same may arrive later), `opted-out`, `template`, `account` (of the company: an operator has to look), `rate`, `media`, `other`; there may be more one day';

const MessageDelivery = Type.Object(
  {
    status: oneOf(deliveryStatuses, 'the furthest that it came; it never goes back'),
    sentAt: Type.Optional(Timestamp),
    deliveredAt: Type.Optional(Timestamp),
    readAt: Type.Optional(Timestamp),
    repliedAt: Type.Optional(Timestamp),
    failedAt: Type.Optional(Timestamp),
    failure: Type.Optional(
      Type.Object(
        {
          code: Type.String({ description: 'of Meta; `unknown` where none was told' }),
          detail: Type.String(),
          kind: Type.String({ description: failureKinds }),
        },
        { title: 'DeliveryFailureReason', description: 'why it did not arrive, while that is what is known' },
      ),
    ),
    source: oneOf(['webhook', 'poll'], 'WATI told it, or it was read in the history'),
    updatedAt: Timestamp,
  },
  {
    title: 'MessageDelivery',
    description:
      'What became of it after WATI took it, as far as WATI has told. Absent where nothing is known, which says nothing. Times are those at which this service heard of it.',
  },
);

const MessageStatus = oneOf(['queued', 'sending', 'accepted', 'rejected', 'not_sent', 'unknown', 'cancelled']);

export const Message = Type.Object(
  {
    id: Type.String(),
    kind: oneOf(['text', 'file', 'file-link', 'buttons', 'list', 'template', 'csv']),
    to: Type.Optional(Type.String()),
    connectionId: Type.String(),
    status: MessageStatus,
    localMessageId: Type.Optional(Type.String({ description: 'our own id, carried by later status events' })),
    whatsappMessageId: Type.Optional(Type.String()),
    template: Type.Optional(Type.String()),
    fileName: Type.Optional(
      Type.String({ description: 'of a file or a CSV, cleaned, as WATI got it and the customer sees it' }),
    ),
    channel: Type.Optional(
      Type.String({ description: 'the number of yours that it goes through, where one is known' }),
    ),
    reference: Type.Optional(Type.String({ description: 'your own name for it' })),
    idempotencyKey: Type.Optional(
      Type.String({ description: 'the `Idempotency-Key` under which it was sent, while the key is kept' }),
    ),
    failure: Type.Optional(Type.Object({ code: Type.String(), detail: Type.String() }, { title: 'MessageFailure' })),
    hold: Type.Optional(
      Type.Object(
        { code: Type.String(), detail: Type.String() },
        { title: 'MessageHold', description: 'why it is queued and does not go out now' },
      ),
    ),
    evidence: Type.Optional(
      oneOf(
        ['local-id', 'content'],
        'how a message whose answer was lost was found to have been sent: by an id of its own, or by its content',
      ),
    ),
    delivery: Type.Optional(MessageDelivery),
    attempts: Type.Integer(),
    sendAt: Type.Optional(Type.String({ description: 'not before this time; until then it is `queued`' })),
    notAfter: Type.Optional(Type.String({ description: 'not at or after this time' })),
    broadcastId: Type.Optional(Type.String()),
    resendOf: Type.Optional(Type.String({ description: 'the message that this one repeats' })),
    recorded: Type.Optional(
      Type.Boolean({ description: 'false: true as it is, but the store could not write it down yet' }),
    ),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  },
  { title: 'Message', description: '`accepted` means taken by WATI; `delivery` tells what came after.' },
);
export type Message = Static<typeof Message>;

const notStored = (remedy: string) =>
  `is not taken here: the bytes of a file are not stored, so it cannot go out later; ${remedy}, which takes it`;

export const FileQuery = Type.Object(
  {
    to: Recipient,
    channel: Type.Optional(Channel),
    reference: Type.Optional(Reference),
    notAfter: Type.Optional(NotAfter),
    caption: Type.Optional(text(1024, 'Your invoice')),
  },
  {
    ...strict,
    'x-elsewhere': { sendAt: notStored('send the address of the file with `POST /v1/messages/file-link`') },
  },
);

export const CsvQuery = Type.Object(
  {
    template: TemplateName,
    channel: Type.Optional(Channel),
    reference: Type.Optional(Reference),
    notAfter: Type.Optional(NotAfter),
    broadcastName: text(256, 'autumn-sale', { description: 'shown in WATI', line: true }),
  },
  { ...strict, 'x-elsewhere': { sendAt: notStored('record the rows with `POST /v1/broadcasts/import`') } },
);

export const MessageList = Type.Object(
  { data: Type.Array(Message), nextCursor: Type.Optional(Type.String()) },
  { title: 'MessageList' },
);

const time = (description: string) =>
  Type.Optional(
    Type.String({
      pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?Z$',
      'x-form': 'a time in UTC such as 2026-11-02T09:30:00Z',
      description,
    }),
  );

export const MessageQuery = Type.Object(
  {
    reference: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, 'x-text': 'line', description: 'exactly as it was given' }),
    ),
    idempotencyKey: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._:-]{1,255}$',
        'x-form': '1 to 255 letters, digits and . _ : -',
        description: 'messages that were sent under this key, while it is kept; recipients of a broadcast have none',
      }),
    ),
    to: Type.Optional(Recipient),
    status: Type.Optional(MessageStatus),
    broadcastId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    delivery: Type.Optional(
      oneOf(
        ['none', ...deliveryStatuses, 'replied'],
        'what became of them since: the status of `delivery`; `none`: accepted, and nothing is known; `replied`: the customer answered',
      ),
    ),
    template: Type.Optional(TemplateFilter),
    since: time('created at or after; ISO 8601 with `Z`; not more than a minute in the future'),
    until: time('created before; ISO 8601 with `Z`; after `since`'),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 50 }),
  },
  strict,
);

/** The docs page pre-fills an id that the sandbox has recorded (src/sandbox/example-records.ts). */
const messageParams = (example: string) =>
  Type.Object(
    { id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$', 'x-form': 'the id of a message', examples: [example] }) },
    strict,
  );
export const MessageParams = messageParams(exampleIds.unknownMessage);
export const CancelParams = messageParams(exampleIds.scheduledMessage);

export const ResendPost = Type.Object(
  { reason: text(512, 'the customer says that nothing came'), notAfter: Type.Optional(NotAfter) },
  { title: 'ResendPost', ...strict, examples: [{ reason: 'the customer says that nothing came' }] },
);
