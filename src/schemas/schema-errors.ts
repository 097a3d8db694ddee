import type { ErrorObject } from 'ajv';
import { counted } from '../lib/counted.ts';
import { didYouMean } from '../lib/did-you-mean.ts';
import { pointerPart } from '../lib/json-pointer.ts';
import type { FieldError } from '../problem.ts';

/**
 * Schema errors in words. Each names the requirement and the type of the given value; it shows neither the value nor a regular
 * expression. A schema with a `pattern` explains it in `x-form`. Ajv has to be `verbose`, so that its errors contain schema and
 * value.
 */
export type SchemaFault = Pick<ErrorObject, 'instancePath' | 'schemaPath' | 'keyword' | 'params'> &
  Partial<Pick<ErrorObject, 'message' | 'propertyName' | 'data' | 'parentSchema'>>;

type Schema = Readonly<Record<string, unknown>>;

const faultsMax = 100;
/** Names in pointers are cut, because a name may be as long as a body. */
const namePartMax = 64;
const namesMax = 12;

/** If a value has several faults, the first of these keywords names the cause; the others follow from it. */
const causes = ['type', 'required', 'minLength', 'maxLength', 'x-', 'enum', 'const', 'pattern'];
const rankOf = (keyword: string) => {
  const at = causes.indexOf(keyword.startsWith('x-') ? 'x-' : keyword);
  return at === -1 ? causes.length : at;
};

/** One fault per value, with its pointer after `place`. At most a hundred. */
export function fieldErrors(faults: readonly SchemaFault[], place = ''): FieldError[] {
  const unions = faults.filter(({ keyword }) => isUnion(keyword)).map(({ schemaPath }) => `${schemaPath}/`);
  const found = new Map<string, { rank: number; detail: string }>();
  for (const fault of faults) {
    // The faults of a union's branches, and of a name that `propertyNames` covers, are reported once.
    if (fault.keyword === 'if' || fault.keyword === 'propertyNames') continue;
    if (unions.some((union) => fault.schemaPath.startsWith(union))) continue;
    const pointer = `${place}${pointerOf(fault)}`;
    const rank = rankOf(fault.keyword);
    const known = found.get(pointer);
    if (known === undefined ? found.size < faultsMax : rank < known.rank) {
      found.set(pointer, { rank, detail: faultInWords(fault, pointer) });
    }
  }
  return [...found].map(([pointer, { detail }]) => ({ pointer, detail }));
}

const isUnion = (keyword: string) => keyword === 'anyOf' || keyword === 'oneOf';

function pointerOf({ instancePath, params, propertyName }: SchemaFault): string {
  const property = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty ?? propertyName;
  const own = typeof property === 'string' ? pointerPart(property) : '';
  return `${instancePath}${own}`.split('/').map(cut).join('/');
}

const cut = (text: string) => (text.length > namePartMax ? `${text.slice(0, namePartMax).toWellFormed()}…` : text);

/** The fault of one value, without its place. `pointer` is empty for the whole body. */
export function faultInWords(fault: SchemaFault, pointer = fault.instancePath): string {
  const { data, params, parentSchema = {}, propertyName } = fault;
  if (propertyName !== undefined) return `has a name that ${ruleInWords({ ...fault, data: propertyName })}`;
  if (fault.keyword === 'type') {
    const wanted = wantedBy(parentSchema);
    if (pointer === '')
      return `a JSON body is wanted: ${wanted}${data === undefined || data === null ? '' : `, not ${kindOf(data)}`}`;
    return `must be ${wanted}, and is ${kindOf(data)}`;
  }
  if (fault.keyword === 'required') {
    const missing = record(record(parentSchema.properties)[String(params.missingProperty)]);
    return `is required: ${wantedBy(missing)}`;
  }
  if (fault.keyword === 'additionalProperties' || fault.keyword === 'unevaluatedProperties') {
    const name = String(params.additionalProperty ?? params.unevaluatedProperty);
    const elsewhere = record(parentSchema['x-elsewhere'])[name];
    if (typeof elsewhere === 'string') return elsewhere;
    return `is not known here${nearOrAll(name, Object.keys(record(parentSchema.properties)))}`;
  }
  return ruleInWords(fault);
}

/** The rules that concern only the value itself. */
function ruleInWords({ keyword, params, data, parentSchema = {}, message }: SchemaFault): string {
  const limit = Number(params.limit);
  switch (keyword) {
    case 'minLength':
      return data === '' ? 'must not be blank' : `must have at least ${counted(limit, 'character')}${hasNow(data)}`;
    case 'maxLength':
      return `must have at most ${counted(limit, 'character')}${hasNow(data)}`;
    case 'minItems':
      return limit === 1 ? 'must not be an empty list' : `must have at least ${entries(limit)}${hasNow(data)}`;
    case 'maxItems':
      return `must have at most ${entries(limit)}${hasNow(data)}`;
    case 'minProperties':
      if (limit === 1 && parentSchema.maxProperties === 1) return exactlyOne(parentSchema);
      return `must have at least ${propertiesInWords(parentSchema, limit)}`;
    case 'maxProperties':
      if (limit === 1 && parentSchema.minProperties === 1) return `${exactlyOne(parentSchema)}${hasNow(data)}`;
      return `must have at most ${propertiesInWords(parentSchema, limit)}${hasNow(data)}`;
    case 'uniqueItems':
      return `must not have the same entry twice, as ${Number(params.j) + 1} and ${Number(params.i) + 1} are`;
    case 'enum':
      return `must be ${wantedBy(parentSchema)}${nearOf(data, parentSchema.enum)}`;
    case 'false schema':
      return 'is not taken here';
    default:
      // Our own keywords have messages of their own.
      return (keyword.startsWith('x-') && message) || `must be ${wantedBy(parentSchema)}`;
  }
}

