import { type Static, Type } from 'typebox';
import { strict } from './common.ts';
import { FieldFault } from './problem.ts';
import { RenderedTemplate } from './template.ts';

const count = (description: string) => Type.Integer({ minimum: 0, description });

export const DryRunQuery = Type.Object(
  {
    dryRun: Type.Optional(
      Type.Boolean({
        description:
          'true: checks all of it and answers what would happen (200); nothing is recorded or sent, and the key stays free',
      }),
    ),
  },
  strict,
);

export const BroadcastDryRun = Type.Object(
  {
    recipients: count('that were given; of a file that cannot be read to its end, as far as it was read'),
    valid: count('without a fault. A broadcast starts only if all are'),
    duplicates: count('numbers that were given before'),
    optedOut: count(
      'of the valid ones: to whom your last message was refused or failed because the customer has opted out, as far as your records know; WATI would refuse them one by one',
    ),
    faultCount: count('faults in all'),
    faults: Type.Array(FieldFault, { description: 'the first hundred, as the 422 would list them' }),
    samples: Type.Array(Type.Object({ to: Type.String(), message: RenderedTemplate }, { title: 'BroadcastSample' }), {
      description: 'what the first three valid recipients would read',
    }),
    quotaLeft: Type.Optional(
      count(
        'messages that your key may still record in this hour or day, whichever is less; a larger broadcast is refused',
      ),
    ),
    perMinute: count('recipients a minute that may be expected: the present pace, or its own where that is less'),
    estimatedDurationS: count('seconds from the first call to the last, for the valid ones, at that pace'),
  },
  {
    title: 'BroadcastDryRun',
    description: 'What a broadcast would do. Nothing was recorded, nothing was sent, and the key is free.',
  },
);
export type BroadcastDryRun = Static<typeof BroadcastDryRun>;
