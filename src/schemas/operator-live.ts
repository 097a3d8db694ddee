import { type Static, Type } from 'typebox';
import { Timestamp } from './common.ts';

const count = Type.Integer({ minimum: 0 });

export const BudgetPoint = Type.Object(
  {
    at: Timestamp,
    used: Type.Number({ minimum: 0, description: 'calls a second that went out in the interval that ends here' }),
    callsPerSecond: Type.Number({ minimum: 0, description: 'calls a second that may go out, as learnt from the 429s' }),
    waiting: Type.Object(
      { urgent: count, interactive: count, broadcast: count },
      { title: 'BudgetWaiting', description: 'calls that wait for a permit, at this moment' },
    ),
    refused: Type.Integer({ minimum: 0, description: 'calls that got no permit in time, in this interval' }),
  },
  { title: 'BudgetPoint' },
);
export type BudgetPoint = Static<typeof BudgetPoint>;

export const BudgetHistory = Type.Object(
  {
    intervalS: Type.Integer({ description: 'seconds between two points' }),
    points: Type.Array(BudgetPoint, { description: 'oldest first; empty where there is no limit' }),
  },
  { title: 'BudgetHistory' },
);
export type BudgetHistory = Static<typeof BudgetHistory>;
