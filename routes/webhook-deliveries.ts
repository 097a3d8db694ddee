import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { EventCursors } from '../src/events/cursor.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { isoTimes } from '../src/lib/iso-times.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import { invalid, Problem } from '../src/problem.ts';
import {
  type WebhookDelivery,
  WebhookDeliveryList,
  WebhookDeliveryQuery,
  WebhookEndpointParams,
  WebhookTest,
} from '../src/schemas/webhook-endpoint.ts';
import { QueuedReplay, WebhookReplay } from '../src/schemas/webhook-replay.ts';
import type { EndpointDelivery } from '../src/store/webhook-endpoint-store.ts';
import { testEvent } from '../src/webhooks/test-event.ts';
import { audited } from './operator-act.ts';
import { notSentBy } from './replay-not-sent.ts';
import { assertSince } from './since.ts';
import type { TypedApp } from './typed-app.ts';
import {
  assertAvailable,
  hostOf,
  notFound,
  ownEndpoint,
  unread,
  unwritten,
  type WebhookServices,
} from './webhook-endpoint-parts.ts';

function testWebhookEndpoint(app: TypedApp, { store, webhooks, tests, now }: WebhookServices): void {
  /** Endpoints with a test in progress. */
  const underWay = new Set<string>();
  app.post(
    '/v1/webhook-endpoints/:id/test',
    {
      config: {
        scope: 'webhooks:write',
        problems: ['not-found', 'webhooks-unavailable', 'rate-limited', 'store-unavailable'],
      },
      schema: {
        operationId: 'testWebhookEndpoint',
        tags: ['webhooks'],
        summary: 'Send a test to a webhook endpoint',
        description:
          'Posts an event `webhook.test` now, signed like all others, and says what became of it. It stands in no feed and is not repeated. A disabled endpoint can be tested, too; one test at a time.',
        params: WebhookEndpointParams,
        response: { 200: WebhookTest },
      },
    },
    async (request) => {
      const { id } = request.params;
      const about: Record<string, unknown> = { endpointId: id };
      return audited(request, { act: 'webhook-endpoint-test', about }, async () => {
        assertAvailable(webhooks);
        const endpoint = await ownEndpoint(store, request, id);
        about.host = hostOf(endpoint.url);
        if (underWay.has(id)) throw new Problem('rate-limited', 'a test of it is under way', { retryAfterS: 1 });
        const release = takeOrRefuse(tests, callerOf(request).id);
        underWay.add(id);
        try {
          const { status, durationMs, error } = await webhooks.sender.send(
            endpoint,
            testEvent(now()),
            1,
            request.signal,
          );
          Object.assign(about, { delivered: error === undefined, status, durationMs });
          return {
            delivered: error === undefined,
            ...(status !== undefined && { status }),
            durationMs,
            ...(error !== undefined && { detail: helped(status, error) }),
          };
        } finally {
          underWay.delete(id);
          release();
        }
      });
    },
  );
}

/** Adds advice to a 401 or 403, by which receivers usually refuse a signature. */
const helped = (status: number | undefined, error: string): string =>
  status === 401 || status === 403
    ? `${error}: does the receiver have this endpoint's secret, and does its clock go right?`
    : error;

function listWebhookDeliveries(app: TypedApp, { store, cursors, now }: WebhookServices): void {
  app.get(
    '/v1/webhook-endpoints/:id/deliveries',
    {
      config: { scope: 'webhooks:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'listWebhookDeliveries',
        tags: ['webhooks'],
        summary: 'See what was sent to a webhook endpoint',
        description:
          'The newest events first: what waits for another try, what is given up, and what was delivered among the last 1,000 attempts.',
        params: WebhookEndpointParams,
        querystring: WebhookDeliveryQuery,
        response: { 200: WebhookDeliveryList },
      },
    },
    async (request) => {
      const { status, cursor, limit } = request.query;
      const { id } = await ownEndpoint(store, request, request.params.id);
      const before = cursor === undefined ? undefined : placeIn(cursors, id, cursor);
      const ask = { limit, ...(status && { status }), ...(before !== undefined && { before }) };
      const { deliveries, next } = await store.listDeliveries(id, ask).catch(unread);
      const nowMs = now();
      return {
        data: deliveries.map((delivery) => toDelivery(delivery, nowMs)),
        ...(next !== undefined && { nextCursor: cursors.at(listOf(id), next) }),
      };
    },
  );
}

