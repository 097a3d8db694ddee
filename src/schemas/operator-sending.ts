import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { exampleIds, strict, Timestamp } from './common.ts';

export const callerId = { pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', 'x-form': 'the id or name of a caller' };
export const callerName = Type.String({ ...callerId, examples: [exampleIds.caller] });
const connectionId = Type.String({
  pattern: '^[!-~]{1,512}$',
  'x-form': 'the id of a connection',
  examples: [exampleIds.connection],
});

const everybody = 'all callers, whatever else is named';
const ofCallers = 'callers, by id or name';
const ofConnections = 'all sending over these connections, by any caller';

export const SendingPut = Type.Object(
  {
    stopped: Type.Object(
      {
        all: Type.Optional(Type.Boolean({ description: everybody })),
        callers: Type.Optional(Type.Array(callerName, { maxItems: 1_000, description: ofCallers })),
        connections: Type.Optional(Type.Array(connectionId, { maxItems: 1_000, description: ofConnections })),
      },
      { title: 'StoppedPut', ...strict, description: 'everything that is stopped from now on; empty: nothing' },
    ),
    reason: Type.String({
      minLength: 1,
      maxLength: 512,
      pattern: '\\S',
      'x-form': 'a text that is not blank',
      description: 'shown in the log, to other operators, and to the callers that are refused',
      examples: ['the incident is over'],
    }),
  },
  {
    title: 'SendingPut',
    ...strict,
    // The docs page pre-fills this value, so it must be harmless.
    examples: [{ stopped: { all: false, callers: [], connections: [] }, reason: 'the incident is over' }],
  },
);
export type SendingPut = Static<typeof SendingPut>;

export const Sending = Type.Object(
  {
    stopped: Type.Object(
      {
        all: Type.Boolean({ description: everybody }),
        callers: Type.Array(Type.String(), { description: 'ids of callers' }),
        connections: Type.Array(Type.String(), { description: ofConnections }),
      },
      { title: 'Stopped' },
    ),
    reason: Type.Optional(Type.String({ description: 'absent if no operator has ever stopped anything' })),
    changedBy: Type.Optional(Type.String({ description: 'id of the operator who changed it' })),
    changedAt: Type.Optional(Timestamp),
  },
  { title: 'Sending' },
);
export type Sending = Static<typeof Sending>;
