import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { strict } from './common.ts';
import { count } from './webhook-endpoint.ts';

export const WebhookReplay = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?Z$',
        'x-form': 'a time in UTC such as 2026-11-02T09:30:00Z',
        description: 'all events since then that are kept; ISO 8601 with `Z`; not more than a minute in the future',
        examples: ['2026-11-02T09:30:00Z'],
      }),
    ),
    eventIds: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { minItems: 1, maxItems: 100 })),
    // A boolean of one value has no name in the clients of some languages.
    failed: Type.Optional(
      Type.Boolean({
        not: { enum: [false] },
        'x-form': 'true, or left out',
        description: 'true: all that are given up (`failed`); false is refused',
      }),
    ),
  },
  {
    title: 'WebhookReplay',
    ...strict,
    minProperties: 1,
    maxProperties: 1,
    description: 'Exactly one of the three.',
    examples: [{ failed: true }],
  },
);
export type WebhookReplay = Static<typeof WebhookReplay>;

export const QueuedReplay = Type.Object(
  {
    queued: count('events that are sent again, with the same ids; counted no further than 10000'),
    skipped: count('events that are not: of types that the endpoint does not have any more, or not kept any more'),
    notSent: Type.Optional(
      Type.Array(
        Type.Object({
          eventId: Type.Optional(Type.String({ description: 'absent where it is not known which events they were' })),
          reason: Type.String({
            description:
              '`unknown`: you have no such event, or it was deleted by age; `type`: the endpoint does not have its type; `deleted`: events behind `since` were deleted by age; there may be more one day',
            examples: ['unknown'],
          }),
          detail: Type.String(),
        }),
        { description: 'what is not sent again though it was asked for; absent: nothing' },
      ),
    ),
  },
  { title: 'QueuedReplay' },
);
export type QueuedReplay = Static<typeof QueuedReplay>;
