import type { preHandlerHookHandler, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { narrowed } from '../src/http/allowed-countries.ts';
import { isObject } from '../src/lib/is-object.ts';
import { type FieldError, invalid } from '../src/problem.ts';
import type { PhoneNumbers } from '../src/recipients/phone-numbers.ts';
import { isPhone } from '../src/recipients/recipient.ts';

interface Options {
  numbers: PhoneNumbers;
  /** Accepted countries for callers whose entry has no `countries`; empty: all countries. */
  defaultCountries: readonly string[];
}

/** Where the schemas of a route have a recipient (`x-recipient`). `*` stands for every entry of a list. */
interface Place {
  part: 'body' | 'query' | 'params';
  path: readonly string[];
}

const parts = { body: 'body', querystring: 'query', params: 'params' } as const;
const pointers = { body: '', query: '/query', params: '/path' } as const;
const faultsMax = 100;

/** Restricts the numbers of every route to the countries of its caller. The schemas have checked that they are numbers. */
export const recipientCountries = fp<Options>(
  async (app, { numbers, defaultCountries }) => {
    app.addHook('onRoute', (route) => {
      const places = placesOf(route);
      if (places.length === 0) return;
      const narrow: preHandlerHookHandler = (request, _reply, done) => {
        const { countries } = narrowed(request, defaultCountries);
        if (countries === undefined) return done();
        const errors: FieldError[] = [];
        for (const { part, path } of places) {
          for (const { pointer, text } of found(request[part], path, pointers[part])) {
            const detail = isPhone(text) ? numbers.countryFault(text, countries) : undefined;
            if (detail !== undefined && errors.length < faultsMax) errors.push({ pointer, detail });
          }
        }
        if (errors.length > 0) throw invalid(errors);
        done();
      };
      route.preHandler = [narrow, ...[route.preHandler ?? []].flat()];
    });
  },
  { name: 'recipient-countries', dependencies: ['auth', 'validation'] },
);

function placesOf({ schema }: RouteOptions): Place[] {
  return Object.entries(parts).flatMap(([name, part]) => {
    const own: unknown = isObject(schema) ? schema[name] : undefined;
    return pathsIn(own).map((path) => ({ part, path }));
  });
}

function pathsIn(schema: unknown): string[][] {
  if (!isObject(schema)) return [];
  if ('x-recipient' in schema) return [[]];
  const inList = pathsIn(schema.items).map((path) => ['*', ...path]);
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : [];
  return [...inList, ...properties.flatMap(([name, inner]) => pathsIn(inner).map((path) => [name, ...path]))];
}

function* found(
  value: unknown,
  [name, ...rest]: readonly string[],
  pointer: string,
): Generator<{ pointer: string; text: string }> {
  if (name === undefined) {
    if (typeof value === 'string') yield { pointer, text: value };
  } else if (name === '*' && Array.isArray(value)) {
    for (const [at, entry] of value.entries()) yield* found(entry, rest, `${pointer}/${at}`);
  } else if (isObject(value)) yield* found(value[name], rest, `${pointer}/${name}`);
}
