import type { TSchema } from 'typebox';
import { Type } from '../lib/type.ts';

/** Schemas that several nouns share. A schema with a `title` becomes a component of openapi.yaml. */

/** src/schemas/schema-keywords.ts checks the keywords that begin with `x-`, and has their messages. */

/** Every form in which a record may name its recipient, valid or not, so that existing records can be found and erased. */
export const recipientPattern = '^(\\+?[1-9][0-9]{6,14}|[0-9a-f]{24}|[A-Z]{2}\\.(ENT\\.)?[A-Za-z0-9]{1,128})$';

export const PhoneNumber = Type.String({
  'x-recipient': 'phone',
  maxLength: 200,
  description:
    'a possible phone number with its country code: digits alone, or behind a `+` with blanks, dots, dashes and brackets',
  examples: ['14155550100'],
});

/** A contact id (24 hex digits) or a BSUID may replace the number where WATI documents it. */
export const Recipient = Type.String({
  'x-recipient': 'any',
  maxLength: 200,
  description:
    'a possible phone number with its country code (digits alone, or behind a `+` with blanks, dots, dashes and brackets), a 24-hex contact id, or a BSUID such as `US.123124141512`',
  examples: ['14155550100'],
});

/** One of the company's own numbers. Without an example, because the docs page would send it. */
export const Channel = Type.String({
  'x-channel': 'number',
  maxLength: 200,
  description:
    'which of your own WhatsApp numbers it goes through, where the account has several: digits with country code, or behind a `+` with blanks, dots, dashes and brackets; `WATI_CHANNEL_NUMBER` where it is absent',
});

/** Has no example, because the docs page would send it. */
export const Reference = Type.String({
  minLength: 1,
  maxLength: 255,
  'x-text': 'line',
  description:
    'your own name for the message, such as an order number: shown with the message, in its events and in the log; `GET /v1/messages?reference=` finds it. It is not sent, need not be unique, and should not be a phone number',
});

const utcTime = (description: string) => Type.String({ 'x-time': 'utc', maxLength: 40, description });

/** Has no examples, because the docs page would send them. */
export const SendAt = utcTime(
  'not before this time: ISO 8601 in UTC with `Z`, at most 30 days ahead. Until then the message is `queued` and can be cancelled; the answer does not wait. If the time has passed, it is sent at once',
);
export const NotAfter = utcTime(
  'not at or after this time, whatever delays it: a message that has not gone out by then ends as `not_sent` with the failure `expired`. ISO 8601 in UTC with `Z`, later than `sendAt`, at most 30 days ahead',
);

/** For existing records: numbers that a newer rule refuses can still be found and erased. */
export const RecordedRecipient = Type.String({
  pattern: recipientPattern,
  'x-form': 'a number with its country code, a contact id of 24 hexadecimal digits, or a BSUID',
  description: 'digits with country code, an optional leading `+`; a 24-hex contact id, or a BSUID',
  examples: ['14155550100'],
});

/** Text for people to read: not blank, and without control characters. A `line` has no line breaks and no tabs either. */
export const text = (maxLength: number, example: string, options: { description?: string; line?: true } = {}) =>
  Type.String({
    minLength: 1,
    maxLength,
    'x-text': options.line ? 'line' : 'lines',
    examples: [example],
    ...(options.description && { description: options.description }),
  });

/** Ids that the docs page pre-fills and the sandbox has from its start (src/sandbox/example-records.ts). */
export const exampleIds = {
  connection: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
  failedConnection: '7b1e4c52-0d5f-4a8e-9c36-52f1d7a0e9b4',
  unknownMessage: '4cc095d2-9d83-4857-bde4-4831283bef36',
  scheduledMessage: '8d3f6c1e-52a7-4b90-9c4e-7a1f0e6b2d58',
  /** Another message with an unknown outcome, for operators. */
  lostMessage: '0e6d1f4b-5a17-4c83-9d20-7fb1c83e5a64',
  doneBroadcast: 'd0f57fb3-5b49-4f3a-a3fc-0a4b93e29b4f',
  /** Not sent to any recipient. */
  failedBroadcast: 'c41e7a90-2b6d-4f58-8e13-9d5a0b7c6e2f',
  pausedBroadcast: '2e6c1f0a-8f43-4d0b-9a57-c1b7e3d94a10',
  unwantedBroadcast: '9f3b7a64-15ce-4b27-8a02-6d4e8c5f1b73',
  operatedBroadcast: '5b0d8c1e-7a36-4c9f-b2d4-e81f60a7c925',
  /** A recipient of the broadcast above. */
  waitingMessage: '5b0d8c1e-7a36-4c9f-b2d4-e81f60a7c921-r',
  sentMessage: 'bee9950d-a866-419b-9314-ccd25067ff7f',
  event: 'evt_3jXqvB0nQ2mT7rYk5dLwZA',
  endpoint: 'whe_6Qm1tZr8Kx0cVb3nYp5sLd',
  unwantedEndpoint: 'whe_2Ht9cWz4Lb7uNe1gXo6yQa',
  caller: 'sandbox',
} as const;

/** Our answers and WATI's input have no `+`. */
export const digits = (recipient: string): string => (recipient.startsWith('+') ? recipient.slice(1) : recipient);

export const Timestamp = Type.String({ description: 'ISO 8601, UTC', examples: ['2026-11-02T09:30:00.000Z'] });

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values, description?: string) =>
  Type.Enum<[...Values]>([...values], { type: 'string', ...(description && { description }) });

/** `{name: value}` with any names. Type.Record would accept names with a line break (its pattern is `^.*$`). */
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
  {
    title: 'Page',
    description:
      '`total` is there when the upstream tells it. `size` is less than was asked for where the upstream puts fewer entries on a page; page on with that.',
  },
);

/** Every list of upstream resources is answered as `{data, page}`. */
export const pageOf = <Item extends TSchema>(item: Item, title: string) =>
  Type.Object({ data: Type.Array(item), page: Page }, { title });

export const strict = { additionalProperties: false } as const;

/** A response with its own description, where one schema serves several statuses. */
export const answers = <Schema extends TSchema>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});
