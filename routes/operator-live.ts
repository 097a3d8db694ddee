import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Callers } from '../src/callers.ts';
import type { Holds } from '../src/holds/holds.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { standingRights } from '../src/http/standing-rights.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { BudgetHistory } from '../src/operator/budget-history.ts';
import { LiveFeed, liveStream } from '../src/operator/live-feed.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import type { OutboundRateLimiter } from '../src/rate-limit/types.ts';
import { BudgetHistory as BudgetHistorySchema } from '../src/schemas/operator-live.ts';
import type { OperatorMessageStore } from '../src/store/operator-message-store.ts';
import { type OverviewServices, overviewOf } from './operator-overview.ts';
import { shownBroadcast } from './operator-records.ts';
import type { TypedApp } from './typed-app.ts';

interface Services extends OverviewServices {
  store: OverviewServices['store'] & Pick<OperatorMessageStore, 'listOpenBroadcasts' | 'findBroadcasts'>;
  callers: Callers;
  holds: Holds;
  rateLimiter: OutboundRateLimiter | undefined;
  operatorStreams: SharedPool;
  /** Wall clock, ms. */
  now: () => number;
  onTaskError: (task: string, error: unknown) => void;
}

/** Maximum number of broadcasts that are followed: the newest ones. */
const followedMax = 100;

function getBudget(app: TypedApp, budget: BudgetHistory): void {
  app.get(
    '/v1/operations/budget',
    {
      config: { scope: 'operations:read' },
      schema: {
        operationId: 'getBudget',
        tags: ['operations'],
        summary: 'See how the rate limit of calls was used',
        description:
          'The last 15 minutes of the replica that answers: calls that went out, the limit, calls that waited, and calls that were refused. Replicas share the limit; each reports its own calls.',
        response: { 200: BudgetHistorySchema },
      },
    },
    async () => ({ intervalS: budget.intervalS, points: [...budget.points] }),
  );
}

function streamOperations(app: TypedApp, feed: LiveFeed, { callers, operatorStreams }: Services): void {
  app.get(
    '/v1/operations/stream',
    {
      config: { scope: 'operations:read', produces: 'text/event-stream' },
      schema: {
        operationId: 'streamOperations',
        tags: ['operations'],
        summary: 'Follow the state of operations',
        description:
          'Server-sent events: `overview` with the answer of `GET /v1/operations/overview`, every five seconds; `broadcast` with a broadcast of `GET /v1/operations/broadcasts`, whenever one of the hundred newest unfinished ones changes, and once when it ends; `broadcast-gone` with the `id` of one that was `recording` and was given up; `budget` with the newest point of `GET /v1/operations/budget`. The stream begins with the present state of each. A client that reads slowly skips states, and is disconnected if it hardly reads at all; reconnect after five seconds. There are 32 streams in all, and at most half of them for one caller.\n\nFollow it with curl: `curl -N -H "Authorization: Bearer $KEY" $BFF/v1/operations/stream`.',
      },
    },
    async (request, reply) => {
      if (feed.isReleased) throw new Problem('shutting-down', 'this instance is about to end', { retryAfterS: 1 });
      untilAnswered(reply, takeOrRefuse(operatorStreams, callerOf(request).id));
      const rights = standingRights(request, callers);
      const mayListen = () => rights() !== undefined;
      const isOver = () => reply.raw.destroyed;
      const events = Readable.from(liveStream({ feed, mayListen, isOver }), { objectMode: false });
      return reply
        .headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
        .send(events);
    },
  );
}

/** Streams the state of operations, and returns the history of the rate limit. */
export const operatorLive: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  const { store, holds, rateLimiter, now, onTaskError } = services;
  const budget = new BudgetHistory(rateLimiter, { now });
  const feed = new LiveFeed({
    source: {
      openBroadcasts: async () =>
        (await store.listOpenBroadcasts(followedMax)).map((broadcast) => shownBroadcast(broadcast, holds)),
      broadcasts: async (ids) => (await store.findBroadcasts(ids)).map((broadcast) => shownBroadcast(broadcast, holds)),
      overview: () => overviewOf(services),
      lastPoint: () => budget.points.at(-1),
    },
    onFault: (error) => onTaskError('operations-stream', error),
  });
  app.addHook('onReady', async () => budget.start());
  app.addHook('preClose', async () => feed.release());
  app.addHook('onClose', async () => budget.close());
  getBudget(app, budget);
  streamOperations(app, feed, services);
};
