import { Ajv } from 'ajv';
import type { FastifyInstance } from 'fastify';

/**
 * Fastify's own validator drops unknown properties and coerces types (delivery.md 1.8). Here nothing is dropped, and only
 * what arrives as text anyway (query, path, headers) is read as a number, a boolean or a list.
 */
export function useStrictValidation(app: FastifyInstance) {
  const shared = { allErrors: true, useDefaults: true, removeAdditional: false, strict: true } as const;
  const exact = new Ajv({ ...shared, coerceTypes: false });
  const fromText = new Ajv({ ...shared, coerceTypes: 'array' });
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? exact : fromText).compile(schema));

  // Unknown query parameters are a 400 everywhere under /v1 (contract 8.2), on routes that take none as well.
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/v1/') || route.config?.anyQuery) return;
    route.schema = { querystring: { type: 'object', properties: {}, additionalProperties: false }, ...route.schema };
  });
}
