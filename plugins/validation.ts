import fp from 'fastify-plugin';
import { isObject } from '../src/lib/is-object.ts';
import { pointerPart } from '../src/lib/json-pointer.ts';
import { lazy } from '../src/lib/memoize.ts';
import { textFault } from '../src/lib/text.ts';
import type { Validators } from '../src/schemas/validators.ts';

/**
 * Replaces Fastify's validator, which drops unknown properties and coerces types. Here nothing is dropped, and only values that
 * always arrive as text (query, path, headers) are converted to numbers, booleans or lists.
 */
export const strictValidation = fp<{ validators: Validators }>(
  async (app, { validators: { failFast, allErrors, coercing } }) => {
    // Compiled when the first request arrives: compiling all of them is a tenth of the start, and most callers use few routes.
    app.setValidatorCompiler(({ schema, httpPart }) => {
      if (httpPart === 'body') {
        const validator = lazy(() => failFast.compile(schema));
        const lister = lazy(() => allErrors.compile(schema));
        return (body: unknown) => {
          const validate = validator();
          if (!validate(body)) {
            const first = { error: validate.errors ?? [] };
            if (hasMoreValues(body, listedValuesMax)) return first;
            const listFaults = lister();
            return listFaults(body) ? first : { error: listFaults.errors ?? [] };
          }
          const fault = brokenText(body, '');
          return fault === undefined ? { value: body } : { error: [fault] };
        };
      }
      const numbers = integersOf(schema);
      const validator = lazy(() => coercing.compile(schema));
      return (values: Record<string, unknown>) => {
        const validate = validator();
        for (const name of numbers) if (!isWhole(values[name])) values[name] = 'not a number';
        if (!validate(values)) return { error: validate.errors ?? [] };
        const fault = httpPart === 'headers' ? undefined : brokenText(values, '');
        return fault === undefined ? { value: values } : { error: [fault] };
      };
    });

    // Fastify's own formatter joins all faults into one text, which plugins/problems.ts could not list.
    app.setSchemaErrorFormatter(() => new Error('the request breaks its schema'));

    // Responses are built field by field, and tests check them against these schemas. JSON.stringify is faster than a function
    // compiled from a schema, and needs no compilation at the start.
    app.setSerializerCompiler(() => JSON.stringify);

    // Unknown query parameters are a 400 everywhere under /v1, also on routes that take none.
    app.addHook('onRoute', (route) => {
      if (!route.url.startsWith('/v1/') || route.config?.passthroughQuery) return;
      route.schema = { querystring: noQuery, ...route.schema };
    });
  },
  { name: 'validation' },
);

/** One object for all routes, so that it is compiled once. */
const noQuery = { type: 'object', properties: {}, additionalProperties: false };

/**
 * Only the first fault is reported for a larger body. Ajv creates an object for every fault, whatever the limits of lists and
 * names: half a million wrong buttons in a body of 1 MiB used up the memory of a small container. Ten thousand recipients with
 * six parameters each are within this limit.
 */
const listedValuesMax = 100_000;

/** Whether a value contains more values than this, objects and lists included. Not recursive, because a body may be deeply nested. */
function hasMoreValues(body: unknown, most: number): boolean {
  const open = [body];
  let count = 0;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    count += 1;
    if (!isObject(value)) continue;
    const inner = Object.values(value);
    if (count + open.length + inner.length > most) return true;
    for (const each of inner) open.push(each);
  }
  return false;
}

/** The first text or name in a value that breaks the rule of src/lib/text.ts. A schema has limited the value already. */
function brokenText(value: unknown, at: string): BrokenText | undefined {
  if (typeof value === 'string') {
    const message = textFault(value);
    return message === undefined ? undefined : { ...notText, message, instancePath: at };
  }
  if (!isObject(value)) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const message = textFault(name, 'line');
    if (message !== undefined) return { ...notText, message: `has a name that ${message}`, instancePath: at };
    const found = brokenText(inner, `${at}${pointerPart(name)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

const notText = { keyword: 'x-text', schemaPath: '', params: {} };
type BrokenText = typeof notText & { message: string; instancePath: string };

/** Ajv would read `1e400` as Infinity, which passes every limit, and `0x10` as 16; in an address a number consists of digits. */
const isWhole = (value: unknown) => typeof value !== 'string' || /^-?\d{1,15}$/.test(value);

function integersOf(schema: unknown): string[] {
  const properties = isObject(schema) && isObject(schema.properties) ? schema.properties : {};
  return Object.keys(properties).filter((name) => {
    const property = properties[name];
    return isObject(property) && property.type === 'integer';
  });
}
