import { type Static, Type } from 'typebox';
import { TemplateName, TemplateParameters } from './template.ts';
import { Channel, exampleIds, oneOf, Recipient, strict, Timestamp, text } from './words.ts';

/** Lengths and counts are WATI's. */
const httpsUrl = Type.String({
  maxLength: 8_192,
  'x-address': 'https',
  description:
    'https only; WATI fetches it. Presigned addresses fit, as long as the call to WATI is not too long with them',
  examples: ['https://example.com/invoice.pdf'],
});

const channel = Type.Optional(Channel);

export const TextPost = Type.Object(
  {
    to: Recipient,
    channel,
    text: text(4096, 'Your parcel is on its way.', {
      description:
        'WATI takes it in the address of a call, where 8,192 bytes fit (`TEXT_URL_MAX_BYTES`): 4,096 letters of ASCII, some 1,300 of Greek or Cyrillic, 890 of Hindi or Chinese, 670 emoji. The 400 for a longer one says how many of its characters fit.',
    }),
    replyTo: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: 'id of the WhatsApp message to quote' }),
    ),
  },
  { title: 'TextPost', ...strict, examples: [{ to: '14155550100', text: 'Your parcel is on its way.' }] },
);
export type TextPost = Static<typeof TextPost>;

export const FileLinkPost = Type.Object(
  { to: Recipient, channel, url: httpsUrl, caption: Type.Optional(text(1024, 'Your invoice')) },
  {
    title: 'FileLinkPost',
    ...strict,
    examples: [{ to: '14155550100', url: 'https://example.com/invoice.pdf', caption: 'Your invoice' }],
  },
);
export type FileLinkPost = Static<typeof FileLinkPost>;

export const ButtonsPost = Type.Object(
  {
    to: Recipient,
    channel,
    body: text(1024, 'Shall we deliver today?'),
    header: Type.Optional(
      Type.Object(
        {
          type: oneOf(['text', 'image', 'video', 'document']),
          text: Type.Optional(text(60, 'Delivery', { description: 'of `text` headers', line: true })),
          url: Type.Optional(httpsUrl),
          fileName: Type.Optional(text(240, 'invoice.pdf', { description: 'of `document` headers', line: true })),
        },
        { title: 'ButtonsHeader', ...strict },
      ),
    ),
    footer: Type.Optional(text(60, 'Answer until noon', { line: true })),
    buttons: Type.Array(Type.Object({ text: text(20, 'Yes', { line: true }) }, strict), {
      minItems: 1,
      maxItems: 3,
      description: 'the answer names the text of a button, so the texts must differ',
      examples: [[{ text: 'Yes' }, { text: 'Tomorrow' }]],
    }),
  },
  {
    title: 'ButtonsPost',
    ...strict,
    examples: [
      { to: '14155550100', body: 'Shall we deliver today?', buttons: [{ text: 'Yes' }, { text: 'Tomorrow' }] },
    ],
  },
);
export type ButtonsPost = Static<typeof ButtonsPost>;

export const ListPost = Type.Object(
  {
    to: Recipient,
    channel,
    body: text(1024, 'When shall we come?'),
    header: Type.Optional(text(60, 'Appointment', { line: true })),
    footer: Type.Optional(text(60, 'You can change it later', { line: true })),
    buttonText: text(20, 'Choose', { line: true }),
    sections: Type.Array(
      Type.Object(
        {
          title: Type.Optional(
            text(24, 'Monday', { description: 'needed where there is more than one section', line: true }),
          ),
          rows: Type.Array(
            Type.Object(
              {
                title: text(24, '9:00', { line: true }),
                description: Type.Optional(text(72, 'first in the morning', { line: true })),
              },
              strict,
            ),
            { minItems: 1, maxItems: 10 },
          ),
        },
        strict,
      ),
      { minItems: 1, maxItems: 10, description: 'at most 10 rows in all; the titles of the rows must differ' },
    ),
  },
  {
    title: 'ListPost',
    ...strict,
    examples: [
      {
        to: '14155550100',
        body: 'When shall we come?',
        buttonText: 'Choose',
        sections: [
          { title: 'Monday', rows: [{ title: '9:00', description: 'first in the morning' }, { title: '14:00' }] },
        ],
      },
    ],
  },
);
export type ListPost = Static<typeof ListPost>;

