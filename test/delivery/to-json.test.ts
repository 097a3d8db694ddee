import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toJson } from '../../src/delivery/outcome.ts';

it('copies an object as its JSON would be', () => {
  const leaf = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined), fc.double());
  const names = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('__proto__', 'constructor', 'toString'));
  const objects = fc.oneof(fc.array(leaf), fc.dictionary(names, fc.oneof(leaf, fc.array(leaf))));
  fc.assert(
    fc.property(objects, (value) => {
      expect(JSON.stringify(toJson(value))).toBe(JSON.stringify(value));
    }),
    { numRuns: 200 },
  );
  const own = JSON.parse('{"__proto__":{"a":1}}');
  expect(JSON.stringify(toJson(own))).toBe('{"__proto__":{"a":1}}');
  expect(Object.getPrototypeOf(toJson(own))).toBe(Object.prototype);
});
