import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { Channel, NotAfter, oneOf, PhoneNumber, Reference, SendAt, strict, Timestamp, text } from './common.ts';
import { DryRunQuery } from './dry-run.ts';
import { TemplateName, TemplateParameters } from './template.ts';

const broadcastName = text(256, 'autumn-sale', { description: 'shown in WATI', line: true });

const channel = Type.Optional(Channel);

const count = (description: string) => Type.Integer({ minimum: 0, description });

/** Options of a broadcast besides its list, in the body or in the query. */
const terms = {
  channel,
  reference: Type.Optional(Reference),
  sendAt: Type.Optional(SendAt),
  notAfter: Type.Optional(NotAfter),
  perMinute: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description:
        'maximum number of recipients per minute over all replicas, even if the account may send faster. Each call contains the recipients of a few seconds',
    }),
  ),
};

export const ImportQuery = Type.Object(
  { template: TemplateName, broadcastName, ...terms, ...DryRunQuery.properties },
  strict,
);

export const BroadcastPost = Type.Object(
  {
    template: TemplateName,
    broadcastName,
    ...terms,
    recipients: Type.Array(
      Type.Object(
        { to: PhoneNumber, reference: Type.Optional(Reference), parameters: Type.Optional(TemplateParameters) },
        strict,
      ),
      {
        minItems: 1,
        maxItems: 10_000,
        description: 'each number once',
      },
    ),
  },
  {
    title: 'BroadcastPost',
    ...strict,
    examples: [
      {
        template: 'order_update',
        broadcastName: 'autumn-sale',
        recipients: [
          { to: '14155550100', parameters: { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' } },
          { to: '14155550111', parameters: { customer_name: 'Ben', order_id: 'A-1002', order_status: 'packed' } },
        ],
      },
    ],
  },
);
export type BroadcastPost = Static<typeof BroadcastPost>;

export const Broadcast = Type.Object(
  {
    id: Type.String(),
    template: Type.String(),
    broadcastName: Type.String(),
    connectionId: Type.String(),
    channel: Type.Optional(
      Type.String({ description: 'the number of yours that it goes through, where one is known' }),
    ),
    status: oneOf(
      ['recording', 'scheduled', 'running', 'paused', 'cancelled', 'done'],
      'recording: its list is still coming in, and nothing is sent before all of it is there (shown for an import with `Prefer: respond-async`); scheduled: it waits for its `sendAt`; done: nothing is queued or being sent any more',
    ),
    sendAt: Type.Optional(Type.String({ description: 'not before this time' })),
    notAfter: Type.Optional(Type.String({ description: 'not at or after this time' })),
    reference: Type.Optional(Type.String({ description: 'your own name for it' })),
    perMinute: Type.Optional(Type.Integer({ description: 'maximum number of recipients per minute' })),
    resendOf: Type.Optional(Type.String({ description: 'id of the broadcast of which this one is a resend' })),
    leftOut: Type.Optional(
      count(
        'of a resend: number of recipients of the original in the chosen states that are not part of it, because they were sent to again before, or because their content is no longer kept',
      ),
    ),
    pausedBy: Type.Optional(
      oneOf(
        ['caller', 'operator', 'service'],
        'service: WATI refused all of it, and it goes on when it is resumed; or it may not go on now, and does so by itself when it may. `pauseReason` says which',
      ),
    ),
    pauseReason: Type.Optional(Type.String({ description: 'why, in a sentence' })),
    counts: Type.Object(
      {
        total: count('recipients'),
        queued: count('not yet sent'),
        sending: count('on the wire'),
        accepted: count('taken by WATI'),
        rejected: count('refused by WATI; `rejections` tells why'),
        notSent: count('certainly not sent, and not tried any more'),
        unknown: count('may or may not have been sent; never sent again by the service'),
        cancelled: count('taken out of the queue'),
      },
      { title: 'BroadcastCounts' },
    ),
    delivery: Type.Optional(
      Type.Object(
        {
          sent: count('sent to the phone, and not known to have come'),
          delivered: count('on the phone, and not known to be read'),
          read: count('read'),
          failed: count('did not arrive'),
          replied: count('answered; these count in the other states as well'),
        },
        {
          title: 'BroadcastDelivery',
          description:
            'the accepted by what became of them since, as far as WATI has told; in what one broadcast answers',
        },
      ),
    ),
    rejections: Type.Optional(
      Type.Unsafe<Record<string, number>>({
        type: 'object',
        additionalProperties: { type: 'integer' },
        description: 'the rejected by their reason, e.g. `opted-out`, `recipient` (not on WhatsApp)',
        examples: [{ 'opted-out': 3, recipient: 1 }],
      }),
    ),
    looks: Type.Optional(
      Type.Object(
        {
          left: count(
            'unknown ones that were not looked for yet, or not since `reconcile` asked for it; counted up to 20,000',
          ),
          estimatedEndAt: Type.Optional(
            Type.String({
              description: 'when all of these will have been looked for, at the pace so far; absent where none is left',
              examples: ['2026-11-02T10:05:00.000Z'],
            }),
          ),
          lostCalls: Type.Array(
            Type.Object(
              {
                sentAt: Timestamp,
                recipients: count('that it carried and whose outcome was unknown then'),
                found: count('found to have arrived: any means that the call went through'),
                looked: count('still unknown, and looked for at least once: no match proves nothing'),
              },
              { title: 'LostCall' },
            ),
            { description: 'calls for several recipients whose answer was lost, oldest first, 100 at most' },
          ),
        },
        {
          title: 'BroadcastLooks',
          description: 'how far the search for the unknown ones is; there while any is unknown',
        },
      ),
    ),
    estimatedEndAt: Type.Optional(
      Type.String({
        description: 'while it runs: the estimated time of the last send, at the present pace. Not in lists',
        examples: ['2026-11-02T10:05:00.000Z'],
      }),
    ),
    batchSize: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'while it runs: how many recipients one call may carry now; it doubles while WATI answers well, and halves when an answer is lost or slow. Not in lists',
        examples: [400],
      }),
    ),
    createdAt: Timestamp,
    updatedAt: Type.String({
      description: 'ISO 8601, UTC: when its status or one of its counts last changed',
      examples: ['2026-11-02T09:30:00.000Z'],
    }),
    finishedAt: Type.Optional(Timestamp),
  },
  { title: 'Broadcast', description: 'Its recipients are messages: `GET /v1/messages?broadcastId=`.' },
);
export type Broadcast = Static<typeof Broadcast>;

