import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { Channel, oneOf, pageOf, paging, Recipient, strict, Timestamp } from './common.ts';

const optionalText = Type.Optional(Type.String());

export const ConversationMessage = Type.Object(
  {
    id: Type.String(),
    direction: oneOf(
      ['in', 'out', 'unknown', 'system'],
      '`in`: the customer wrote; `unknown`: WATI does not say who did; `system`: an event, only with `events=true`',
    ),
    type: Type.String({ description: 'text, image, document, template, button, …; of events their name' }),
    text: Type.Optional(Type.String({ description: 'of a tap: the label that was tapped' })),
    button: Type.Optional(
      Type.Object(
        {
          text: Type.String({ description: 'the label' }),
          id: optionalText,
          description: optionalText,
          payload: optionalText,
        },
        { title: 'ButtonReply', description: 'what the customer tapped: a button, or a row of a list' },
      ),
    ),
    location: Type.Optional(
      Type.Object(
        {
          latitude: Type.Number(),
          longitude: Type.Number(),
          name: optionalText,
          address: optionalText,
          url: optionalText,
        },
        { title: 'Location' },
      ),
    ),
    contacts: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: optionalText,
            phones: Type.Array(Type.String({ description: 'as it was written' })),
            emails: Type.Optional(Type.Array(Type.String())),
            organization: optionalText,
          },
          { title: 'ContactCard' },
        ),
      ),
    ),
    order: Type.Optional(
      Type.Object(
        {
          catalogId: optionalText,
          text: optionalText,
          items: Type.Array(
            Type.Object(
              {
                productId: Type.String(),
                quantity: Type.Optional(Type.Number()),
                price: Type.Optional(Type.Number()),
                currency: optionalText,
              },
              { title: 'OrderItem' },
            ),
          ),
        },
        { title: 'Order' },
      ),
    ),
    reaction: Type.Optional(
      Type.Object(
        {
          emoji: Type.Optional(Type.String({ description: 'absent: an earlier reaction was taken back' })),
          messageId: Type.Optional(Type.String({ description: 'id of the WhatsApp message' })),
        },
        { title: 'Reaction' },
      ),
    ),
    media: Type.Optional(
      Type.Object({ path: Type.String({ description: 'for `GET /v1/media?path=`' }) }, { title: 'MediaReference' }),
    ),
    status: Type.Optional(Type.String({ description: 'sent, delivered, read, replied, failed' })),
    failure: Type.Optional(
      Type.Object(
        { code: Type.Optional(Type.String()), detail: Type.Optional(Type.String()) },
        { title: 'DeliveryFailure' },
      ),
    ),
    operator: Type.Optional(Type.String()),
    replyTo: Type.Optional(Type.String({ description: 'id of the WhatsApp message that is quoted' })),
    at: Timestamp,
  },
  { title: 'ConversationMessage' },
);
export type ConversationMessage = Static<typeof ConversationMessage>;

export const ConversationMessagePage = pageOf(ConversationMessage, 'ConversationMessagePage');

export const Conversation = Type.Object(
  {
    recipient: Type.String(),
    phone: Type.Optional(Type.String()),
    bsuid: Type.Optional(Type.String({ description: "WhatsApp's id of a person for this company" })),
    username: Type.Optional(Type.String()),
    window: Type.Object(
      {
        open: Type.Optional(Type.Boolean({ description: 'absent: not known, which is not closed' })),
        expiresAt: Type.Optional(Timestamp),
        source: oneOf(
          ['webhook', 'history', 'refusal', 'none'],
          'where that is from: `webhook`: the customer wrote; `history`: the same, read in the history; `refusal`: WATI refused a message as too late, which holds until the customer writes; `none`: nothing is known',
        ),
      },
      {
        title: 'ConversationWindow',
        description:
          'the 24 hours from the last message of the customer, in which texts and files may be sent. WATI decides: it may end earlier',
      },
    ),
    lastReceivedAt: Type.Optional(Timestamp),
    lastSentAt: Type.Optional(Timestamp),
    repliesTo: oneOf(
      ['you', 'other', 'nobody'],
      'whose message an answer would follow: that of the caller who wrote last within `REPLY_ROUTING_HOURS` (a week, where the operator says nothing else), unless an operator or a bot wrote since',
    ),
  },
  { title: 'Conversation' },
);
export type Conversation = Static<typeof Conversation>;

export const ConversationLook = Type.Object(
  {
    refresh: Type.Optional(
      Type.Boolean({ description: 'true: the history is read now, which costs one call to WATI' }),
    ),
    channel: Type.Optional(Channel),
  },
  strict,
);

export const ConversationParams = Type.Object({ recipient: Recipient }, strict);

export const ConversationQuery = Type.Object(
  {
    ...paging,
    channel: Type.Optional(Channel),
    events: Type.Optional(Type.Boolean({ description: 'true keeps system events' })),
  },
  strict,
);

export const ConversationChannel = Type.Object({ channel: Type.Optional(Channel) }, strict);

/**
 * Exactly two shapes: an absent e-mail must never mean "the bot", as it does for WATI. One object instead of a union of two,
 * because generators for Java merge a union into one class that sends both.
 */
export const OperatorPut = Type.Object(
  {
    email: Type.Optional(
      Type.String({
        pattern: '^[^@\\s]{1,64}@[^@\\s]{1,190}$',
        'x-form': 'an e-mail address',
        examples: ['asha@example.com'],
      }),
    ),
    // Clients in some languages have no name for a boolean with a single value.
    bot: Type.Optional(
      Type.Boolean({
        not: { enum: [false] },
        'x-form': 'true, or left out',
        description: 'true: the bot; false is refused',
      }),
    ),
  },
  {
    title: 'OperatorPut',
    ...strict,
    minProperties: 1,
    maxProperties: 1,
    description: 'either an operator by e-mail, or `{"bot": true}`',
    examples: [{ email: 'asha@example.com' }],
  },
);

export const Operator = Type.Object(
  { recipient: Type.String(), operator: Type.String({ description: 'the e-mail, or `bot`' }) },
  { title: 'OperatorAssignment' },
);

const conversationStatuses = ['open', 'pending', 'solved', 'blocked'] as const;
const ConversationStatus = oneOf([...conversationStatuses]);

export const StatusPut = Type.Object(
  { status: ConversationStatus },
  { title: 'ConversationStatusPut', ...strict, examples: [{ status: 'solved' }] },
);

export const StatusOfConversation = Type.Object(
  { recipient: Type.String(), status: ConversationStatus },
  { title: 'ConversationStatus' },
);
