import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { answered, exact, type Finding, NameValue, noted, Phone, paging, type Rule, Target } from './common.ts';

const Filter = exact({
  name: Type.String({ minLength: 1 }),
  operator: Type.Enum(['contain', 'notContain', 'exist', 'notExist', '==', '!=', 'valid', 'invalid']),
  value: Type.Optional(Type.String()),
});
export type AttributeFilter = Static<typeof Filter>;
const Filters = Compile(Type.Array(Filter, { minItems: 1 }));

const Add = exact({
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  customParams: Type.Optional(Type.Union([Type.Array(NameValue), Type.Null()])),
});
export const AddContactBody = Compile(Add);

const Update = exact({ customParams: Type.Array(NameValue, { minItems: 1 }) });
export const UpdateAttributesBody = Compile(Update);

export const getContactsRule: Rule = {
  query: exact({
    ...paging,
    name: Type.Optional(Type.String({ minLength: 1 })),
    attribute: Type.Optional(Type.String()),
    // WATI also accepts month first, which is ambiguous: the service sends ISO dates only.
    createdDate: Type.Optional(Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' })),
  }),
  further({ query }): readonly Finding[] {
    const attribute = query.attribute;
    if (attribute === undefined) return [];
    const good = typeof attribute === 'string' && readAttributeFilters(attribute).length > 0;
    return good ? [] : [answered('query attribute is not a JSON array of name, operator and value')];
  },
};

export const getContactV3Rule: Rule = { params: exact({ target: Target }), query: exact({}) };

export const addContactRule: Rule = {
  params: exact({ target: Phone }),
  query: exact({ sourceType: Type.Optional(Type.String()) }),
  body: Add,
  further: ({ json }) => blankAttributes(AddContactBody.Check(json) ? (json.customParams ?? []) : []),
};

export const updateContactAttributesRule: Rule = {
  params: exact({ target: Target }),
  query: exact({}),
  body: Update,
  further: ({ json }) => blankAttributes(UpdateAttributesBody.Check(json) ? json.customParams : []),
};

/** The filters; empty if the text is absent or is no such array. */
export function readAttributeFilters(text: string | undefined): readonly AttributeFilter[] {
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    return Filters.Check(value) ? value : [];
  } catch {
    return [];
  }
}

function blankAttributes(attributes: readonly Static<typeof NameValue>[]): readonly Finding[] {
  return attributes
    .filter(({ name, value }) => name.trim() === '' || value.trim() === '')
    .map(({ name }) => noted(`body customParams has a blank name or value at ${JSON.stringify(name)}`));
}
