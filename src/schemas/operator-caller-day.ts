import { Type } from '../lib/type.ts';
import { Timestamp } from './common.ts';

const count = (description: string) => Type.Integer({ minimum: 0, description });

export const CallerToday = Type.Object(
  {
    since: Timestamp,
    accepted: count('messages that WATI took'),
    rejected: count('messages that WATI refused'),
    notSent: count('messages that were certainly not sent'),
    unknown: count('messages whose outcome was unknown at first, even if it was found since'),
    refused429: count('requests that were answered with a 429'),
  },
  {
    title: 'CallerToday',
    description:
      'since midnight UTC, of all replicas, some seconds late, including recipients of broadcasts; only in the list of callers',
  },
);

export const QuotaLeft = Type.Object(
  { hour: Type.Optional(Type.Integer({ minimum: 0 })), day: Type.Optional(Type.Integer({ minimum: 0 })) },
  {
    title: 'QuotaLeft',
    description: 'messages that it may still record in this clock hour and this day (UTC), if its entry has a limit',
  },
);
