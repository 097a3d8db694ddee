import type { Type as TypeBox } from 'typebox';

/** Set, and not enumerable, on the schema of a property that may be absent. A copy by spread does not have it, as with TypeBox. */
const isOptional = Symbol('optional');

const typed =
  (type: string) =>
  (options?: object): object => ({ type, ...options });

const builders = {
  String: typed('string'),
  Integer: typed('integer'),
  Number: typed('number'),
  Boolean: typed('boolean'),
  Unknown: (options?: object): object => ({ ...options }),
  Enum: (values: object, options?: object): object => ({ enum: values, ...options }),
  Array: (items: object, options?: object): object => ({ type: 'array', items, ...options }),
  Object: (properties: Readonly<Record<string, object>>, options?: object): object => {
    const required = Object.keys(properties).filter((name) => !(isOptional in (properties[name] ?? {})));
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options };
  },
  Optional: (schema: object): object => Object.defineProperty({ ...schema }, isOptional, { value: true }),
  Unsafe: (schema: object): object => ({ ...schema }),
};

/**
 * The builders of TypeBox that our schemas use, with its types. TypeBox itself is not loaded, because its 373 modules take 90 ms and
 * 14 MB of each start. test/lib/type.test.ts holds these to what it builds.
 */
export const Type = builders as Pick<typeof TypeBox, keyof typeof builders>;
