import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { broadcastLocation } from '../src/broadcasts/broadcast-service.ts';
import { mayUse } from '../src/callers.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import { Broadcast, broadcastParams } from '../src/schemas/broadcast.ts';
import { answers, exampleIds } from '../src/schemas/common.ts';
import type { BroadcastServices } from './broadcasts.ts';

/** Pause, resume and cancel a broadcast, and reconcile its unknown recipients. */
export const broadcastControl: FastifyPluginAsyncTypebox<Pick<BroadcastServices, 'broadcasts' | 'holds'>> = async (
  app,
  { broadcasts, holds },
) => {
  const steering = {
    pause: {
      to: 'paused',
      example: exampleIds.pausedBroadcast,
      summary: 'Pause a broadcast',
      description: 'What is queued waits; what is being sent ends as it ends.',
    },
    resume: {
      to: 'running',
      example: exampleIds.pausedBroadcast,
      summary: 'Resume a paused broadcast',
      description: 'It goes on where it stopped.',
    },
    cancel: {
      to: 'cancelled',
      example: exampleIds.unwantedBroadcast,
      summary: 'Cancel a broadcast',
      description: 'What is queued is never sent; what is being sent ends as it ends. There is no way back.',
    },
  } as const;

  for (const verb of ['pause', 'resume', 'cancel'] as const) {
    const { to, example, summary, description } = steering[verb];
    app.post(
      `/v1/broadcasts/:id/${verb}`,
      {
        config: {
          scope: 'broadcasts:send',
          audit: true,
          problems: ['not-found', 'broadcast-over', 'store-unavailable'],
        },
        schema: {
          operationId: `${verb}Broadcast`,
          tags: ['broadcasts'],
          summary,
          description,
          params: broadcastParams(example),
          response: { 200: Broadcast },
        },
      },
      async (request) => {
        request.requestLog.broadcastId = request.params.id;
        const steered = await broadcasts.changeStatus(callerOf(request).id, request.params.id, to);
        request.requestLog.connection = steered.connectionId;
        return toBroadcast(steered, holds);
      },
    );
  }

  app.post(
    '/v1/broadcasts/:id/reconcile',
    {
      config: { scope: 'broadcasts:send', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'reconcileBroadcast',
        tags: ['broadcasts'],
        summary: 'Find out whether the unknown messages of a broadcast were sent',
        description:
          'All that are `unknown` are looked for from now on, one after another, at the pace that other calls leave: first one of each lost call, then the others. `looks` tells how far that is and when it ends; asked again meanwhile, nothing is added. A match makes a message `accepted`; none proves nothing. Nothing is ever sent by this.',
        params: broadcastParams(exampleIds.doneBroadcast),
        response: { 202: answers('The looks begin; read the broadcast to follow them.', Broadcast) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      request.requestLog.broadcastId = request.params.id;
      const sought = await broadcasts.reconcileUnknown(caller.id, request.params.id, (id) => mayUse(caller, id));
      request.requestLog.connection = sought.connectionId;
      return reply.code(202).header('location', broadcastLocation(sought)).send(toBroadcast(sought, holds));
    },
  );
};
