import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventTypes } from '../../src/events/event-types.ts';
import { isRecord, type Json } from '../support/json.ts';
import { entries, record, startDocumented } from '../support/operations.ts';
import type { Service } from '../support/service.ts';

describe('events in the document', () => {
  let service: Service;
  let document: Json;
  let body: Json;
  beforeAll(async () => {
    ({ service, document } = await startDocumented());
    const { post } = record(record(document.webhooks).event);
    body = record(record(record(record(post).requestBody).content)['application/json']);
  });
  afterAll(() => service.close());

  const schemas = () => record(record(document.components).schemas);

  it('have an example of each type as a webhook, which keeps the schema of the feed and has nothing beside it', () => {
    expect(body.schema).toEqual({ $ref: '#/components/schemas/Event' });
    const examples = entries(body.examples).map(([type, { value }]) => [type, record(value)] as const);
    expect(examples.map(([type]) => type).toSorted()).toEqual([...eventTypes, 'webhook.test'].toSorted());
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.addSchema(closed({ components: document.components }), 'document');
    const validate = ajv.compile({ $ref: 'document#/components/schemas/Event' });
    for (const [type, example] of examples) {
      expect(example.type).toBe(type);
      expect(validate(example) ? [] : validate.errors, type).toEqual([]);
    }
  });

  it('show every member of `data` in one of the examples', () => {
    const shown = new Set(entries(body.examples).flatMap(([, { value }]) => Object.keys(record(record(value).data))));
    expect([...shown].toSorted()).toEqual(Object.keys(record(record(schemas().EventData).properties)).toSorted());
  });

  it('are one flat schema without unions, whose type is open', () => {
    const own = Object.entries(schemas()).filter(([name]) => name.startsWith('Event'));
    expect(own.length).toBeGreaterThan(8);
    expect(JSON.stringify(own)).not.toMatch(/"(anyOf|oneOf|allOf|const|discriminator|enum)":/);
    const type = record(record(record(schemas().Event).properties).type);
    expect(type).toMatchObject({ type: 'string', 'x-extensible-enum': [...eventTypes, 'webhook.test'] });
    // In full, or as `.delivered` behind another of its noun.
    const isNamed = (each: string) =>
      [each, each.slice(each.indexOf('.'))].some((name) => words.includes(`\`${name}\``));
    const words = String(type.description);
    expect(eventTypes.filter((each) => !isNamed(each))).toEqual([]);
  });
});

/** No object may have properties that its schema does not name. */
function closed(value: unknown): Json {
  const walk = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(walk);
    if (!isRecord(inner)) return inner;
    const copy = Object.fromEntries(Object.entries(inner).map(([name, each]) => [name, walk(each)]));
    const isClosable = 'properties' in copy && copy.type === 'object' && !('additionalProperties' in copy);
    return isClosable ? { ...copy, additionalProperties: false } : copy;
  };
  return record(walk(value));
}
