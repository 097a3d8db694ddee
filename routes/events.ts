import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, type Callers, type KeyHolder, mayUse } from '../src/callers.ts';
import { type EventFeed, type EventFilter, type FeedPage, isOf, type StartingPlace } from '../src/events/event-feed.ts';
import { eventStream } from '../src/events/event-stream.ts';
import type { EventText } from '../src/events/types.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { standingRights } from '../src/http/standing-rights.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import type { Pools } from '../src/pools/pools.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import { invalid, Problem } from '../src/problem.ts';
import {
  Event,
  EventList,
  EventParams,
  EventQuery,
  EventStreamHeaders,
  EventStreamQuery,
} from '../src/schemas/event.ts';
import type { StoredEvent } from '../src/store/event-store.ts';
import { filterOf } from './event-filter.ts';
import { preferences } from './header-lists.ts';
import { assertRecorded, isRecorded } from './recorded-types.ts';
import type { TypedApp } from './typed-app.ts';

interface EventServices extends Pick<Pools, 'eventReaders' | 'eventWaits' | 'eventPages'> {
  callers: Callers;
  feed: EventFeed;
  text: EventText;
  /** An event in the form of a stream. */
  frame: (event: StoredEvent) => string;
  isListed: (connection: string) => Promise<boolean>;
  onFault: (error: unknown) => void;
}

const waitMsMax = 30_000;

function listEvents(app: TypedApp, services: EventServices): void {
  app.get(
    '/v1/events',
    {
      config: {
        scope: 'events:read',
        preferWait: 'events',
        problems: ['events-not-recorded', 'cursor-expired', 'store-unavailable'],
      },
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'Read your events',
        description:
          'What became of your messages, and what customers answered, oldest first, in the order in which it was recorded. Store `nextCursor` once you have done your work on a page, and ask for the next one with it: then each event comes at least once, whatever dies in between. It is there for an empty page as well. A page may hold fewer than `limit`, or none, while `hasMore` is true. With `Prefer: wait=30` an empty answer is held until there is an event.',
        querystring: EventQuery,
        response: { 200: EventList },
      },
    },
    async (request, reply) => {
      const caller = readerOf(request);
      const { cursor, limit } = request.query;
      const ask = { ...(await filterOf(services, caller, request.query)), limit };
      const from = await startOf(services.feed, caller, { cursor, pointer: '/query/cursor' });
      const page = await services.feed.read(caller.id, from, ask);
      const waitMs = page.events.length > 0 || page.hasMore ? 0 : waitMsOf(request);
      const found = waitMs === 0 ? page : await waitedFor(services, { request, reply, page, ask, waitMs });
      const body = Buffer.from(pageText(services, caller, found));
      // A client that reads slowly, or not at all, keeps its page in memory until it is disconnected.
      untilAnswered(reply, takeOrRefuse(services.eventPages, caller.id, { amount: body.length }));
      return json(reply, body);
    },
  );
}

/** Joins the events as stored, which is also their form in streams and webhooks, so nothing is serialized again. */
function pageText({ feed, text }: EventServices, { id }: Caller, { events, position, hasMore }: FeedPage): string {
  const nextCursor = feed.cursorAt(id, position);
  return `{"data":[${events.map(text).join(',')}],"nextCursor":"${nextCursor}","hasMore":${hasMore}}`;
}

const json = (reply: FastifyReply, body: Buffer): FastifyReply =>
  reply.type('application/json; charset=utf-8').send(body);

interface Waiting {
  request: FastifyRequest;
  reply: FastifyReply;
  page: FeedPage;
  ask: EventFilter & { limit: number };
  waitMs: number;
}

/** Delays an empty response until there is an event, the client disconnects, or the service shuts down. */
async function waitedFor(services: EventServices, { request, reply, page, ask, waitMs }: Waiting): Promise<FeedPage> {
  const { feed, eventWaits, callers } = services;
  const caller = callerOf(request);
  untilAnswered(reply, takeOrRefuse(eventWaits, caller.id));
  const rights = rightsOf(request, callers);
  const until = performance.now() + waitMs;
  const leftMs = () => (feed.hub.isReleased || reply.raw.destroyed || !rights() ? 0 : until - performance.now());
  const reader = feed.hub.join(caller.id);
  reply.raw.once('close', () => reader.wake());
  try {
    const found = await feed.waitForPage(reader, page.position, { ...ask, leftMs });
    if (!rights()) throw new Problem('forbidden', 'what your key may do was changed while you waited');
    return found;
  } finally {
    feed.hub.leave(reader);
  }
}

/** `Prefer: wait=N` (RFC 7240), in seconds. */
function waitMsOf({ headers: { prefer } }: FastifyRequest): number {
  const wait = prefer === undefined ? '' : (preferences(String(prefer)).get('wait') ?? '');
  return /^\d{1,6}$/.test(wait) ? Math.min(waitMsMax, Number(wait) * 1_000) : 0;
}

