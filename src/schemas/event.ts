import type { Static } from 'typebox';
import { eventTypes } from '../events/event-types.ts';
import { Type } from '../lib/type.ts';
import { Broadcast } from './broadcast.ts';
import { exampleIds, strict, Timestamp } from './common.ts';
import { Message } from './message.ts';

const optional = (description: string) => Type.Optional(Type.String({ description }));

const EventChange = Type.Object(
  {
    from: optional('what it was; absent where nothing was known'),
    to: Type.String(),
    source: optional('how it was learnt: `webhook`, `poll`, `reconcile`, `answer` (a late answer of WATI)'),
    implied: Type.Optional(
      Type.Boolean({ description: 'true: WATI did not tell it, and it follows from what WATI told' }),
    ),
  },
  { title: 'EventChange', description: 'of a message: what it moved from and to' },
);

const EventReceived = Type.Object(
  {
    id: Type.String({ description: 'of this message, in the history of the conversation' }),
    recipient: optional('to whom an answer goes: can be given as `to`; absent where WATI did not say who wrote'),
    phone: optional('digits only; absent where WhatsApp keeps it to itself'),
    bsuid: optional('what WhatsApp calls this person towards your company'),
    username: Type.Optional(Type.String()),
    name: optional('what the person is called in WhatsApp'),
    type: Type.String({ description: '`text`, `image`, `document`, `button`, …; there may be more one day' }),
    text: Type.Optional(Type.String()),
    truncated: Type.Optional(Type.Boolean({ description: 'true: the text was longer, and was cut' })),
    media: Type.Optional(
      Type.Object(
        { path: Type.String({ description: 'for `GET /v1/media?path=`' }) },
        { title: 'EventMedia', description: 'a file that came with it' },
      ),
    ),
    button: Type.Optional(
      Type.Object(
        { text: Type.String(), payload: Type.Optional(Type.String()) },
        { title: 'EventButton', description: 'the button or the row of a list that was tapped' },
      ),
    ),
    replyTo: Type.Optional(
      Type.Object(
        {
          whatsappMessageId: Type.String(),
          messageId: optional('the message of yours that it is; absent where it is none of yours'),
        },
        { title: 'EventReplyTo', description: 'the message that it quotes' },
      ),
    ),
    whatsappMessageId: Type.Optional(Type.String()),
    at: Timestamp,
    window: Type.Object(
      {
        open: Type.Optional(Type.Boolean({ description: 'absent where it is not known' })),
        expiresAt: Type.Optional(Timestamp),
        source: Type.String({ description: 'how it is known: `webhook`, `history`, `refusal`, `none`' }),
      },
      { title: 'EventWindow', description: 'whether free text can be sent now, and until when' },
    ),
    routedBy: Type.String({
      description:
        'why it came to you: `quote` (it quotes a message of yours), `button` (it is a tap, and yours is the last message with buttons), `last-sender` (you wrote to this person last), `unrouted` (it is of nobody), `all` (you get every one); there may be more one day',
    }),
  },
  { title: 'EventReceived', description: 'what a customer wrote; never a proof of who somebody is' },
);

const EventClick = Type.Object(
  { text: optional('of the button'), url: optional('where it leads') },
  { title: 'EventClick', description: 'a link button of a template that was tapped' },
);

const EventTemplate = Type.Object(
  {
    name: Type.String(),
    status: optional('lower case, e.g. `approved`, `rejected`, `paused`'),
    quality: optional('`green`, `yellow`, `red`, `unknown`'),
    category: optional('lower case, e.g. `marketing`, `utility`'),
    reason: optional('why it was rejected, in the words of WhatsApp'),
  },
  { title: 'EventTemplate', description: 'what changed of a template' },
);

const EventAccount = Type.Object(
  {
    what: Type.String({
      description:
        '`number-quality`, `number-deleted`, `account-review`, `account-deleted`, `account-updated`; there may be more one day',
    }),
    detail: Type.String({ description: 'what WATI tells of it' }),
  },
  { title: 'EventAccount', description: 'a change of the WhatsApp account or its number' },
);

const EventContact = Type.Object(
  {
    phone: optional('digits only'),
    bsuid: Type.Optional(Type.String()),
    previousBsuid: Type.Optional(Type.String()),
    username: Type.Optional(Type.String()),
  },
  { title: 'EventContact', description: 'by which names a customer goes now' },
);

