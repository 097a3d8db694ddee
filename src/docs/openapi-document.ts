import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import Fastify, { type RouteOptions } from 'fastify';
import { schemaController } from '../http/schema-controller.ts';

/** The OpenAPI document, as it is served. */
export interface OpenapiDocument {
  json: string;
  yaml: string;
}

/**
 * Describes these routes, by an app that has their schemas and does not run. @fastify/swagger is loaded here and not at the start,
 * because most replicas have no reader of the document.
 */
export async function describeRoutes(
  routes: readonly RouteOptions[],
  options: FastifyDynamicSwaggerOptions,
): Promise<OpenapiDocument> {
  const { default: swagger } = await import('@fastify/swagger');
  const app = Fastify({ schemaController, exposeHeadRoutes: false });
  app.setValidatorCompiler(() => () => true);
  await app.register(swagger, options);
  for (const { method, url, schema = {}, config = {} } of routes) {
    app.route({ method, url, schema, config, handler: () => {} });
  }
  await app.ready();
  const document = { json: JSON.stringify(app.swagger()), yaml: app.swagger({ yaml: true }) };
  await app.close();
  return document;
}
