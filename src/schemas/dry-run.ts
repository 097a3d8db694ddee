import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { strict } from './common.ts';
import { FieldFault } from './problem.ts';
import { RenderedTemplate } from './template.ts';

const count = (description: string) => Type.Integer({ minimum: 0, description });

export const DryRunQuery = Type.Object(
  {
    dryRun: Type.Optional(
      Type.Boolean({
        description:
          'true: only checks the request and answers 200 with the result; nothing is recorded or sent, and the key stays free',
      }),
    ),
  },
  strict,
);

export const BroadcastDryRun = Type.Object(
  {
    recipients: count('recipients in the request; if a file cannot be read to its end, those before the fault'),
    valid: count('recipients without a fault. A broadcast starts only if all are valid'),
    duplicates: count('recipients that repeat an earlier number'),
    optedOut: count(
      'valid recipients known to have opted out, because your last message to them was refused or failed for that reason; WATI would refuse each of them',
    ),
    faultCount: count('total number of faults'),
    faults: Type.Array(FieldFault, { description: 'the first hundred, as the 422 would list them' }),
    samples: Type.Array(Type.Object({ to: Type.String(), message: RenderedTemplate }, { title: 'BroadcastSample' }), {
      description: 'the message as the first three valid recipients would read it',
    }),
    quotaLeft: Type.Optional(
      count(
        'messages that your key may still record in this hour or day, whichever is less; a larger broadcast is refused',
      ),
    ),
    perMinute: count('expected recipients per minute: the present pace of the account, or `perMinute` if that is less'),
    estimatedDurationS: count('seconds from the first call to the last, for the valid recipients at that pace'),
  },
  {
    title: 'BroadcastDryRun',
    description: 'The result of checking a broadcast. Nothing was recorded or sent, and the key is free.',
  },
);
export type BroadcastDryRun = Static<typeof BroadcastDryRun>;