const EventEndpoint = Type.Object(
  {
    id: Type.String(),
    host: Type.String({ description: 'of its url' }),
    since: Type.Optional(Timestamp),
    reason: Type.Optional(Type.String()),
  },
  { title: 'EventEndpoint', description: 'an endpoint of yours that does not take its webhooks' },
);

export const EventData = Type.Object(
  {
    message: Type.Optional(Message),
    change: Type.Optional(EventChange),
    contradicts: optional('the outcome that was told before, and turned out to be wrong'),
    received: Type.Optional(EventReceived),
    click: Type.Optional(EventClick),
    broadcast: Type.Optional(Broadcast),
    template: Type.Optional(EventTemplate),
    account: Type.Optional(EventAccount),
    contact: Type.Optional(EventContact),
    endpoint: Type.Optional(EventEndpoint),
  },
  { title: 'EventData', description: 'Which members are there follows from the type. Pass over what you do not know.' },
);

const meanings = [
  '`message.sent`, `.delivered`, `.read`, `.replied`, `.failed`: what became of a message (`message`, `change`)',
  '`message.accepted`, `.rejected`, `.not_sent`, `.unknown`: the outcome of a send (`message`)',
  '`message.resolved`: an outcome was corrected by a proof (`message`, `change`, `contradicts`)',
  '`message.received`: a customer wrote (`received`)',
  '`message.clicked`: a link button of a template was tapped (`message`, `click`)',
  '`broadcast.finished`: nothing of it is queued or being sent (`broadcast`)',
  '`template.changed`, `account.changed`, `contact.changed` (`template`, `account`, `contact`)',
  '`webhook_endpoint.failing`, `.disabled`: an endpoint of yours does not take its webhooks (`endpoint`)',
  '`webhook.test`: you asked for it, and it is in no feed (nothing)',
];

export const Event = Type.Object(
  {
    id: Type.String({ description: 'the same wherever and however often the event is told; no dot in it' }),
    type: Type.String({
      description: `${meanings.join('; ')}. There may be more one day: pass over what you do not know.`,
      // Open: a client that was generated from today's list takes what is added to it.
      'x-extensible-enum': [...eventTypes, 'webhook.test'],
    }),
    timestamp: Type.String({ ...Timestamp, description: 'when it happened; ISO 8601, UTC' }),
    cursor: Type.Optional(
      Type.String({ description: 'the place behind this event, for `GET /v1/events`; absent in `webhook.test`' }),
    ),
    connectionId: Type.Optional(Type.String({ description: 'absent in what is about an endpoint of yours' })),
    data: EventData,
  },
  { title: 'Event', description: 'The same event has the same bytes in the feed, the stream and each webhook.' },
);
export type Event = Static<typeof Event>;

export const EventList = Type.Object(
  {
    data: Type.Array(Event),
    nextCursor: Type.String({ description: 'the `cursor` of the next page, of an empty page as well' }),
    hasMore: Type.Boolean({ description: 'true: there is more behind it already' }),
  },
  { title: 'EventList' },
);

const types = Type.Optional(
  Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
    maxItems: 32,
    description:
      'only events of these types; repeat `types` for several; `message.*` names all that begin so, of which one at least must be recorded for you',
    examples: [['message.delivered', 'message.failed']],
  }),
);
const connection = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 512,
    description: 'only events of this connection, which must be one of yours; those about your endpoints name none',
  }),
);
const cursorText = { minLength: 1, maxLength: 512 };

export const EventQuery = Type.Object(
  {
    cursor: Type.String({
      ...cursorText,
      default: 'earliest',
      description:
        'behind what: `nextCursor` of a page or `cursor` of an event; `earliest`: all that is kept; `latest`: none of it',
    }),
    limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
    types,
    connection,
  },
  strict,
);

export const EventStreamQuery = Type.Object(
  {
    types,
    connection,
    lastEventId: Type.Optional(
      Type.String({
        ...cursorText,
        description:
          'for clients that cannot send the header; `earliest`: all that is kept. Without either: what happens from now on',
      }),
    ),
  },
  strict,
);

export const EventStreamHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ maxLength: 512, description: 'the last `id:` that came: the stream goes on behind it' }),
  ),
});

export const EventParams = Type.Object(
  {
    id: Type.String({
      pattern: '^[A-Za-z0-9_-]{1,64}$',
      'x-form': 'the id of an event',
      examples: [exampleIds.event],
    }),
  },
  strict,
);
