import type { Static } from 'typebox';
import { scopes } from '../callers.ts';
import { Type } from '../lib/type.ts';
import { Broadcast, BroadcastListQuery } from './broadcast.ts';
import { oneOf, strict, Timestamp } from './common.ts';
import { Ready } from './health.ts';
import { Message, MessageQuery } from './message.ts';
import { CallerToday, QuotaLeft } from './operator-caller-day.ts';
import { OperatorEndpoint } from './operator-endpoint.ts';
import { callerId, callerName, Sending } from './operator-sending.ts';

const holdCodes = [
  'caller-removed',
  'scope-removed',
  'connection-removed',
  'sending-stopped',
  'connection-refused',
  'credentials-refused',
  'gateway-unreachable',
] as const;

const Hold = Type.Object(
  { code: oneOf(holdCodes), detail: Type.String() },
  { title: 'Hold', description: 'why it does not go out now; it goes on when the reason is gone' },
);

const ofCaller = Type.String({ description: 'id of the caller' });

export const OperatorBroadcast = Type.Object(
  { ...Broadcast.properties, caller: ofCaller, hold: Type.Optional(Hold) },
  { title: 'OperatorBroadcast' },
);
export type OperatorBroadcast = Static<typeof OperatorBroadcast>;

export const OperatorBroadcastList = Type.Object(
  { data: Type.Array(OperatorBroadcast), nextCursor: Type.Optional(Type.String()) },
  { title: 'OperatorBroadcastList' },
);

const caller = Type.Optional(Type.String({ ...callerId, description: 'id of a caller' }));

export const OperatorBroadcastQuery = Type.Object(
  {
    caller,
    status: Type.Optional(oneOf(['recording', 'scheduled', 'running', 'paused', 'cancelled', 'done'])),
    ...BroadcastListQuery.properties,
  },
  strict,
);

const shown = Message.properties;
/** Lists its fields one by one, so that a field that is added to messages later is not shown to operators by accident. */
export const OperatorMessage = Type.Object(
  {
    id: shown.id,
    caller: ofCaller,
    kind: shown.kind,
    to: Type.Optional(Type.String({ description: '`***1234`, or in full where it is revealed' })),
    connectionId: shown.connectionId,
    status: shown.status,
    template: shown.template,
    reference: Type.Optional(
      Type.String({
        description: "the caller's own name for it; its digits are masked if it contains the number of the recipient",
      }),
    ),
    idempotencyKey: shown.idempotencyKey,
    failure: shown.failure,
    delivery: shown.delivery,
    attempts: shown.attempts,
    sendAt: shown.sendAt,
    notAfter: shown.notAfter,
    broadcastId: shown.broadcastId,
    resendOf: shown.resendOf,
    localMessageId: shown.localMessageId,
    whatsappMessageId: Type.Optional(Type.String({ description: 'where it is revealed: the number stands in it' })),
    hold: Type.Optional(Hold),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  },
  { title: 'OperatorMessage' },
);
export type OperatorMessage = Static<typeof OperatorMessage>;

export const OperatorMessageList = Type.Object(
  { data: Type.Array(OperatorMessage), nextCursor: Type.Optional(Type.String()) },
  { title: 'OperatorMessageList' },
);

export const revealQuery = {
  reveal: Type.Optional(
    Type.Boolean({
      description: 'show numbers in full; needs the scope `operations:reveal`, and is recorded in the audit log',
    }),
  ),
};

export const OperatorMessageQuery = Type.Object(
  {
    caller,
    id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$', 'x-form': 'the id of a message' })),
    lostCall: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        'x-text': 'line',
        description: 'messages of one call whose answer was lost, by the `lostCall` of `GET /v1/operations/unknown`',
      }),
    ),
    ...MessageQuery.properties,
    ...revealQuery,
  },
  strict,
);

export const OperatorCaller = Type.Object(
  {
    id: Type.String(),
    name: Type.Optional(Type.String({ description: 'absent where it is not in the callers file any more' })),
    inFile: Type.Boolean({ description: 'whether the callers file has it now' }),
    scopes: Type.Array(oneOf([...scopes, '*'])),
    connections: Type.Array(Type.String()),
    keyIds: Type.Array(Type.String({ description: 'the first eight digits of the SHA-256 of a key' })),
    queued: Type.Integer({
      description: 'recipients of its broadcasts included; single messages are counted up to 1000',
    }),
    sending: Type.Integer({ description: 'counted up to 1000' }),
    lastRecordedAt: Type.Optional(
      Type.String({
        description: 'when its newest single message or broadcast was recorded',
        examples: ['2026-11-02T09:30:00.000Z'],
      }),
    ),
    hold: Type.Optional(Hold),
    endpoints: Type.Optional(
      Type.Array(OperatorEndpoint, { description: 'its webhook endpoints; in the list of callers alone' }),
    ),
    today: Type.Optional(CallerToday),
    quotaLeft: Type.Optional(QuotaLeft),
  },
  { title: 'OperatorCaller' },
);
export type OperatorCaller = Static<typeof OperatorCaller>;

export const OperatorCallerList = Type.Object({ data: Type.Array(OperatorCaller) }, { title: 'OperatorCallerList' });

export const OperatorCallerParams = Type.Object({ id: callerName }, strict);

export const CancelledQueue = Type.Object(
  {
    messages: Type.Integer({
      description: 'single messages that were queued, scheduled ones included, and are cancelled now',
    }),
    broadcasts: Type.Integer({
      description: 'broadcasts that were scheduled, running or paused and are cancelled now',
    }),
    left: Type.Boolean({ description: 'more is queued than one request cancels: ask again' }),
  },
  { title: 'CancelledQueue' },
);

const count = Type.Integer({ minimum: 0 });
export const Overview = Type.Object(
  {
    readiness: Ready,
    sending: Sending,
    budget: Type.Optional(
      Type.Object(
        {
          callsPerSecond: Type.Number({ description: 'as learnt from the 429s of the upstream' }),
          usedRatio: Type.Number({ description: 'of it, in the last ten seconds' }),
          pausedMs: Type.Number({ description: 'how long no call may go out, after a 429' }),
          replicas: count,
          waiting: Type.Object({ urgent: count, interactive: count, broadcast: count }, { title: 'WaitingCalls' }),
        },
        { title: 'OverviewBudget', description: 'absent where there is no limit' },
      ),
    ),
    messages: Type.Optional(
      Type.Object(
        {
          scheduled: count,
          queued: count,
          sending: count,
          accepted: count,
          rejected: count,
          notSent: count,
          unknown: count,
          cancelled: count,
        },
        {
          title: 'MessageCounts',
          description: 'of all callers; absent where they could not be counted within a second',
        },
      ),
    ),
    broadcasts: Type.Object(
      {
        running: count,
        paused: count,
        scheduled: count,
        held: Type.Integer({ minimum: 0, description: 'of the running ones, those that may not go on now' }),
      },
      { title: 'OpenBroadcasts' },
    ),
    callers: Type.Object(
      {
        inFile: count,
        removed: Type.Array(OperatorCaller, { description: 'not in the callers file any more, and with queued work' }),
      },
      { title: 'OverviewCallers' },
    ),
  },
  { title: 'Overview' },
);
export type Overview = Static<typeof Overview>;
