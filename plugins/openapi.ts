import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyContextConfig, FastifyInstance, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { hoistSchemas } from '../src/docs/hoist-schemas.ts';
import { describeRoutes } from '../src/docs/openapi-document.ts';
import { bytes, isJson, type Json, withExamples } from '../src/docs/openapi-examples.ts';
import { webhooks } from '../src/docs/openapi-webhooks.ts';
import { lazy } from '../src/lib/memoize.ts';
import { type ProblemSlug, problemTypes } from '../src/problem-types.ts';
import { ProblemDocument } from '../src/schemas/problem.ts';
import { type DocsOptions, docs } from './docs.ts';

const tags = [
  ['messages', 'Send: text, files, buttons, lists, templates'],
  ['templates', 'What can be sent at any time, and with which parameters'],
  ['contacts', 'The customers that WATI knows'],
  ['conversations', 'What was written, and who answers'],
  ['broadcasts', 'Send to many'],
  ['events', 'What became of messages, and what customers answer: read, followed, or posted to you'],
  ['webhooks', 'Have your events sent to you, signed'],
  ['media', 'Files of conversations'],
  ['connections', 'The WATI accounts behind the service'],
  ['native', 'The escape hatch'],
  ['operations', 'Health and metrics; for operators: what all callers send, and the way to stop it'],
] as const;

interface OpenapiOptions {
  version: string;
  /** Absent: the document is built, and not served. */
  docs?: Omit<DocsOptions, 'document'>;
}

/** Builds the OpenAPI document from the route schemas once it is asked for, and serves it and `/docs`. Register before the routes. */
export const openapi = fp(
  async (app: FastifyInstance, { docs: options, version }: OpenapiOptions) => {
    const routes: RouteOptions[] = [];
    app.addHook('onRoute', (route) => {
      if (route.method !== 'HEAD') routes.push(route);
    });
    const document = lazy(() => describeRoutes(routes, descriptionOf(version)));
    app.decorate('openapi', document);
    if (options) await app.register(docs, { ...options, document });
  },
  { name: 'openapi', dependencies: ['validation'] },
);

const descriptionOf = (version: string): FastifyDynamicSwaggerOptions => ({
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'wati-bff',
      version,
      description:
        'WhatsApp through WATI, for internal services. Sends WhatsApp messages through WATI and tells the truth about every message: `accepted`, `rejected`, `not_sent` or `unknown`. Every failure is a problem document (RFC 9457); its `type` is a page that says what to do.',
    },
    servers: [{ url: '/' }],
    tags: tags.map(([name, description]) => ({ name, description })),
    components: {
      securitySchemes: {
        callerKey: { type: 'http', scheme: 'bearer', description: 'the key of your service, from your operator' },
      },
    },
  },
  transform: ({ schema, url, route }) => ({
    schema: documented(schema, route.config ?? {}, { method: route.method, url }),
    url: url.replace('*', ':path'),
  }),
  transformObject: (document) =>
    hoistSchemas({ ...('openapiObject' in document ? document.openapiObject : document.swaggerObject), webhooks }),
});

const upstreamProblems: ProblemSlug[] = [
  'connection-ambiguous',
  'connection-unusable',
  'upstream-rejected',
  'quota-spent',
  'upstream-invalid',
  'upstream-unauthorized',
  'upstream-unavailable',
  'upstream-timeout',
];

/** The problems that an operation can answer: those in its config, and those that follow from its kind. */
function problemsOf(config: FastifyContextConfig, method: string | string[]): ProblemSlug[] {
  const slugs: ProblemSlug[] = [
    'malformed-request',
    'validation-failed',
    ...(config.problems ?? []),
    'internal',
    'shutting-down',
  ];
  if (config.scope !== undefined) slugs.push('unauthorized', 'forbidden', 'rate-limited', 'overloaded');
  if (config.connection) slugs.push(...upstreamProblems, 'quota-spent');
  if (config.sendsMessage) slugs.push('idempotency-in-progress', 'idempotency-mismatch', 'store-unavailable');
  if (config.sendsMessage || config.maySendMessage) slugs.push('sending-stopped');
  if (config.sendsMessage) slugs.push('sending-forbidden', 'quota-spent');
  if ([method].flat().some((name) => /POST|PUT|PATCH/.test(name)))
    slugs.push('payload-too-large', 'unsupported-media-type');
  return [...new Set(slugs)];
}

/** A route's schema with what every operation shares: security, headers, problem answers. */
function documented(
  schema: unknown,
  config: FastifyContextConfig,
  route: { method: string | string[]; url: string },
): Json {
  const { method, url } = route;
  if (!isJson(schema)) return { hide: true };
  if (schema.hide === true) return schema;
  const parts = ['querystring', 'params', 'headers'].filter((part) => isJson(schema[part]));
  const inputs: Json = Object.fromEntries(parts.map((part) => [part, optionalWhereDefaulted(named(schema[part]))]));
  if (typeof config.passthroughQuery === 'object') inputs.querystring = freeQuery(config.passthroughQuery);
  const byStatus = Map.groupBy(problemsOf(config, method), (slug) => problemTypes[slug].status);
  const problems = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, slugs]) => [String(status), problemAnswer(status, slugs)]);
  const inJson = isJson(schema.response) ? described(schema.response) : {};
  const streams = config.produces !== undefined || !isJson(schema.response);
  const told = streams ? { ...bytes(config.produces ?? '*/*', String(schema.operationId)), ...inJson } : inJson;
  const answers = withExamples(told, String(schema.operationId));
  const success = config.sendsMessage ? withHeaders(answers, sendHeaders) : answers;
  return {
    ...schema,
    ...inputs,
    ...(config.form && formOf(config.form)),
    headers: withSharedHeaders(schema.headers, config),
    security: config.scope === undefined ? [] : [{ callerKey: [] }],
    ...(config.scope !== undefined && {
      description: `${String(schema.description)}\n\nNeeds the scope \`${config.scope}\`.`,
    }),
    // The route's own description of a status takes precedence: /health/ready reports its state with a 503.
    response: {
      ...Object.fromEntries(problems),
      ...(method === 'GET' && url.startsWith('/v1/') ? withFreshness(success, config.cacheControl) : success),
    },
  };
}

