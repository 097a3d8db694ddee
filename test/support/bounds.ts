import { Ajv } from 'ajv';
import { isRecord, type Json } from './json.ts';
import { entries, type Parameter, record } from './operations.ts';

/** Whether a path or query parameter may have a value, percent-encoded, after all. */
export function accepterOf({ schema }: Parameter): (encoded: string) => boolean {
  const known = schema.pattern ?? schema.enum ?? schema.items ?? schema.maxLength;
  if (known === undefined && schema.type === 'string') return () => false;
  const whole = schema.type === 'integer';
  const ajv = new Ajv({ strict: false, coerceTypes: whole ? false : 'array' });
  const validate = ajv.compile({ type: 'object', properties: { value: schema } });
  return (encoded) => {
    const text = decoded(encoded);
    if (text === undefined || (whole && !/^\d{1,15}$/.test(text))) return false;
    return validate({ value: whole ? Number(text) : text });
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Places in a schema where a caller could say anything, or at any length. */
export function loosePlaces(schema: Json, at: string): string[] {
  const { type, additionalProperties: more } = schema;
  const within = (name: string) => {
    const inner = schema[name];
    if (Array.isArray(inner))
      return inner.flatMap((item, index) => loosePlaces(record(item), `${at}/${name}/${index}`));
    return isRecord(inner) ? loosePlaces(inner, `${at}/${name}`) : [];
  };
  const loose =
    (type === 'object' &&
      more !== false &&
      !(isRecord(more) && 'maxProperties' in schema && 'propertyNames' in schema)) ||
    (type === 'string' && !('maxLength' in schema || 'enum' in schema || String(schema.pattern).endsWith('$'))) ||
    (type === 'array' && !('maxItems' in schema)) ||
    (type === 'integer' && !('minimum' in schema && 'maximum' in schema)) ||
    (type === undefined && !('anyOf' in schema || 'enum' in schema));
  const inner = entries(schema.properties).flatMap(([name, property]) => loosePlaces(property, `${at}/${name}`));
  return [...(loose ? [at] : []), ...inner, ...['items', 'anyOf', 'additionalProperties'].flatMap(within)];
}
