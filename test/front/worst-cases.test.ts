import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isRecord } from '../support/json.ts';
import { operationsOf } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

/** Every value of a schema's keyword, wherever it stands. */
const valuesOf = (schema: unknown, keyword: string): unknown[] => {
  if (Array.isArray(schema)) return schema.flatMap((each) => valuesOf(each, keyword));
  if (!isRecord(schema)) return [];
  const own = keyword in schema ? [schema[keyword]] : [];
  return [...own, ...Object.values(schema).flatMap((each) => valuesOf(each, keyword))];
};

/** 64 KB that a pattern with two loops over one class, or an unanchored one, has the most work with. */
const worst = (pattern: string) => {
  const letters = new Set([...pattern.replace(/[\\^$()[\]{}*+?|]/g, ''), 'x', '0', ' ', '/', '.', ',', 'a-', 'u=0,']);
  return [...letters].flatMap((unit) => {
    const text = unit.repeat(Math.floor(65_536 / unit.length));
    return [text, `${text}\n`, `https://${text}\n`, `1${text}!`];
  });
};

it('has no pattern that takes more than linear time', () => {
  const schemas = operationsOf().map(({ body, parameters }) => [body, parameters]);
  const patterns = new Set(valuesOf(schemas, 'pattern').map(String));
  expect(patterns.size).toBeGreaterThan(8);
  for (const pattern of patterns) {
    const compiled = new RegExp(pattern, 'u');
    for (const text of worst(pattern)) {
      const begun = performance.now();
      compiled.test(text);
      // A quadratic one takes seconds, a linear one less than a millisecond: in between is room for any machine.
      expect(performance.now() - begun, `${pattern} on ${text.slice(0, 12)}...`).toBeLessThan(500);
    }
  }
});

it('applies no unanchored pattern with a loop over anything to a header or an address', () => {
  const sources = ['plugins', 'routes'].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const literals = sources.flatMap((file) =>
    Array.from(
      readFileSync(file, 'utf8').matchAll(
        /(?<=[(=,:!&|>?] ?)\/(?![/*])((?:[^/\\\n[]|\\.|\[(?:[^\]\\]|\\.)*\])+)\/[a-z]*(?=[.,)])/g,
      ),
      ([, body = '']) => ({ file, body }),
    ),
  );
  expect(literals.length).toBeGreaterThan(10);
  const loose = literals.filter(({ body }) => !body.startsWith('^') && /(\.|\\s|\\S|\\w)[*+]/.test(body));
  expect(loose).toEqual([]);
});

it('accepts of each JSON body as much as its schema allows, with every letter escaped', () => {
  for (const { id, path, body } of operationsOf()) {
    // Lists of any length have limits of their own, and so have parameters: WhatsApp takes 1,024 characters of a template.
    // A list has ten rows in all, which its schema cannot say.
    if (
      path === '/v1/broadcasts' ||
      id === 'sendList' ||
      id === 'putSending' ||
      !isRecord(body) ||
      valuesOf(body, 'additionalProperties').some(isRecord)
    )
      continue;
    expect(mostBytes(body), id).toBeLessThan(64 * 1024);
  }
});

/** A letter may be written in six bytes. */
function mostBytes(schema: unknown): number {
  if (!isRecord(schema)) return 8;
  if (isRecord(schema.properties)) {
    const parts = Object.entries(schema.properties).map(([name, inner]) => name.length + 4 + mostBytes(inner));
    return parts.reduce((sum, part) => sum + part, 2);
  }
  if ('items' in schema) return Number(schema.maxItems ?? 1) * (1 + mostBytes(schema.items));
  if (schema.type === 'string') return 6 * Number(schema.maxLength ?? 64);
  return 24;
}