export const TemplatePost = Type.Object(
  {
    to: Recipient,
    channel,
    template: TemplateName,
    parameters: Type.Optional(TemplateParameters),
    broadcastName: Type.Optional(
      text(256, 'order-confirmations', { description: 'shown in WATI; the template name if absent', line: true }),
    ),
  },
  {
    title: 'TemplatePost',
    ...strict,
    examples: [
      {
        to: '14155550100',
        template: 'order_update',
        parameters: { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' },
      },
    ],
  },
);
export type TemplatePost = Static<typeof TemplatePost>;

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
        'how a send whose answer was lost was found to have been sent: by an id of its own, or by its content',
      ),
    ),
    delivery: Type.Optional(MessageDelivery),
    attempts: Type.Integer(),
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

export const FileQuery = Type.Object(
  { to: Recipient, channel, caption: Type.Optional(text(1024, 'Your invoice')) },
  strict,
);

export const CsvQuery = Type.Object(
  {
    template: TemplateName,
    channel,
    broadcastName: text(256, 'autumn-sale', { description: 'shown in WATI', line: true }),
  },
  strict,
);

export const MessageList = Type.Object(
  { data: Type.Array(Message), nextCursor: Type.Optional(Type.String()) },
  { title: 'MessageList' },
);

export const MessageQuery = Type.Object(
  {
    to: Type.Optional(Recipient),
    status: Type.Optional(MessageStatus),
    broadcastId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    delivery: Type.Optional(
      oneOf(
        ['none', ...deliveryStatuses, 'replied'],
        'what became of them since: the status of `delivery`; `none`: accepted, and nothing is known; `replied`: the customer answered',
      ),
    ),
    since: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?Z$',
        'x-form': 'a time in UTC such as 2026-11-02T09:30:00Z',
        description: 'created at or after; ISO 8601 with `Z`; not more than a minute in the future',
      }),
    ),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 50 }),
  },
  strict,
);

export const MessageParams = Type.Object(
  {
    id: Type.String({
      pattern: '^[A-Za-z0-9-]{1,64}$',
      'x-form': 'the id of a message',
      examples: [exampleIds.unknownMessage],
    }),
  },
  strict,
);

export const ResendPost = Type.Object(
  { reason: text(512, 'the customer says that nothing came') },
  { title: 'ResendPost', ...strict, examples: [{ reason: 'the customer says that nothing came' }] },
);

const idempotencyKey = (what: string, example: string) =>
  Type.String({
    pattern: '^[A-Za-z0-9._:-]{1,255}$',
    'x-form': '1 to 255 letters, digits and . _ : -',
    examples: [example],
    description: `one key a ${what}; repeat it with the same request`,
  });
const messageKey = idempotencyKey('message', 'order-1001-shipped');
const broadcastKey = idempotencyKey('broadcast', 'autumn-sale-2026');

/** A dictionary of RFC 9218 with its two members; the docs page sends the example, so that asks for nothing special. */
const priorityMember = '(u=[0-7]|i(=\\?[01])?)';
const priority = Type.Optional(
  Type.String({
    pattern: `^${priorityMember}([ \\t]*,[ \\t]*${priorityMember})*$`,
    'x-form': 'u=0 to u=7, as RFC 9218 writes it',
    maxLength: 64,
    examples: ['u=3'],
    description:
      'RFC 9218. `u=0`: before all other calls that wait for their turn, for login codes and the like; needs the scope `messages:urgent`. `u=1` to `u=7`, or no such header: the normal line',
  }),
);

export const SendHeaders = Type.Object({ 'idempotency-key': Type.Optional(messageKey), priority });

/** Where one request reaches many people, a repeat by accident must be harmless: the key is required. */
export const KeyedSendHeaders = Type.Object({ 'idempotency-key': broadcastKey, priority });

/** Broadcasts have a line of their own, and no other. */
export const BroadcastHeaders = Type.Object({ 'idempotency-key': broadcastKey });
