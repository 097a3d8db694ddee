import { Ajv } from 'ajv';
import type { FastifyInstance } from 'fastify';

/**
 * Fastify's own validator drops unknown properties and coerces types (delivery.md 1.8). Here nothing is dropped, and only
 * what arrives as text anyway (query, path, headers) is read as a number, a boolean or a list.
 */
export function useStrictValidation(app: FastifyInstance) {
  // The schemas are ours, and checked with openapi.yaml: to check them at every start costs time and memory.
  const trusted = { meta: false, validateSchema: false } as const;
  const shared = { ...trusted, allErrors: true, useDefaults: true, removeAdditional: false, strict: true } as const;
  const exact = new Ajv({ ...shared, coerceTypes: false });
  const fromText = new Ajv({ ...shared, coerceTypes: 'array' });
  app.setValidatorCompiler(({ schema, httpPart }) => {
    if (httpPart === 'body') return exact.compile(schema);
    const numbers = integersOf(schema);
    const validate = fromText.compile(schema);
    return (values: Record<string, unknown>) => {
      for (const name of numbers) if (!isWhole(values[name])) values[name] = 'not a number';
      return validate(values) ? { value: values } : { error: validate.errors ?? [] };
    };
  });

  // Unknown query parameters are a 400 everywhere under /v1 (contract 8.2), on routes that take none as well.
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/v1/') || route.config?.anyQuery) return;
    route.schema = { querystring: { type: 'object', properties: {}, additionalProperties: false }, ...route.schema };
  });
}

/** Ajv would read `1e400` as Infinity, past every limit, and `0x10` as 16: in an address a number is digits. */
const isWhole = (value: unknown) => typeof value !== 'string' || /^-?\d{1,15}$/.test(value);

function integersOf(schema: unknown): string[] {
  const properties = isObject(schema) && isObject(schema.properties) ? schema.properties : {};
  return Object.keys(properties).filter((name) => {
    const property = properties[name];
    return isObject(property) && property.type === 'integer';
  });
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
