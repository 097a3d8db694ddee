import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { pageOf, paging, Recipient, strict, Timestamp, text, textByName } from './common.ts';

const attributes = (description: string) => textByName({ description, examples: [{ member: 'VIP' }] });

export const Contact = Type.Object(
  {
    id: Type.String({ description: 'opaque; the number where WATI told no id' }),
    phone: Type.Optional(Type.String({ description: 'digits only' })),
    name: Type.Optional(Type.String()),
    attributes: attributes('custom attributes; the automatic `name`, `phone`, `language` are left out'),
    optedIn: Type.Optional(Type.Boolean()),
    allowBroadcast: Type.Optional(Type.Boolean({ description: 'false: the customer wants no broadcasts' })),
    status: Type.Optional(Type.String({ description: 'lower case, e.g. `valid`' })),
    deleted: Type.Optional(Type.Boolean({ description: 'true: deleted in WATI, which lists it still' })),
    createdAt: Type.Optional(Timestamp),
    updatedAt: Type.Optional(Timestamp),
  },
  { title: 'Contact' },
);
export type Contact = Static<typeof Contact>;

export const ContactPage = pageOf(Contact, 'ContactPage');

/** The operators that WATI documents for `attribute`. Four of them take no value. */
const attributeFilter = '^[^:]{1,256}:((exist|notExist|valid|invalid)|(contain|notContain|==|!=):.{1,512})$';

const attributeForm =
  'name:operator:value with contain, notContain, == or != as the operator, or name:operator with exist, notExist, valid or invalid';

export const ContactQuery = Type.Object(
  {
    ...paging,
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'part of a name or number' })),
    createdDate: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$',
        'x-form': 'a date such as 2026-05-14',
        examples: ['2026-05-14'],
      }),
    ),
    attribute: Type.Optional(
      Type.Array(Type.String({ pattern: attributeFilter, 'x-form': attributeForm }), {
        maxItems: 20,
        description:
          '`name:operator[:value]`, repeatable. Operators: contain, notContain, ==, != (with a value); exist, notExist, valid, invalid (without).',
        examples: [['member:==:VIP']],
      }),
    ),
  },
  strict,
);

export const ContactParams = Type.Object({ recipient: Recipient }, strict);

export const ContactPut = Type.Object(
  {
    name: Type.Optional(text(256, 'Asha', { line: true })),
    attributes: Type.Optional(attributes('attributes to set')),
  },
  { title: 'ContactPut', ...strict, examples: [{ name: 'Asha', attributes: { member: 'VIP' } }] },
);

export const ContactPatch = Type.Object(
  { attributes: { ...attributes('attributes to set'), minProperties: 1 } as ReturnType<typeof attributes> },
  { title: 'ContactPatch', ...strict, examples: [{ attributes: { member: 'VIP' } }] },
);
