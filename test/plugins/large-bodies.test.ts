import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fields } from '../routes/outcomes.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

const parameters = { a: '1', b: '2', c: '3', d: '4', e: '5', f: '6' };
const keyed = { 'idempotency-key': 'large' };
const list = <Item>(count: number, item: Item): Item[] => Array(count).fill(item);
const unknownNames = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [at.toString(36), 1]));
const broadcast = (recipients: unknown[]) => ({ template: 'welcome', broadcastName: 'sale', recipients });

/** Ajv makes an object of every fault: without a bound, one body of these takes hundreds of megabytes. */
describe('a large body with faults', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const post = (path: string, json: unknown) => service.ask('POST', path, { json, headers: keyed });
  const errorsOf = (answer: Answer) => {
    expect(answer).toMatchObject({ status: 400, json: { type: problem('validation-failed') } });
    const { errors } = fields(answer.json);
    return Array.isArray(errors) ? errors : [];
  };

  const many: [name: string, path: string, body: unknown, first: object][] = [
    [
      'more recipients than there may be',
      '/v1/broadcasts',
      broadcast(list(450_000, 0)),
      { pointer: '/recipients', detail: expect.stringContaining('must have at most 10000 entries, and has ') },
    ],
    [
      'such recipients, and no template',
      '/v1/broadcasts',
      { broadcastName: 'sale', recipients: list(450_000, 0) },
      { pointer: '/template', detail: expect.stringMatching(/^is required: /) },
    ],
    [
      'names that nobody knows',
      '/v1/broadcasts',
      unknownNames(100_001),
      { detail: expect.stringMatching(/^is required: /) },
    ],
    [
      'recipients that are none',
      '/v1/broadcasts',
      broadcast(list(9_000, { to: 1, ...unknownNames(20) })),
      { detail: expect.stringMatching(/^is not known here/) },
    ],
    [
      'parameters that are none',
      '/v1/broadcasts',
      broadcast(list(9_000, { to: '14155551000', parameters: unknownNames(20) })),
      {
        pointer: '/recipients/0/parameters/0',
        detail: 'must be text of at most 4096 characters, and is a whole number',
      },
    ],
  ];
  it.each(many)('is answered with its first fault: %s', async (_name, path, body, first) => {
    expect(errorsOf(await post(path, body))).toEqual([expect.objectContaining(first)]);
  });

  it('is answered with a hundred faults if it is no larger than a broadcast may be', async () => {
    const errors = errorsOf(await post('/v1/broadcasts', broadcast(list(10_000, { to: 1, parameters }))));
    expect(errors).toHaveLength(100);
    expect(errors[99]).toMatchObject({ pointer: '/recipients/99/to' });
    const sound = Array.from({ length: 9_999 }, (_, at) => ({ to: `${14_155_560_000 + at}`, parameters }));
    expect(errorsOf(await post('/v1/broadcasts', broadcast([...sound, { to: '1' }, {}])))).toMatchObject([
      { pointer: '/recipients', detail: expect.stringContaining('must have at most 10000 entries, and has ') },
      { pointer: '/recipients/9999/to' },
      { pointer: '/recipients/10000/to', detail: expect.stringMatching(/^is required: /) },
    ]);
  });
});
