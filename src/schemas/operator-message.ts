import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { exampleIds, NotAfter, oneOf, strict, Timestamp, text } from './common.ts';
import { OperatorMessage, revealQuery } from './operator.ts';

const timelineEvents = [
  'recorded',
  'scheduled',
  'sending',
  'requeued',
  'accepted',
  'rejected',
  'not_sent',
  'unknown',
  'cancelled',
  'sent',
  'delivered',
  'read',
  'replied',
  'failed',
  'looked',
  'resent',
] as const;

const TimelineEntry = Type.Object(
  {
    at: Timestamp,
    event: oneOf(
      timelineEvents,
      '`requeued`: an attempt failed and is proven not sent; `looked`: searched for in the history; `resent`: sent again as another message',
    ),
    detail: Type.Optional(Type.String({ description: 'a code, a sentence or an id' })),
  },
  { title: 'TimelineEntry' },
);
export type TimelineEntry = Static<typeof TimelineEntry>;

const AttemptMade = Type.Object(
  {
    attempt: Type.Integer({ description: 'counted from 1' }),
    at: Timestamp,
    code: Type.Optional(Type.String({ description: 'why it failed; absent if it did not fail or is in progress' })),
    detail: Type.Optional(Type.String({ description: 'the same as a sentence' })),
  },
  { title: 'AttemptMade' },
);
export type AttemptMade = Static<typeof AttemptMade>;

export const OperatorMessageDetail = Type.Object(
  {
    ...OperatorMessage.properties,
    timeline: Type.Array(TimelineEntry, { description: 'what happened to it, in chronological order' }),
    attemptsMade: Type.Array(AttemptMade, {
      description: 'oldest first; only attempts that are kept. `attempts` counts all of them',
    }),
    resentAs: Type.Optional(Type.String({ description: 'id of the message that is the resend of this one' })),
  },
  { title: 'OperatorMessageDetail' },
);
export type OperatorMessageDetail = Static<typeof OperatorMessageDetail>;

export const OperatorMessageGet = Type.Object(revealQuery, strict);

/** The docs page pre-fills an id that the sandbox has recorded (src/sandbox/example-records.ts). */
const messageParams = (example: string) =>
  Type.Object(
    { id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$', 'x-form': 'the id of a message', examples: [example] }) },
    strict,
  );
export const CancelParams = messageParams(exampleIds.waitingMessage);
export const OperatorResendParams = messageParams(exampleIds.lostMessage);

export const OperatorResendPost = Type.Object(
  {
    reason: text(512, 'support: the customer says that nothing came', { description: 'for the log' }),
    notAfter: Type.Optional(NotAfter),
  },
  {
    title: 'OperatorResendPost',
    ...strict,
    examples: [{ reason: 'support: the customer says that nothing came' }],
  },
);

const count = (description: string) => Type.Integer({ minimum: 0, description });

export const UnknownGroup = Type.Object(
  {
    caller: Type.String({ description: 'id of the caller' }),
    connectionId: Type.String(),
    broadcastId: Type.Optional(Type.String()),
    lostCall: Type.Optional(
      Type.String({ description: 'names the call whose answer was lost; absent for a message with a call of its own' }),
    ),
    sentAt: Type.Optional(Timestamp),
    count: count('messages that are still unknown'),
    found: count('messages of the same call that were found; if there are any, the call went through'),
    looked: count('unknown messages that were searched for at least once; no match proves nothing'),
    resent: count('unknown messages that were sent again; a call of which all were is not listed'),
    nextLookAt: Type.Optional(
      Type.String({
        description: 'when the service next searches for one of them; absent: it no longer does so by itself',
        examples: ['2026-11-02T09:35:00.000Z'],
      }),
    ),
    template: Type.Optional(Type.String()),
    notAfter: Type.Optional(
      Type.String({ description: 'of that one: a resend has to name another once it has passed' }),
    ),
    sampleId: Type.String({ description: 'id of one of them' }),
  },
  { title: 'UnknownGroup' },
);
export type UnknownGroup = Static<typeof UnknownGroup>;

export const UnknownGroupList = Type.Object(
  { data: Type.Array(UnknownGroup), nextCursor: Type.Optional(Type.String()) },
  { title: 'UnknownGroupList' },
);

export const UnknownQuery = Type.Object(
  {
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    limit: Type.Integer({ minimum: 1, maximum: 50, default: 25 }),
  },
  strict,
);
