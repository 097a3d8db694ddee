import { isRecord, type Json } from './json.ts';
import { goodRequest, type Operation, operationsOf } from './operations.ts';
import type { Service } from './service.ts';

/** A text that a caller writes, somewhere in a request. */
export interface Place {
  operation: Operation;
  /** As a problem names it. */
  pointer: string;
  schema: Json;
  /** Sends the request of the document's example with this text there. */
  send(service: Service, text: string): Promise<{ status: number; json: unknown }>;
}

/** Every place of every route whose schema is a string, by the document. Forms flow through and have theirs in the query. */
export function placesOf(service: Service): Place[] {
  return operationsOf().flatMap((operation) => {
    const good = goodRequest(operation);
    const call = async (path: string, query: string[], body: unknown) => {
      const address = `${path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
      const json = operation.body === undefined ? {} : { json: body };
      return service.ask(operation.method, address, { ...json, headers: good.headers });
    };
    const inPath = operation.parameters
      .filter((each) => each.in === 'path' && each.schema.type === 'string')
      .map(({ name, schema, example }) => ({
        operation,
        schema,
        pointer: `/path/${name}`,
        send: (_: Service, text: string) =>
          call(good.path.replace(String(example), encodeURIComponent(text)), good.query, good.body),
      }));
    const inQuery = operation.parameters
      .filter((each) => each.in === 'query' && each.schema.type === 'string')
      .map(({ name, schema }) => ({
        operation,
        schema,
        pointer: `/query/${name}`,
        send: (_: Service, text: string) => {
          const others = good.query.filter((each) => !each.startsWith(`${name}=`));
          return call(good.path, [...others, `${name}=${encodeURIComponent(text)}`], good.body);
        },
      }));
    const inBody = textsIn(operation.body, good.body, '').map(({ pointer, schema }) => ({
      operation,
      schema,
      pointer,
      send: (_: Service, text: string) =>
        call(good.path, good.query, put(good.body, pointer.split('/').slice(1), text)),
    }));
    return [...inPath, ...inQuery, ...inBody];
  });
}

/** Where the example of a body has a string. */
function textsIn(schema: Json | undefined, example: unknown, pointer: string): { pointer: string; schema: Json }[] {
  if (schema === undefined) return [];
  if (typeof example === 'string') return schema.enum === undefined ? [{ pointer, schema }] : [];
  if (Array.isArray(example)) {
    const items = isRecord(schema.items) ? schema.items : undefined;
    return textsIn(items, example[0], `${pointer}/0`);
  }
  if (!isRecord(example)) return [];
  const known = isRecord(schema.properties) ? schema.properties : {};
  return Object.entries(example).flatMap(([name, inner]) => {
    const own = known[name] ?? schema.additionalProperties;
    return textsIn(isRecord(own) ? own : undefined, inner, `${pointer}/${name}`);
  });
}

function put(value: unknown, [name, ...rest]: string[], text: string): unknown {
  if (name === undefined) return text;
  if (Array.isArray(value)) return value.with(Number(name), put(value[Number(name)], rest, text));
  return isRecord(value) ? { ...value, [name]: put(value[name], rest, text) } : value;
}
