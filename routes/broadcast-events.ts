import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { progressEvents, SharedPolls } from '../src/broadcasts/progress-events.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { type Broadcast, broadcastParams } from '../src/schemas/broadcast.ts';
import { exampleIds } from '../src/schemas/common.ts';
import type { BroadcastServices } from './broadcasts.ts';

export interface EventServices extends Pick<BroadcastServices, 'broadcasts' | 'holds'> {
  eventStreams: SharedPool;
  /** Whether this caller may still read its broadcasts. */
  mayListen: (caller: string) => boolean;
}

/** The progress of a broadcast as server-sent events. */
export const broadcastEvents: FastifyPluginAsyncTypebox<EventServices> = async (app, services) => {
  const { broadcasts, eventStreams, mayListen, holds } = services;
  const listening = new AbortController();
  const looks = new SharedPolls<Broadcast>();
  app.addHook('preClose', async () => listening.abort());

  app.get(
    '/v1/broadcasts/:id/events',
    {
      config: {
        scope: 'messages:read',
        produces: 'text/event-stream',
        problems: ['not-found', 'store-unavailable'],
      },
      schema: {
        operationId: 'streamBroadcast',
        tags: ['broadcasts'],
        summary: 'Follow a broadcast',
        description:
          'Server-sent events: `progress` with the broadcast whenever it has changed, at most once a second; `end` with its last state, after which the stream ends.\n\nFollow one with curl: `curl -N -H "Authorization: Bearer $KEY" $BFF/v1/broadcasts/{id}/events`. The docs page shows what comes in three seconds.',
        params: broadcastParams(exampleIds.doneBroadcast),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request).id;
      const { id } = request.params;
      // Checked before the first event, so that an unknown id is a 404 and not a stream.
      const first = toBroadcast(await broadcasts.find(caller, id), holds);
      untilAnswered(reply, takeOrRefuse(eventStreams, caller));
      const find = async () => toBroadcast(await broadcasts.find(caller, id), holds);
      // The stream ends when the caller loses its key or the scope.
      const look = async () => (mayListen(caller) ? looks.poll(id, find) : undefined);
      const events = Readable.from(progressEvents(first, look, listening.signal), { objectMode: false });
      return reply
        .headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
        .send(events);
    },
  );
};