/**
 * Binds cursors to one endpoint, so that a cursor of its deliveries is not accepted for events or another endpoint.
 */
const listOf = (id: string): string => `deliveries of ${id}`;

function placeIn(cursors: EventCursors, id: string, cursor: string): number {
  const reading = cursors.read(listOf(id), cursor);
  if (typeof reading === 'object') return reading.seq;
  throw invalid([{ pointer: '/query/cursor', detail: 'is not a cursor that this list answered' }]);
}

function toDelivery(delivery: EndpointDelivery, nowMs: number): WebhookDelivery {
  const { place, at, nextAttemptInMs, ...rest } = delivery;
  const nextAttemptAt = nextAttemptInMs === undefined ? undefined : nowMs + nextAttemptInMs;
  return { ...rest, ...isoTimes({ at, nextAttemptAt }) };
}

function replayWebhookEvents(app: TypedApp, services: WebhookServices): void {
  const { store, webhooks, onChange } = services;
  app.post(
    '/v1/webhook-endpoints/:id/replay',
    {
      config: {
        scope: 'webhooks:write',
        problems: ['not-found', 'webhooks-unavailable', 'webhook-endpoint-disabled', 'store-unavailable'],
      },
      schema: {
        operationId: 'replayWebhookEvents',
        tags: ['webhooks'],
        summary: 'Send events again',
        description:
          'What is kept since a time, single events, or all that is given up: each is sent again as it was, with the same id, beside what is new. What is not is counted in `skipped`, and `notSent` says why: ids that are not known, types that the endpoint does not have, events since that time that were deleted by age.',
        params: WebhookEndpointParams,
        body: WebhookReplay,
        response: { 202: QueuedReplay },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { id: caller } = callerOf(request);
      const about: Record<string, unknown> = { endpointId: id, ...whatIsAsked(request.body) };
      return audited(request, { act: 'webhook-endpoint-replay', about }, async () => {
        assertAvailable(webhooks);
        const endpoint = await ownEndpoint(store, request, id);
        if (endpoint.status === 'disabled') throw new Problem('webhook-endpoint-disabled', 'enable it first');
        const what = await whatOf(services, caller, request.body);
        const replayed = (await store.replayEndpoint(caller, id, what).catch(unwritten)) ?? notFound();
        Object.assign(about, replayed);
        onChange();
        const notSent = await notSentBy(store, endpoint, {
          what,
          queued: replayed.queued,
          since: request.body.since,
          keptSinceMs: services.now() - services.retentionMs,
        });
        return reply.code(202).send({ ...replayed, ...(notSent.length > 0 && { notSent }) });
      });
    },
  );
}

const whatIsAsked = ({ since, eventIds, failed }: WebhookReplay) => ({ since, failed, events: eventIds?.length });

/** The schema requires exactly one of the three. */
async function whatOf({ store }: WebhookServices, caller: string, { since, eventIds }: WebhookReplay) {
  if (eventIds) return { eventIds };
  if (since === undefined) return { failed: true as const };
  assertSince(since, '/since');
  const [after, { last: until }] = await Promise.all([
    // Starts behind the last event before that millisecond.
    store.eventBefore(caller, Date.parse(since) - 1),
    store.eventPositions(caller),
  ]).catch(unread);
  return { after, until };
}

/** Deliveries of an endpoint, test events, and replays. */
export const webhookDeliveries: FastifyPluginAsyncTypebox<WebhookServices> = async (app, services) => {
  testWebhookEndpoint(app, services);
  listWebhookDeliveries(app, services);
  replayWebhookEvents(app, services);
};