export const BroadcastList = Type.Object(
  { data: Type.Array(Broadcast), nextCursor: Type.Optional(Type.String()) },
  { title: 'BroadcastList' },
);

export const BroadcastListQuery = Type.Object(
  {
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 50 }),
  },
  strict,
);

export const OwnBroadcastQuery = Type.Object(
  {
    idempotencyKey: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._:-]{1,255}$',
        'x-form': '1 to 255 letters, digits and . _ : -',
        description:
          'broadcasts that were started under this key, while it is kept: at most one for each kind of request',
      }),
    ),
    ...BroadcastListQuery.properties,
  },
  strict,
);

export const BroadcastStreamHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ maxLength: 64, description: 'the last `id:` that you received; an EventSource sends it by itself' }),
  ),
});

export const BroadcastResendPost = Type.Object(
  {
    statuses: Type.Optional(
      Type.Array(oneOf(['not_sent', 'rejected', 'unknown']), {
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
        description: 'states of the recipients to include; default: `not_sent` and `rejected`',
      }),
    ),
    reason: text(512, 'the credits of the account were spent', { description: 'for the log' }),
    notAfter: Type.Optional(NotAfter),
  },
  {
    title: 'BroadcastResendPost',
    ...strict,
    examples: [{ statuses: ['not_sent', 'rejected'], reason: 'the credits of the account were spent' }],
  },
);

/** The docs page pre-fills an id that the sandbox has recorded (src/sandbox/example-records.ts). */
export const broadcastParams = (example: string) =>
  Type.Object(
    { id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$', 'x-form': 'the id of a broadcast', examples: [example] }) },
    strict,
  );
