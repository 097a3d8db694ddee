import { Type as TypeBox } from 'typebox';
import { expect, it } from 'vitest';
import { Type } from '../../src/lib/type.ts';

type Builders = Pick<typeof TypeBox, keyof typeof Type>;

/** One of each, with and without options. */
const build = ({ Array: list, Boolean: yes, Enum, Integer, Number: number, Object: object, ...rest }: Builders) => [
  rest.String(),
  rest.String({ maxLength: 3, description: 'a name' }),
  Integer({ minimum: 1 }),
  number({ type: 'integer' }),
  yes(),
  rest.Unknown(),
  rest.Unknown({ title: 'Anything' }),
  Enum(['a', 'b']),
  Enum(['a', 'b'], { type: 'string' }),
  list(rest.String(), { maxItems: 2 }),
  rest.Unsafe<string>({ type: 'string', pattern: '^a' }),
  object({}),
  object({ name: rest.Optional(rest.String()) }),
  object(
    {
      id: rest.String(),
      name: rest.Optional(rest.String({ description: 'a name' })),
      copied: { ...rest.Optional(Integer()), title: 'Copied' },
      inner: rest.Optional(object({ of: list(Enum(['x'])) }, { title: 'Inner' })),
    },
    { additionalProperties: false, title: 'Outer' },
  ),
];

it('builds what TypeBox builds, in the same order', () => {
  expect(JSON.stringify(build(Type))).toBe(JSON.stringify(build(TypeBox)));
});
