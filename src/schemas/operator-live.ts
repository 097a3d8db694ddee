import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { Timestamp } from './common.ts';

const count = Type.Integer({ minimum: 0 });

export const BudgetPoint = Type.Object(
  {
    at: Timestamp,
    used: Type.Number({ minimum: 0, description: 'calls per second in the interval that ends at this time' }),
    callsPerSecond: Type.Number({ minimum: 0, description: 'limit of calls per second, adapted by the 429s' }),
    waiting: Type.Object(
      { urgent: count, interactive: count, broadcast: count },
      { title: 'BudgetWaiting', description: 'calls that wait for a permit at this time' },
    ),
    refused: Type.Integer({ minimum: 0, description: 'calls in this interval that got no permit in time' }),
  },
  { title: 'BudgetPoint' },
);
export type BudgetPoint = Static<typeof BudgetPoint>;

export const BudgetHistory = Type.Object(
  {
    intervalS: Type.Integer({ description: 'seconds between two points' }),
    points: Type.Array(BudgetPoint, { description: 'oldest first; empty if there is no limit' }),
  },
  { title: 'BudgetHistory' },
);
export type BudgetHistory = Static<typeof BudgetHistory>;
