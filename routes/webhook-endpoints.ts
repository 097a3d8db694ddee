import { randomBytes } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { callerOf } from '../src/http/authenticate.ts';
import { Problem } from '../src/problem.ts';
import {
  DeleteWebhookEndpointParams,
  SecretRotation,
  WebhookEndpoint,
  WebhookEndpointList,
  WebhookEndpointParams,
  WebhookEndpointPatch,
  WebhookEndpointPost,
  WebhookEndpointWithSecret,
} from '../src/schemas/webhook-endpoint.ts';
import { audited } from './operator-act.ts';
import { assertRecorded, assertTypes } from './recorded-types.ts';
import type { TypedApp } from './typed-app.ts';
import { webhookDeliveries } from './webhook-deliveries.ts';
import {
  assertAvailable,
  assertOnlyOne,
  checkedUrl,
  hostOf,
  notFound,
  ownEndpoint,
  toEndpoint,
  toEndpoints,
  unread,
  unwritten,
  type WebhookServices,
} from './webhook-endpoint-parts.ts';

/** Returns the number behind which an endpoint starts. */
async function positionAt(store: WebhookServices['store'], caller: string, from: 'latest' | 'earliest') {
  const { last, purged } = await store.eventPositions(caller).catch(unread);
  return from === 'latest' ? last : purged;
}

function createWebhookEndpoint(app: TypedApp, services: WebhookServices): void {
  const { store, webhooks, endpointsMax, onChange } = services;
  app.post(
    '/v1/webhook-endpoints',
    {
      config: {
        scope: 'webhooks:write',
        problems: [
          'webhooks-unavailable',
          'events-not-recorded',
          'webhook-endpoints-exhausted',
          'webhook-endpoint-exists',
          'webhook-url-refused',
          'store-unavailable',
        ],
      },
      schema: {
        operationId: 'createWebhookEndpoint',
        tags: ['webhooks'],
        summary: 'Have your events sent to you',
        description:
          'Each event of these types is posted to `url`, signed as Standard Webhooks says, at least once. Keep `secret`: it is shown here and when it is rotated, and nowhere else. `POST /v1/webhook-endpoints/{id}/test` tries it.',
        body: WebhookEndpointPost,
        response: { 201: WebhookEndpointWithSecret },
      },
    },
    async (request, reply) => {
      const { types, description, from = 'latest' } = request.body;
      const owner = callerOf(request);
      const { id: caller } = owner;
      const id = `whe_${randomBytes(16).toString('base64url')}`;
      const about = { endpointId: id, host: hostOf(request.body.url), types };
      return audited(request, { act: 'webhook-endpoint-create', about }, async () => {
        assertAvailable(webhooks);
        assertRecorded(owner);
        assertTypes(owner, types, '/types');
        const url = await checkedUrl(webhooks, request.body.url);
        await assertOnlyOne(store, { caller, url });
        const position = await positionAt(store, caller, from);
        const endpoint = { id, caller, url, types, position, ...(description !== undefined && { description }) };
        const created = await store.createEndpoint(endpoint, endpointsMax).catch(unwritten);
        if (!created) throw new Problem('webhook-endpoints-exhausted', `you have ${endpointsMax} already`);
        onChange();
        const secret = webhooks.secrets.current(created);
        return reply
          .code(201)
          .header('location', `/v1/webhook-endpoints/${id}`)
          .send({ ...(await toEndpoint(services, created)), secret });
      });
    },
  );
}

function readWebhookEndpoints(app: TypedApp, services: WebhookServices): void {
  app.get(
    '/v1/webhook-endpoints',
    {
      config: { scope: 'webhooks:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listWebhookEndpoints',
        tags: ['webhooks'],
        summary: 'List your webhook endpoints',
        description: 'All of them, with how far each has got.',
        response: { 200: WebhookEndpointList },
      },
    },
    async (request) => {
      const endpoints = await services.store.listEndpoints(callerOf(request).id).catch(unread);
      return { data: await toEndpoints(services, endpoints) };
    },
  );
  app.get(
    '/v1/webhook-endpoints/:id',
    {
      config: { scope: 'webhooks:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'getWebhookEndpoint',
        tags: ['webhooks'],
        summary: 'Read a webhook endpoint',
        description: 'Whether it is enabled, since when it fails, and what it is still to get.',
        params: WebhookEndpointParams,
        response: { 200: WebhookEndpoint },
      },
    },
    async (request) => toEndpoint(services, await ownEndpoint(services.store, request, request.params.id)),
  );
}

