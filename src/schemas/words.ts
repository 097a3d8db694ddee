import { type TSchema, Type } from 'typebox';

/** The words that several nouns share (contract 1). A schema with a `title` becomes a component of openapi.yaml. */

const phone = '\\+?[1-9][0-9]{6,14}';

export const PhoneNumber = Type.String({
  pattern: `^${phone}$`,
  description: 'digits with country code, an optional leading `+`',
  examples: ['14155551000'],
});

/** Where WATI documents it, a contact id (24 hex digits) or a BSUID stands for the number (upstream.md 3.0). */
export const Recipient = Type.String({
  pattern: `^(${phone}|[0-9a-f]{24}|[A-Z]{2}\\.[A-Za-z0-9]{4,64})$`,
  description: 'a phone number with country code, a 24-hex contact id, or a BSUID such as `US.123124141512`',
  examples: ['14155551000'],
});

/** Our output and WATI's input have no `+`. */
export const digits = (recipient: string): string => (recipient.startsWith('+') ? recipient.slice(1) : recipient);

export const Timestamp = Type.String({ description: 'ISO 8601, UTC', examples: ['2026-11-02T09:30:00.000Z'] });

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values, description?: string) =>
  Type.Enum<[...Values]>([...values], { type: 'string', ...(description && { description }) });

/** `{name: value}` with any names. Type.Record would let names with a line break pass unchecked (its pattern is `^.*$`). */
export const textByName = (options: { description: string; examples: Record<string, string>[]; maxLength?: number }) =>
  Type.Unsafe<Record<string, string>>({
    type: 'object',
    description: options.description,
    additionalProperties: { type: 'string', maxLength: options.maxLength ?? 4096 },
    propertyNames: { minLength: 1, maxLength: 256 },
    maxProperties: 200,
    examples: options.examples,
  });

const PageNumber = Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1, description: 'counted from 1' });
const PageSize = Type.Integer({ minimum: 1, maximum: 100, default: 50, description: 'entries a page' });
export const paging = { page: PageNumber, pageSize: PageSize };

const Page = Type.Object(
  { number: Type.Integer(), size: Type.Integer(), total: Type.Optional(Type.Integer()) },
  { title: 'Page', description: '`total` is there when the upstream tells it.' },
);

/** Every list of the upstream's things answers `{data, page}`. */
export const pageOf = <Item extends TSchema>(item: Item, title: string) =>
  Type.Object({ data: Type.Array(item), page: Page }, { title });

export const strict = { additionalProperties: false } as const;

/** An answer with a description of its own, where one schema serves several statuses. */
export const answers = <Schema extends TSchema>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});