function getEvent(app: TypedApp, { feed, text }: EventServices): void {
  app.get(
    '/v1/events/:id',
    {
      config: { scope: 'events:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'getEvent',
        tags: ['events'],
        summary: 'Read an event',
        description: 'As it stood in the feed, the stream and each webhook, for as long as it is kept.',
        params: EventParams,
        response: { 200: Event },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const event = isRecorded(caller) ? await feed.find(caller.id, request.params.id) : undefined;
      if (!event || !isOf(event, (connection) => mayUse(caller, connection)))
        throw new Problem('not-found', 'you have no event with this id');
      return json(reply, Buffer.from(text(event)));
    },
  );
}

function streamEvents(app: TypedApp, services: EventServices): void {
  const { feed, frame, eventReaders, onFault } = services;
  app.get(
    '/v1/events/stream',
    {
      config: {
        scope: 'events:read',
        produces: 'text/event-stream',
        problems: ['events-not-recorded', 'cursor-expired', 'store-unavailable'],
      },
      schema: {
        operationId: 'streamEvents',
        tags: ['events'],
        summary: 'Follow your events',
        description:
          'Server-sent events as they are recorded: `id` is the cursor, `event` the type, `data` the event. A client that comes back with the last id in `Last-Event-ID`, as an EventSource does by itself, gets what came since; without one, what happens from now on. A stream of few events says something every 15 seconds. It ends when the service goes down and when you read too slowly: come back after five seconds. At most five for each caller.\n\nFollow it with curl: `curl -N -H "Authorization: Bearer $KEY" $BFF/v1/events/stream`. The docs page shows what comes in three seconds.',
        querystring: EventStreamQuery,
        headers: EventStreamHeaders,
      },
    },
    async (request, reply) => {
      const caller = readerOf(request);
      const { types, connectionId } = await filterOf(services, caller, request.query);
      const { seq: position } = await streamStart(feed, caller, request);
      if (feed.hub.isReleased) throw new Problem('shutting-down', 'this instance is about to end', { retryAfterS: 1 });
      untilAnswered(reply, takeOrRefuse(eventReaders, caller.id));
      const reader = feed.hub.join(caller.id);
      untilAnswered(reply, () => {
        feed.hub.leave(reader);
        reader.wake();
      });
      const rights = rightsOf(request, services.callers);
      const isOver = () => feed.hub.isReleased || reply.raw.destroyed;
      const ask = {
        reader,
        position,
        rights,
        isOver,
        ...(types && { types }),
        ...(connectionId !== undefined && { connectionId }),
      };
      const events = Readable.from(eventStream({ feed, frame, onFault }, ask), { objectMode: false });
      return reply
        .headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
        .send(events);
    },
  );
}

/**
 * Returns the position behind the last id that the client has seen; without one, the end. Throws `cursor-expired`.
 */
async function streamStart(
  feed: EventFeed,
  caller: Caller,
  { headers, query }: { headers: { 'last-event-id'?: string }; query: { lastEventId?: string } },
): Promise<StartingPlace> {
  const { 'last-event-id': sent } = headers;
  const named = sent === undefined || sent === '' ? undefined : { cursor: sent, pointer: '/headers/last-event-id' };
  const { lastEventId: cursor = 'latest' } = query;
  const from = await startOf(feed, caller, named ?? { cursor, pointer: '/query/lastEventId' });
  if (from.isGiven) await feed.assertNothingMissed(caller.id, from.seq);
  return from;
}

/** A caller's own events: the feed, one event by its id, and the stream. */
export const events: FastifyPluginAsyncTypebox<EventServices> = async (app, services) => {
  app.addHook('preClose', async () => services.feed.hub.release());
  listEvents(app, services);
  streamEvents(app, services);
  getEvent(app, services);
};

/** Throws `events-not-recorded` if no events are recorded for the caller. */
function readerOf(request: FastifyRequest): KeyHolder {
  const caller = callerOf(request);
  assertRecorded(caller);
  return caller;
}

/** Returns the connections that a stream or long poll may read now. */
function rightsOf(request: FastifyRequest, callers: Callers): () => Pick<EventFilter, 'mayUse'> | undefined {
  const standing = standingRights(request, callers);
  return () => {
    const caller = standing();
    return caller && isRecorded(caller) ? { mayUse: (connection) => mayUse(caller, connection) } : undefined;
  };
}

/** Throws a 400 if the text is not a cursor of this caller. */
async function startOf(
  feed: EventFeed,
  caller: Caller,
  { cursor, pointer }: { cursor: string; pointer: string },
): Promise<StartingPlace> {
  const from = await feed.startAt(caller.id, cursor);
  if (from) return from;
  const detail =
    'is no cursor that you got from your events; give `nextCursor` of a page, `cursor` of an event, `earliest` or `latest`';
  throw invalid([{ pointer, detail }]);
}
