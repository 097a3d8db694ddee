import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { oneOf, RecordedRecipient, strict } from './common.ts';

export const ErasePost = Type.Object(
  {
    to: RecordedRecipient,
    dryRun: Type.Optional(Type.Boolean({ description: 'only count what is kept', default: false })),
  },
  // The docs page pre-fills this value, so it must be harmless.
  { title: 'ErasePost', ...strict, examples: [{ to: '14155550100', dryRun: true }] },
);

const KeptRecords = Type.Object(
  {
    caller: Type.String({ description: 'id of the caller' }),
    status: oneOf(
      ['queued', 'sending', 'accepted', 'rejected', 'not_sent', 'unknown', 'cancelled', 'recording'],
      '`recording`: of a broadcast that is not recorded as a whole yet',
    ),
    count: Type.Integer({ minimum: 1 }),
  },
  { title: 'KeptRecords' },
);

export const Erased = Type.Object(
  {
    to: Type.String({ description: 'by its last four digits', examples: ['***1000'] }),
    dryRun: Type.Boolean(),
    found: Type.Array(KeptRecords, { description: 'what was kept, by caller and state' }),
    conversations: Type.Integer({
      minimum: 0,
      description: 'conversations of this person that were known, and go too',
    }),
    webhooks: Type.Integer({
      minimum: 0,
      description: 'webhooks of WATI that name it and were not applied; they go too',
    }),
    events: Type.Integer({ minimum: 0, description: 'events for callers about this person; they go too' }),
    cancelled: Type.Integer({ minimum: 0, description: 'of it, what was queued and was cancelled first' }),
    erased: Type.Integer({ minimum: 0 }),
    left: Type.Array(KeptRecords, {
      description: 'what is kept still: on the wire, being recorded, or more than one request erases. Ask again',
    }),
  },
  { title: 'Erased' },
);
export type Erased = Static<typeof Erased>;
