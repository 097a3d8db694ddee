import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/simulator/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

interface List {
  path: string;
  operation: Operation;
  /** The answer with these entries, which may be null. */
  body: (entries: unknown) => object;
  /** An entry that this list takes. */
  entry: object;
  /** Whether the caller chooses the size of the page upstream. */
  sized: boolean;
}

const history = '/v1/conversations/14155551000/messages';
const lists: List[] = [
  {
    path: '/v1/contacts',
    operation: 'getContacts',
    body: (contact_list) => ({ result: 'success', contact_list }),
    entry: { id: 'c1', wAid: '14155551000' },
    sized: true,
  },
  {
    path: history,
    operation: 'getMessages',
    body: (items) => ({ result: 'success', messages: { items } }),
    entry: { id: 'm1', eventType: 'message', owner: false, type: 'text', text: 'Hi' },
    sized: true,
  },
  {
    path: `${history}?events=true`,
    operation: 'getMessages',
    body: (messages) => ({ result: true, messages }),
    entry: { id: 'm1', eventType: 'message', owner: false, type: 'text', text: 'Hi' },
    sized: true,
  },
  {
    path: '/v1/templates',
    operation: 'getMessageTemplates',
    body: (messageTemplates) => ({ result: true, messageTemplates }),
    entry: { id: 't1', elementName: 'welcome', status: 'APPROVED', body: 'Hi' },
    sized: false,
  },
];

describe('lists', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, TEMPLATE_CACHE_MS: '0' },
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());
  const script = (operation: Operation, ...bodies: object[]) =>
    service.simulator.script(operation, ...bodies.map((body) => ({ body })));

  it.each(lists)('$path: null beside a success is an empty page', async ({ path, operation, body, entry }) => {
    script(operation, body(null));
    expect(await service.ask('GET', path)).toMatchObject({ status: 200, json: { data: [] } });
    script(operation, body([entry]));
    expect(await service.ask('GET', path)).toMatchObject({ status: 200, json: { data: [{ id: expect.any(String) }] } });
  });

  it.each(lists)('$path: a refusal is reported in its words, even beside a list', async ({ path, operation, body }) => {
    const info = 'Invalid attribute filter';
    for (const more of [{}, body(null), body([])]) {
      script(operation, { ...more, result: false, info });
      expect((await service.ask('GET', path)).json).toMatchObject({
        type: problem('upstream-rejected'),
        upstream: { status: 200, detail: info },
      });
    }
  });

  it.each(lists)(
    '$path: a missing list, or null without a success, is an unknown answer',
    async ({ path, operation, body }) => {
      for (const answer of [{ result: 'success' }, { ...body(null), result: null }, body('none'), body({})]) {
        script(operation, answer);
        expect((await service.ask('GET', path)).json).toMatchObject({
          type: problem('upstream-invalid'),
          status: 502,
        });
      }
    },
  );

  it.each(lists.filter(({ sized }) => sized))(
    '$path: a page that is too long is reported as such, once, with a remedy',
    async ({ path, operation, body, entry }) => {
      const size = `${path.includes('?') ? '&' : '?'}pageSize`;
      const long = body(Array.from({ length: 100 }, () => ({ ...entry, more: 'x'.repeat(51_800) })));
      script(operation, long);
      const { json } = await service.ask('GET', `${path}${size}=100`);
      expect(json).toMatchObject({ type: problem('upstream-invalid'), status: 502, retryable: false });
      expect(json).toHaveProperty(
        'detail',
        expect.stringContaining('ask again with a pageSize of less than 100, such as 25'),
      );
      expect(service.simulator.ledger.of(operation)).toHaveLength(1);
      script(operation, long);
      const single = await service.ask('GET', `${path}${size}=1`);
      expect(single.json).toHaveProperty('detail', expect.stringContaining('holds one entry alone'));
      expect(service.simulator.ledger.of(operation)).toHaveLength(2);
    },
  );

  it.each([
    ['/v1/templates', 'getMessageTemplates', lists[3]],
    ['/v1/contacts/14155551000', 'getContacts', lists[0]],
  ] as const)(
    '%s: is read in smaller pages where those of its own choice are too long',
    async (path, operation, list) => {
      if (!list) throw new Error('no list');
      script(
        operation,
        list.body(Array(100).fill({ ...list.entry, more: 'x'.repeat(51_800) })),
        list.body([list.entry]),
      );
      expect((await service.ask('GET', path)).status).toBe(200);
      const sizes = service.simulator.ledger.of(operation).map(({ query }) => Number(query.pageSize));
      expect(sizes[0]).toBe(100);
      expect(sizes[1]).toBeLessThanOrEqual(20);
      expect(sizes).toHaveLength(2);
    },
  );

  it.each(lists)('$path: a 403 and a 429 with words show them', async ({ path, operation }) => {
    const message = 'This feature is not available in your plan';
    service.simulator.script(operation, { status: 403, body: { message } });
    expect((await service.ask('GET', path)).json).toMatchObject({
      type: problem('upstream-rejected'),
      upstream: { status: 403, detail: message },
    });
    const quota = {
      status: 429,
      headers: { 'retry-after': '30' },
      body: { message: 'Monthly API call quota exceeded.' },
    };
    service.simulator.script(operation, quota);
    expect((await service.ask('GET', path)).json).toMatchObject({
      type: problem('quota-spent'),
      upstream: { status: 429, detail: 'Monthly API call quota exceeded.' },
    });
    service.simulator.script(operation, { status: 403, body: { message: 'Invalid access token' } });
    expect((await service.ask('GET', path)).json).toMatchObject({ type: problem('upstream-unauthorized') });
  });

  it('report how many entries WATI puts on a page, if that is fewer than requested', async () => {
    for (const [link, size] of [
      [{ pageSize: 20, total: 120 }, 20],
      [{ pageSize: '20', total: '120' }, 20],
      [{ pageSize: 20, nextPage: 'https://wati.example/?pageNumber=2' }, 20],
      [{ pageSize: 20, total: 20, nextPage: null }, 100],
      [{ pageSize: 0, total: 120 }, 100],
      [{ pageSize: 500, total: 1_200 }, 100],
      [{}, 100],
    ] as const) {
      script('getContacts', { result: 'success', contact_list: [], link });
      const { json } = await service.ask('GET', '/v1/contacts?pageSize=100');
      expect(json, JSON.stringify(link)).toMatchObject({ page: { number: 1, size } });
    }
  });
});
