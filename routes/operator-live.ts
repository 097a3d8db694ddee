import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { BudgetHistory } from '../src/operator/budget-history.ts';
import type { OutboundRateLimiter } from '../src/rate-limit/types.ts';
import { BudgetHistory as BudgetHistorySchema } from '../src/schemas/operator-live.ts';

interface Services {
  rateLimiter: OutboundRateLimiter | undefined;
  /** Wall clock, ms. */
  now: () => number;
}

/** What changes while an operator looks at it. */
export const operatorLive: FastifyPluginAsyncTypebox<Services> = async (app, { rateLimiter, now }) => {
  const budget = new BudgetHistory(rateLimiter, { now });
  app.addHook('onReady', async () => budget.start());
  app.addHook('onClose', async () => budget.close());

  app.get(
    '/v1/operations/budget',
    {
      config: { scope: 'operations:read' },
      schema: {
        operationId: 'getBudget',
        tags: ['operations'],
        summary: 'See how the budget of calls was used',
        description:
          'The last 15 minutes of the replica that answers: what went out, what may go out, what waited and what was refused. Replicas share what may go out; each tells of its own calls.',
        response: { 200: BudgetHistorySchema },
      },
    },
    async () => ({ intervalS: budget.intervalS, points: [...budget.points] }),
  );
};
