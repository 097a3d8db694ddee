import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemTypes } from '../../src/problem-types.ts';
import { exampleIds } from '../../src/schemas/common.ts';
import type { Json } from '../support/json.ts';
import { entries, type Operation, record, startDocumented } from '../support/operations.ts';
import type { Service } from '../support/service.ts';

describe('the examples of the document', () => {
  let service: Service;
  let document: Json;
  let operations: Operation[];
  beforeAll(async () => {
    ({ service, document, operations } = await startDocumented());
  });
  afterAll(() => service.close());

  /** Answers in JSON that are no problems, each by operation and status. */
  const answersIn = () =>
    operations.flatMap(({ id, raw }) =>
      entries(raw.responses).flatMap(([status, { content }]) => {
        const media = record(content)['application/json'];
        return media === undefined ? [] : [{ about: `${id} ${status}`, media: record(media) }];
      }),
    );

  it('show an answer for each success, which conforms to its schema and has no other property', () => {
    expect(answersIn().filter(({ media }) => media.example === undefined)).toEqual([]);
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.addSchema(closed(document), 'document');
    const faults = answersIn().flatMap(({ about, media }) => {
      const validate = ajv.compile(JSON.parse(JSON.stringify(closed(media.schema)).replaceAll('"#/', '"document#/')));
      return validate(media.example) ? [] : [`${about}: ${ajv.errorsText(validate.errors)}`];
    });
    expect(faults).toEqual([]);
    expect(answersIn().length).toBeGreaterThan(45);
  });

  it('show a problem of each type that an operation can answer, with its status and an existing path', () => {
    const shown = record(record(document.components).examples);
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema(closed(document), 'document');
    const validate = ajv.compile({ $ref: 'document#/components/schemas/Problem' });
    const paths = operations.map(({ path }) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`));
    for (const [slug, { meaning, status, title }] of Object.entries(problemTypes)) {
      if (!(slug in shown)) continue;
      const value = record(record(shown[slug]).value);
      expect(validate(value), `${slug}: ${ajv.errorsText(validate.errors)}`).toBe(true);
      expect(value).toMatchObject({ type: `http://127.0.0.1:3000/problems/${slug}`, status, title });
      expect(paths.some((path) => path.test(String(value.instance)))).toBe(true);
      // What happened, and not what the type means.
      expect(value.detail, slug).not.toBe(meaning);
    }
    expect(Object.keys(shown).length).toBeGreaterThan(30);
  });

  it('name numbers that are reserved for fiction, or that misbehave in the sandbox, and ids that it has', () => {
    const text = JSON.stringify(document);
    const numbers = [...text.matchAll(/"(1\d{10})"/g)].map(([, number]) => number);
    expect(numbers.length).toBeGreaterThan(30);
    expect(numbers.filter((number) => !/^1415555(01\d\d|0202)$/.test(number ?? ''))).toEqual([]);
    for (const { id, parameters } of operations) {
      for (const { in: place, example } of parameters) {
        if (place !== 'path' || !/^[0-9a-f]{8}-/.test(String(example))) continue;
        expect(Object.values(exampleIds), id).toContain(example);
      }
    }
  });
});

/** No object may have properties that its schema does not name. */
function closed(value: unknown): Json {
  const walk = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== 'object' || inner === null) return inner;
    const copy = Object.fromEntries(Object.entries(inner).map(([name, each]) => [name, walk(each)]));
    const isClosable = 'properties' in copy && copy.type === 'object' && !('additionalProperties' in copy);
    return isClosable ? { ...copy, additionalProperties: false } : copy;
  };
  return record(walk(value));
}
