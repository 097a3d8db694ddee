import fc from 'fast-check';
import { isBlank, textFault } from '../../src/lib/text.ts';
import { isRecord, type Json } from './json.ts';
import { record } from './operations.ts';

/** Values that a schema of the document takes. Rules that stand beside the schemas are not known here. */
export function validOf(schema: Json): fc.Arbitrary<unknown> {
  if (Array.isArray(schema.anyOf)) return fc.oneof(...schema.anyOf.map((branch) => validOf(record(branch))));
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'object':
      return validObject(schema);
    case 'array': {
      const { minItems: minLength = 0, maxItems: maxLength = 5 } = schema;
      const bounds = { minLength: Number(minLength), maxLength: Number(maxLength) };
      const each = validOf(record(schema.items));
      return schema.uniqueItems === true ? fc.uniqueArray(each, bounds) : fc.array(each, bounds);
    }
    case 'integer':
      return fc.integer({ min: Number(schema.minimum ?? -1e6), max: Number(schema.maximum ?? 1e6) });
    case 'number':
      return fc.double({ noNaN: true, min: Number(schema.minimum ?? -1e6), max: Number(schema.maximum ?? 1e6) });
    case 'boolean':
      return fc.boolean().filter((value) => ![record(schema.not).enum].flat().includes(value));
    case 'string':
      return validString(schema);
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`);
  }
}

const phones = ['14155550100', '+1 (415) 555-0101', '+919812345678', '4915112345678'];
const ids = ['64f0c1d2e3a4b5c6d7e8f901', 'US.123124141512', 'US.ENT.11815799212886844830'];

function validString(schema: Json): fc.Arbitrary<string> {
  const { pattern, minLength = 0, maxLength = 200 } = schema;
  if (schema['x-channel'] !== undefined) return fc.constantFrom(...phones);
  if (schema['x-recipient'] !== undefined)
    return fc.constantFrom(...phones, ...(schema['x-recipient'] === 'any' ? ids : []));
  if (schema['x-time'] !== undefined) return daysAhead(1, 29);
  if (schema['x-address'] !== undefined) return fc.webUrl({ validSchemes: ['https'], withQueryParameters: true });
  if (schema['x-media-path'] !== undefined)
    return fc.constantFrom('data/images/a b.jpg', 'data/documents/\u00fc+(1).pdf');
  const [least, most] = [Number(minLength), Number(maxLength)];
  const fits = (text: string) =>
    [...text].length >= least && [...text].length <= most && !isBroken(text, schema['x-text']);
  if (typeof pattern !== 'string')
    return fc.string({ minLength: least, maxLength: most, unit: 'grapheme' }).filter(fits);
  const rule = new RegExp(pattern, 'u');
  return fc.stringMatching(rule).filter((text) => fits(text) && rule.test(text));
}

const isBroken = (text: string, kind: unknown): boolean =>
  textFault(text, kind === 'line' ? 'line' : 'lines') !== undefined || (kind !== undefined && isBlank(text));

const daysAhead = (least: number, most: number): fc.Arbitrary<string> =>
  fc.integer({ min: least, max: most }).map((days) => new Date(Date.now() + days * 86_400_000).toISOString());

/** Of two times of one object, the first is to be before the other. */
const ordered: Readonly<Record<string, fc.Arbitrary<string>>> = {
  sendAt: daysAhead(1, 9),
  notAfter: daysAhead(10, 29),
  since: daysAhead(-29, -10),
  until: daysAhead(-9, 0),
};

/** Values of a property or a parameter. */
export const validNamed = (name: string, schema: Json): fc.Arbitrary<unknown> => ordered[name] ?? validOf(schema);

function validObject(schema: Json): fc.Arbitrary<unknown> {
  const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
  const properties = Object.entries(record(schema.properties));
  const known = fc.record(
    Object.fromEntries(properties.map(([name, inner]) => [name, validNamed(name, record(inner))])),
    {
      requiredKeys: required,
      noNullPrototype: true,
    },
  );
  if (!isRecord(schema.additionalProperties)) {
    const { minProperties: least = 0, maxProperties: most = properties.length } = schema;
    const fits = (count: number) => count >= Number(least) && count <= Number(most);
    return known.filter((value) => fits(Object.keys(value).length));
  }
  // `__proto__` as a name is refused on purpose.
  const names = validString({ ...record(schema.propertyNames), maxLength: 40 }).filter((name) => name !== '__proto__');
  const minKeys = Number(schema.minProperties ?? 0);
  // Blank values are taken, but whether WATI takes them is open (an empty attribute may be how one is cleared).
  const values = validOf(schema.additionalProperties).filter((value) => String(value).trim() !== '');
  return fc.dictionary(
    names.filter((name) => name.trim() !== ''),
    values,
    { minKeys, maxKeys: 8, noNullPrototype: true },
  );
}

/** One value of each JSON type. */
const oneOfEach: readonly unknown[] = [null, 0, -1.5, 1e300, true, 'text', '', [], ['text'], {}, { a: 1 }];

export interface Mutant {
  what: string;
  body: unknown;
}

/** A valid body with one thing changed, in every place: type, length, a missing name, an unknown name. */
export function mutantsOf(value: unknown, at = ''): Mutant[] {
  const replaced = [...oneOfEach, 'x'.repeat(100_001), '\u0000', ' '].map((body) => ({
    what: `${at || '/'} becomes ${JSON.stringify(body).slice(0, 20)}`,
    body,
  }));
  if (Array.isArray(value)) {
    const inner = value.flatMap((item, index) =>
      mutantsOf(item, `${at}/${index}`).map(({ what, body }) => ({ what, body: value.with(index, body) })),
    );
    return [...replaced, ...inner, { what: `${at} is 1,000 times as long`, body: Array(1000).fill(value[0]) }];
  }
  if (!isRecord(value)) return replaced;
  const names = Object.keys(value);
  const without = (name: string) => Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
  return [
    ...replaced,
    { what: `${at} gets an unknown name`, body: { ...value, nonsense: 'x' } },
    ...names.map((name) => ({ what: `${at} loses ${name}`, body: without(name) })),
    ...names.flatMap((name) =>
      mutantsOf(value[name], `${at}/${name}`).map(({ what, body }) => ({ what, body: { ...value, [name]: body } })),
    ),
  ];
}