/** OpenAPI requires a description of each answer. If the route has none, the title of its schema is used. */
const described = (responses: Json): Json =>
  Object.fromEntries(
    Object.entries(responses).map(([status, answer]) => {
      if (!isJson(answer) || 'content' in answer || typeof answer.title !== 'string') return [status, answer];
      const name = answer.title.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      const description = typeof answer.description === 'string' ? answer.description : name;
      return [status, { description, content: { 'application/json': { schema: answer } } }];
    }),
  );

/** Documents `Cache-Control` on each answer to a read (plugins/cache-control.ts). */
function withFreshness(success: Json, keeps: FastifyContextConfig['cacheControl']): Json {
  const value = keeps === 'aged' ? 'private, max-age=60' : (keeps ?? 'no-store');
  const headers = {
    'Cache-Control': { type: 'string', examples: [value] },
    ...(keeps === 'aged' && { Age: { type: 'string', description: 'of the list, in seconds', examples: ['12'] } }),
  };
  return withHeaders(success, headers);
}

const withHeaders = (responses: Json, headers: Json): Json =>
  Object.fromEntries(
    Object.entries(responses).map(([status, answer]) => [status, isJson(answer) ? { ...answer, headers } : answer]),
  );

/** On every answer to a send that is no problem. */
const sendHeaders: Json = {
  Location: { type: 'string', description: 'what was made', examples: ['/v1/messages/5f1c9a7e'] },
  'Idempotency-Replayed': {
    type: 'string',
    description: '`true`: the key was used before, and this is what became of it',
    examples: ['true'],
  },
};

const retryAfter: Json = { 'Retry-After': { type: 'string', description: 'in seconds', examples: ['1'] } };

/** A streamed body, which no schema validates; `format: binary` makes tools show a file picker. */
const formOf = ({ field, description }: NonNullable<FastifyContextConfig['form']>): Json => ({
  consumes: ['multipart/form-data'],
  body: {
    type: 'object',
    required: [field],
    properties: { [field]: { type: 'string', format: 'binary', description } },
  },
});

/** OpenAPI's form of a query with any names: an object in the form style, whose properties become parameters. */
const freeQuery = (example: Readonly<Record<string, string>>): Json => ({
  type: 'object',
  properties: {
    query: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'the parameters that the path takes',
      examples: [example],
    },
  },
});

function problemAnswer(status: number, slugs: ProblemSlug[]): Json {
  const description = slugs.map((slug) => `\`${slug}\`: ${problemTypes[slug].title}`).join('; ');
  const examples = Object.fromEntries(slugs.map((slug) => [slug, { $ref: `#/components/examples/${slug}` }]));
  const content = { 'application/problem+json': { schema: ProblemDocument, examples } };
  const toldWhen = status === 429 || status === 503 || slugs.includes('idempotency-in-progress');
  return { description, content, ...(toldWhen && { headers: retryAfter }) };
}

/** Headers that no schema checks. routes/request-context.ts reads them and ignores unknown values (RFC 7240). */
function withSharedHeaders(headers: unknown, config: FastifyContextConfig): unknown {
  const waits = config.preferWait ?? (config.connection ? 'calls' : undefined);
  if (waits === undefined) return headers;
  const own = isJson(headers) ? headers : { type: 'object' };
  const known = isJson(own.properties) ? own.properties : {};
  const connection = { type: 'string', description: 'the connection to use, where you have several' };
  const wait = '`wait=N`: wait N seconds at most';
  const prefer = {
    outcome: `${wait}; \`respond-async\`: answer with 202 once it is recorded`,
    calls: wait,
    recording: `${wait} for WATI; \`respond-async\`: show the broadcast, and how far it is, while its list comes in`,
    events: '`wait=N`: hold an empty answer until there is an event, N seconds at most, and no longer than 30',
  }[waits];
  const shared = {
    ...(config.connection && { 'Maton-Connection': connection }),
    Prefer: { type: 'string', description: prefer },
  };
  return { ...own, properties: { ...known, ...shared } };
}

/** Properties with a default are optional for callers, but TypeBox lists them as required. */
function optionalWhereDefaulted(schema: unknown): unknown {
  if (!isJson(schema) || !isJson(schema.properties) || !Array.isArray(schema.required)) return schema;
  const { properties } = schema;
  const required = schema.required.filter((name) => {
    const property = properties[String(name)];
    return !(isJson(property) && 'default' in property);
  });
  return { ...schema, required };
}

/** OpenAPI has no wildcard. A path parameter is the nearest that tools understand, so `*` becomes `path`. */
function named(schema: unknown): unknown {
  if (!isJson(schema) || !isJson(schema.properties) || !('*' in schema.properties)) return schema;
  return { ...schema, properties: { path: schema.properties['*'] }, required: ['path'] };
}
