import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRecord } from '../support/json.ts';
import { goodRequest, type Operation, operationsInOrder, successSchema } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';

const settings = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };

describe('an answer that is no problem', () => {
  let service: Service;
  let operations: Operation[];
  beforeAll(async () => {
    service = await startService({ settings });
    operations = operationsInOrder();
  });
  afterAll(() => service.close());

  it('has exactly the properties of its schema', async () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    const checked: string[] = [];
    for (const operation of operations.filter(({ form }) => !form)) {
      const { path, query, headers, body } = goodRequest(operation);
      const address = query.length > 0 ? `${path}?${query.join('&')}` : path;
      const answer = await service.ask(operation.method, address, {
        headers,
        ...(body !== undefined && { json: body }),
      });
      const schema = successSchema(operation, answer.status);
      if (schema === undefined || !isRecord(answer.json)) continue;
      const validate = ajv.compile({ ...closed(schema), $id: operation.id });
      expect(validate(answer.json) ? [] : validate.errors, `${operation.id}: ${answer.text.slice(0, 300)}`).toEqual([]);
      checked.push(operation.id);
    }
    const kinds = ['listContacts', 'sendText', 'listTemplates', 'listMessages', 'listConnections', 'createConnection'];
    expect(checked).toEqual(expect.arrayContaining(kinds));
  });
});

/** Objects with named properties take no others. */
function closed(schema: Record<string, unknown>): Record<string, unknown> {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (!isRecord(value)) return value;
    const copy = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner)]));
    return isRecord(copy.properties) && copy.type === 'object' ? { additionalProperties: false, ...copy } : copy;
  };
  const copy = walk(schema);
  return isRecord(copy) ? copy : {};
}
