import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Holds } from '../src/holds/holds.ts';
import type { StopSwitch } from '../src/holds/sending-stop.ts';
import type { CallersView } from '../src/operator/callers-view.ts';
import { cancelQueue } from '../src/operator/cancel-queue.ts';
import { Problem } from '../src/problem.ts';
import type { OutboundRateLimiter } from '../src/rate-limit/types.ts';
import type { Readiness } from '../src/readiness.ts';
import { CancelledQueue, OperatorCallerList, OperatorCallerParams, Overview } from '../src/schemas/operator.ts';
import type { MessageStatus } from '../src/store/message-store.ts';
import type { OpenBroadcasts, OperatorStore } from '../src/store/operator-store.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import { audited } from './operator-act.ts';
import { sendingOf } from './operator-sending.ts';

import type { TypedApp } from './typed-app.ts';

type Counts = Readonly<Record<MessageStatus | 'scheduled', number>>;

export interface OverviewServices {
  readiness: Readiness;
  rateLimiter: OutboundRateLimiter | undefined;
  store: Pick<OperatorStore, 'countOpenBroadcasts'>;
  /** Undefined if they cannot be counted quickly. */
  counts: () => Promise<Counts | undefined>;
  stopSwitch: StopSwitch;
  callersView: CallersView;
  holds: Holds;
}

interface Services extends OverviewServices {
  store: Pick<OperatorStore, 'countOpenBroadcasts' | 'cancelQueued' | 'cancelBroadcasts'>;
  onChange: () => void;
}

export async function overviewOf(services: OverviewServices): Promise<Overview> {
  const { readiness, rateLimiter, store, counts, stopSwitch, callersView, holds } = services;
  const [ready, messages, open, callers] = await Promise.all([
    readiness.check(),
    counts(),
    store.countOpenBroadcasts().catch(throwStoreUnreadable),
    callersView.all(),
  ]);
  return {
    readiness: ready,
    sending: sendingOf(stopSwitch),
    ...(rateLimiter && { budget: rateLimiterOverview(rateLimiter) }),
    ...(messages && { messages: messagesOf(messages) }),
    broadcasts: broadcastsOf(open, holds),
    callers: {
      inFile: callers.filter(({ inFile }) => inFile).length,
      removed: callers.filter(({ inFile }) => !inFile),
    },
  };
}

function getOverview(app: TypedApp, services: OverviewServices): void {
  app.get(
    '/v1/operations/overview',
    {
      config: { scope: 'operations:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'getOverview',
        tags: ['operations'],
        summary: 'See how everything stands',
        description:
          'Readiness, what is stopped, the budget of calls, the messages of all callers by status, broadcasts that run or are held, and callers that were removed and left work behind.',
        response: { 200: Overview },
      },
    },
    async () => overviewOf(services),
  );
}

function listCallers(app: TypedApp, { callersView }: Services): void {
  app.get(
    '/v1/operations/callers',
    {
      config: { scope: 'operations:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listCallers',
        tags: ['operations'],
        summary: 'List the callers',
        description:
          'Callers of the present callers file, with the number of queued messages of each; then removed callers that still have messages queued or being sent, which wait until the caller is back or they are cancelled. Each with its counts of today, its remaining quotas, and its webhook endpoints: host, whether it fails, and until when the previous secret still signs.',
        response: { 200: OperatorCallerList },
      },
    },
    async () => ({ data: await callersView.inFull() }),
  );
}

function cancelCaller(app: TypedApp, { store, callersView, onChange }: Services): void {
  app.post(
    '/v1/operations/callers/:id/cancel',
    {
      config: { scope: 'operations:write', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'cancelCaller',
        tags: ['operations'],
        summary: 'Cancel all that a caller has queued',
        description:
          'Cancels its queued single messages and its scheduled, running and paused broadcasts. Messages that are being sent are not affected. This cannot be undone. Stop the caller first, or it may queue more meanwhile. Name a removed caller by its id. Up to 50,000 single messages in one request; `left` says whether there are more.',
        params: OperatorCallerParams,
        response: { 200: CancelledQueue },
      },
    },
    async (request) => {
      const about: Record<string, unknown> = { of: request.params.id };
      return audited(request, { act: 'caller-cancel', about }, async () => {
        const [id] = await callersView.resolve([request.params.id]);
        if (id === undefined)
          throw new Problem('not-found', 'there is no caller of this id or name, nor a record of one');
        about.of = id;
        const cancelled = await cancelQueue(store, id, about).catch(throwStoreUnreadable);
        onChange();
        return cancelled;
      });
    },
  );
}

/** Overview of everything on one page, the callers, and cancelling all that a caller has queued. */
export const operatorOverview: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  getOverview(app, services);
  listCallers(app, services);
  cancelCaller(app, services);
};

function rateLimiterOverview(rateLimiter: OutboundRateLimiter): NonNullable<Overview['budget']> {
  const { rate, used, pausedMs, replicas, lanes } = rateLimiter.stats();
  const { urgent, interactive, broadcast } = lanes;
  return {
    callsPerSecond: rate,
    usedRatio: used,
    pausedMs,
    replicas,
    waiting: { urgent: urgent.queued, interactive: interactive.queued, broadcast: broadcast.queued },
  };
}

const messagesOf = ({ not_sent: notSent, ...rest }: Counts): NonNullable<Overview['messages']> => ({
  ...rest,
  notSent,
});

function broadcastsOf(open: readonly OpenBroadcasts[], holds: Holds): Overview['broadcasts'] {
  const total = (some: readonly OpenBroadcasts[]) => some.reduce((sum, { count }) => sum + count, 0);
  const running = open.filter(({ status }) => status === 'running');
  const held = running.filter(({ caller, connectionId: connection }) =>
    holds.reasonFor({ caller, connection, scope: 'broadcasts:send' }),
  );
  return {
    scheduled: total(open.filter(({ status }) => status === 'scheduled')),
    running: total(running),
    paused: total(open.filter(({ status }) => status === 'paused')),
    held: total(held),
  };
}