function updateWebhookEndpoint(app: TypedApp, services: WebhookServices): void {
  const { store, webhooks, onChange } = services;
  app.patch(
    '/v1/webhook-endpoints/:id',
    {
      config: {
        scope: 'webhooks:write',
        problems: [
          'not-found',
          'webhooks-unavailable',
          'events-not-recorded',
          'webhook-endpoint-exists',
          'webhook-url-refused',
          'store-unavailable',
        ],
      },
      schema: {
        operationId: 'updateWebhookEndpoint',
        tags: ['webhooks'],
        summary: 'Change, disable or enable a webhook endpoint',
        description:
          'An endpoint that is enabled again goes on behind the last event that it got, as far as events are kept; with `"from": "latest"` it begins anew. The secret stays.',
        params: WebhookEndpointParams,
        body: WebhookEndpointPatch,
        response: { 200: WebhookEndpoint },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { url, types, description, status, from } = request.body;
      const owner = callerOf(request);
      const { id: caller } = owner;
      const about = { endpointId: id, types, status, from, ...(url !== undefined && { host: hostOf(url) }) };
      return audited(request, { act: 'webhook-endpoint-update', about }, async () => {
        const before = await ownEndpoint(store, request, id);
        const isTried = url !== undefined || status === 'enabled';
        if (isTried) assertAvailable(webhooks);
        if (isTried || from || types) assertRecorded(owner);
        if (types) assertTypes(owner, types, '/types');
        const checked = url === undefined ? undefined : await checkedUrl(webhooks, url);
        if (isTried && (status ?? before.status) === 'enabled')
          await assertOnlyOne(store, { caller, url: checked ?? before.url, id });
        const change = {
          ...(checked !== undefined && { url: checked }),
          ...(types && { types }),
          ...(description !== undefined && { description }),
          ...(status !== undefined && { status }),
          ...(from !== undefined && { position: await positionAt(store, caller, from) }),
        };
        const updated = (await store.updateEndpoint(caller, id, change).catch(unwritten)) ?? notFound();
        onChange();
        return toEndpoint(services, updated);
      });
    },
  );
}

function deleteWebhookEndpoint(app: TypedApp, { store, onChange }: WebhookServices): void {
  app.delete(
    '/v1/webhook-endpoints/:id',
    {
      config: { scope: 'webhooks:write', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'deleteWebhookEndpoint',
        tags: ['webhooks'],
        summary: 'Delete a webhook endpoint',
        description: 'What it has not got by then it does not get. Your events stay, and can be read.',
        params: DeleteWebhookEndpointParams,
        response: { 204: { type: 'null', description: 'deleted' } },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      return audited(request, { act: 'webhook-endpoint-delete', about: { endpointId: id } }, async () => {
        if (!(await store.deleteEndpoint(callerOf(request).id, id).catch(unwritten))) notFound();
        onChange();
        return reply.code(204).send(null);
      });
    },
  );
}

function rotateWebhookSecret(app: TypedApp, services: WebhookServices): void {
  const { store, webhooks, now, onChange } = services;
  app.post(
    '/v1/webhook-endpoints/:id/rotate-secret',
    {
      config: { scope: 'webhooks:write', problems: ['not-found', 'webhooks-unavailable', 'store-unavailable'] },
      schema: {
        operationId: 'rotateWebhookSecret',
        tags: ['webhooks'],
        summary: 'Get a new secret',
        description:
          'The new secret signs at once, and the one before it beside it for `overlapHours`, so that a receiver may know either. Not more than two are in force: rotated again meanwhile, the oldest ends.',
        params: WebhookEndpointParams,
        body: SecretRotation,
        response: { 200: WebhookEndpointWithSecret },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { overlapHours = 24 } = request.body;
      const about = { endpointId: id, overlapHours };
      return audited(request, { act: 'webhook-endpoint-rotate', about }, async () => {
        assertAvailable(webhooks);
        const until = now() + overlapHours * 3_600_000;
        const rotated = await store.rotateEndpointSecret(callerOf(request).id, id, until).catch(unwritten);
        if (!rotated) return notFound();
        onChange();
        return { ...(await toEndpoint(services, rotated)), secret: webhooks.secrets.current(rotated) };
      });
    },
  );
}

/** A caller's webhook endpoints: create, read, change, delete, rotate the secret. */
export const webhookEndpoints: FastifyPluginAsyncTypebox<WebhookServices> = async (app, services) => {
  createWebhookEndpoint(app, services);
  readWebhookEndpoints(app, services);
  updateWebhookEndpoint(app, services);
  rotateWebhookSecret(app, services);
  await app.register(webhookDeliveries, services);
  deleteWebhookEndpoint(app, services);
};
