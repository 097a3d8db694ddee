import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';

/** The Fastify instance that routes are added to; handlers get the types of their schemas. */
export type TypedApp = Parameters<FastifyPluginAsyncTypebox>[0];
