import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { mayUse } from '../src/callers.ts';
import type { Config } from '../src/config.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { Problem } from '../src/problem.ts';
import {
  Connection,
  ConnectionList,
  ConnectionParams,
  ConnectionPost,
  ConnectionQuery,
  CreatedConnection,
  connectionStatuses,
  DeleteConnectionParams,
} from '../src/schemas/connection.ts';
import type { Connections, MatonConnection } from '../src/upstream/connections.ts';
import { deadlineOf, priorityOf, recordCalls } from './request-context.ts';
import type { TypedApp } from './typed-app.ts';

type ConnectionsConfig = Pick<Config, 'CONNECTIONS_CREATED_PER_HOUR' | 'SEND_WAIT_MS' | 'UPSTREAM_TIMEOUT_MS'>;

interface Services {
  config: ConnectionsConfig;
  connections: Connections;
}

const controlProblems = [
  'upstream-rejected',
  'upstream-invalid',
  'upstream-unauthorized',
  'upstream-unavailable',
  'upstream-timeout',
] as const;

const hourMs = 60 * 60 * 1000;

const readerOf = (config: ConnectionsConfig, request: FastifyRequest) => ({
  ...deadlineOf(request, config),
  priority: priorityOf(request),
  onAttempt: recordCalls(request),
});

/** Charges one creation of this hour to the caller; returns a function that takes it back. */
function createCreationLimit({ CONNECTIONS_CREATED_PER_HOUR: createdPerHour }: ConnectionsConfig) {
  /** When each caller created its last ones (ms, monotonic). A person has to finish each connection, so more are a mistake or an attack. */
  const created = new Map<string, number[]>();
  return (caller: string) => {
    const now = performance.now();
    const recent = (created.get(caller) ?? []).filter((at) => at > now - hourMs);
    const [first] = recent;
    if (first !== undefined && recent.length >= createdPerHour) {
      const detail = `you have created ${createdPerHour} connections within an hour; nothing was created`;
      throw new Problem('rate-limited', detail, { retryAfterS: Math.ceil((first + hourMs - now) / 1000) });
    }
    created.set(caller, [...recent, now]);
    return () => created.set(caller, created.get(caller)?.filter((at) => at !== now) ?? []);
  };
}

function listConnections(app: TypedApp, { config, connections }: Services): void {
  app.get(
    '/v1/connections',
    {
      config: { scope: 'connections:read', preferWait: 'calls', problems: [...controlProblems] },
      schema: {
        operationId: 'listConnections',
        tags: ['connections'],
        summary: 'List connections',
        description: 'The WATI accounts that your key may use.',
        querystring: ConnectionQuery,
        response: { 200: ConnectionList },
      },
    },
    async (request) => {
      const { status } = request.query;
      const caller = callerOf(request);
      const all = (await connections.list(readerOf(config, request)))
        .filter(({ id }) => mayUse(caller, id))
        .map(toConnection);
      const data = status === undefined ? all : all.filter((connection) => connection.status === status);
      return { data, page: { number: 1, size: data.length, total: data.length } };
    },
  );
}

function createConnection(app: TypedApp, { config, connections }: Services): void {
  const takePlace = createCreationLimit(config);
  app.post(
    '/v1/connections',
    {
      config: { scope: 'connections:write', audit: true, preferWait: 'calls', problems: [...controlProblems] },
      schema: {
        operationId: 'createConnection',
        tags: ['connections'],
        summary: 'Connect a WATI account',
        description:
          'Answers an `authorizationUrl` that a person opens to authorize the account, then poll the connection until it is `active`. The address is a secret and is shown only here.',
        body: ConnectionPost,
        response: { 201: CreatedConnection },
      },
    },
    async (request, reply) => {
      const giveBack = takePlace(callerOf(request).id);
      const { connection, authorizationUrl } = await connections.create(readerOf(config, request)).catch((error) => {
        giveBack();
        throw error;
      });
      request.requestLog.connection = connection.id;
      return reply
        .code(201)
        .header('location', `/v1/connections/${connection.id}`)
        .send({ ...toConnection(connection), ...(authorizationUrl !== undefined && { authorizationUrl }) });
    },
  );
}

function getConnection(app: TypedApp, { config, connections }: Services): void {
  app.get(
    '/v1/connections/:id',
    {
      config: { scope: 'connections:read', preferWait: 'calls', problems: ['not-found', ...controlProblems] },
      schema: {
        operationId: 'getConnection',
        tags: ['connections'],
        summary: 'Read a connection',
        description: 'For polling after a connection was created: every two seconds is enough.',
        params: ConnectionParams,
        response: { 200: Connection },
      },
    },
    async (request) =>
      toConnection(await connections.get(allowed(request, request.params.id), readerOf(config, request))),
  );
}

function deleteConnection(app: TypedApp, { config, connections }: Services): void {
  app.delete(
    '/v1/connections/:id',
    {
      config: {
        scope: 'connections:write',
        audit: true,
        preferWait: 'calls',
        problems: ['not-found', ...controlProblems],
      },
      schema: {
        operationId: 'deleteConnection',
        tags: ['connections'],
        summary: 'Delete a connection',
        description: 'Cuts the WATI account off. It has to be authorized again to come back.',
        params: DeleteConnectionParams,
        response: { 204: { type: 'null', description: 'deleted' } },
      },
    },
    async (request, reply) => {
      request.requestLog.connection = request.params.id;
      await connections.remove(allowed(request, request.params.id), readerOf(config, request));
      return reply.code(204).send(null);
    },
  );
}

export const connections: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  listConnections(app, services);
  createConnection(app, services);
  getConnection(app, services);
  deleteConnection(app, services);
};

function allowed(request: FastifyRequest, id: string): string {
  if (!mayUse(callerOf(request), id)) throw new Problem('forbidden', 'your key may not use this connection');
  return id;
}

/** A status that Maton may add later counts as neither active nor failed. */
function toConnection({ id, status, method, createdAt, updatedAt }: MatonConnection): Connection {
  const known = connectionStatuses.find((name) => name === status.toLowerCase()) ?? 'pending';
  return { id, status: known, ...(method !== undefined && { method }), createdAt, updatedAt };
}