const entries = (number: number) => counted(number, 'entry', 'entries');

/** Its length; empty for a number. */
function hasNow(data: unknown): string {
  if (typeof data === 'string') return `, and has ${[...data].length}`;
  if (Array.isArray(data)) return `, and has ${data.length}`;
  return typeof data === 'object' && data !== null ? `, and has ${Object.keys(data).length}` : '';
}

const exactlyOne = ({ properties }: Schema): string =>
  `must have exactly one of ${listed(Object.keys(record(properties)))}`;

function propertiesInWords({ properties }: Schema, limit: number): string {
  const names = Object.keys(record(properties));
  return names.length === 0 ? entries(limit) : `${limit} of ${listed(names)}`;
}

/** `; did you mean x?`; if nothing is similar, the known names. */
function nearOrAll(name: string, known: readonly string[]): string {
  const near = didYouMean(name, known);
  if (near !== '') return near;
  if (known.length === 0) return '; nothing is taken here';
  return known.length > namesMax ? '' : `; there ${known.length === 1 ? 'is' : 'are'} ${listed(known)}`;
}

const nearOf = (data: unknown, known: unknown) =>
  typeof data === 'string' && Array.isArray(known) ? didYouMean(data, known.map(String)) : '';

/** The requirement of a schema, in the form that follows "must be". */
function wantedBy(schema: Schema): string {
  const { type, not } = schema;
  if (typeof schema['x-form'] === 'string') return schema['x-form'];
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.map(shown).join(', ')}`;
  if ('const' in schema) return shown(schema.const);
  const branches = [schema.anyOf, schema.oneOf].find(Array.isArray);
  if (branches) return branches.map((branch) => wantedBy(record(branch))).join(', or ');
  if ('x-recipient' in schema) return 'a phone number with its country code';
  if (typeof schema.format === 'string') return formats[schema.format] ?? `text of the form ${schema.format}`;
  if (type === 'string') return `text${within(schema.minLength, schema.maxLength, 'characters')}`;
  if (type === 'array') return `a list${within(schema.minItems, schema.maxItems, 'entries')}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'null') return 'null';
  if (type === 'integer' || type === 'number') return numberInWords(schema);
  if (type === 'object') return objectInWords(schema);
  return not === undefined ? 'what the API description says' : 'another value than this';
}

const formats: Readonly<Record<string, string>> = {
  date: 'a date such as 2026-05-14',
  'date-time': 'a time such as 2026-05-14T09:30:00Z',
  email: 'an e-mail address',
  uri: 'an absolute address such as https://example.com/a',
  uuid: 'a UUID',
};

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function numberInWords(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const noun = schema.type === 'integer' ? 'a whole number' : 'a number';
  const bounds = [
    ...(typeof exclusiveMinimum === 'number' ? [`above ${exclusiveMinimum}`] : []),
    ...(typeof exclusiveMaximum === 'number' ? [`below ${exclusiveMaximum}`] : []),
    ...(typeof multipleOf === 'number' ? [`that is a multiple of ${multipleOf}`] : []),
  ];
  return [`${noun}${within(minimum, maximum)}`, ...bounds].join(' ');
}

/** ` of 1 to 20 characters`, ` from 1 to 100`, ` of at most 5 entries`. */
function within(least: unknown, most: unknown, noun?: string): string {
  const [of, unit] = noun === undefined ? ['', ''] : [' of', ` ${noun}`];
  const low = typeof least === 'number' && !(noun !== undefined && least === 0);
  if (low && typeof most === 'number') return `${of || ' from'} ${least} to ${most}${unit}`;
  if (low) return `${of} at least ${least}${unit}`;
  return typeof most === 'number' ? `${of} at most ${most}${unit}` : '';
}

function objectInWords({ properties, required }: Schema): string {
  const needed = Array.isArray(required) ? required.map(String) : [];
  if (needed.length > 0) return `an object with ${listed(needed)}`;
  const known = Object.keys(record(properties));
  return known.length > 0 && known.length <= namesMax ? `an object with any of ${listed(known)}` : 'an object';
}

const listed = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(', ');

/** The type of the value, never its content. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'boolean') return 'true or false';
  if (typeof value === 'number') return Number.isInteger(value) ? 'a whole number' : 'a number';
  return value === '' ? 'empty' : 'text';
}

const record = (value: unknown): Schema => (typeof value === 'object' && value !== null ? { ...value } : {});
