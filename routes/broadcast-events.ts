import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { endId, hasEnded, progressEvents, SharedPolls } from '../src/broadcasts/progress-events.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { Type } from '../src/lib/type.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { type Broadcast, BroadcastStreamHeaders, broadcastParams } from '../src/schemas/broadcast.ts';
import { exampleIds } from '../src/schemas/common.ts';
import type { BroadcastServices } from './broadcasts.ts';

/** Typed as the stream that the handler sends. */
const nothingMore = Type.Unsafe<Readable | null>({
  type: 'null',
  description: 'the last event came before; an EventSource stops',
});

export interface EventServices extends Pick<BroadcastServices, 'broadcasts' | 'holds'> {
  eventStreams: SharedPool;
  /** Whether this caller may still read its broadcasts. */
  mayListen: (caller: string) => boolean;
}

/** The progress of a broadcast as server-sent events. */
export const broadcastEvents: FastifyPluginAsyncTypebox<EventServices> = async (app, services) => {
  const { broadcasts, eventStreams, mayListen, holds } = services;
  const listening = new AbortController();
  const looks = new SharedPolls<Broadcast | undefined>();
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
          'Server-sent events: `progress` with the broadcast whenever it has changed, at most once a second; `end` with its last state, after which the stream ends. Each has an `id`; a client that comes back with that of `end` in `Last-Event-ID` gets a 204, so that an EventSource stops. Where an import is followed while it is recording, and is refused, the stream ends without `end`.\n\nFollow one with curl: `curl -N -H "Authorization: Bearer $KEY" $BFF/v1/broadcasts/{id}/events`. The docs page shows what comes in three seconds.',
        params: broadcastParams(exampleIds.doneBroadcast),
        headers: BroadcastStreamHeaders,
        response: { 204: nothingMore },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request).id;
      const { id } = request.params;
      // Checked before the first event, so that an unknown id is a 404 and not a stream.
      const first = toBroadcast(await broadcasts.find(caller, id), holds);
      if (hasEnded(first) && request.headers['last-event-id'] === endId) return reply.code(204).send(null);
      untilAnswered(reply, takeOrRefuse(eventStreams, caller));
      const find = async () => {
        const found = await broadcasts.find(caller, id).catch(undefinedIfGone);
        return found && toBroadcast(found, holds);
      };
      // The stream ends when the caller loses its key or the scope.
      const look = async () => (mayListen(caller) ? looks.poll(id, find) : undefined);
      const events = Readable.from(progressEvents(first, look, listening.signal), { objectMode: false });
      return reply
        .headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
        .send(events);
    },
  );
};

/** Maps `not-found` to undefined: a refused import leaves no broadcast. */
function undefinedIfGone(error: unknown): undefined {
  if (error instanceof Problem && error.slug === 'not-found') return undefined;
  throw error;
}
