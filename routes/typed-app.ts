import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';

/** The instance that a route is added to: its handler has the types of its schemas. */
export type TypedApp = Parameters<FastifyPluginAsyncTypebox>[0];
