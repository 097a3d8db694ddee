import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { fresh, known } from './contacts-subjects.ts';
import { callersOwnHeaders, seededConnection, upstreamHeaders } from './outcomes.ts';

const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('contacts upstream', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  const json = (bytes: number) => ({ 'content-type': 'application/json', 'content-length': String(bytes) });
  const requests: [string, string, object | undefined, object[]][] = [
    [
      'GET',
      '/v1/contacts',
      undefined,
      [{ method: 'GET', path: '/api/v1/getContacts', query: { pageNumber: '1', pageSize: '50' } }],
    ],
    [
      'GET',
      '/v1/contacts?page=2&pageSize=7&name=A%20%26%20B&createdDate=2026-05-14&attribute=member:==:VIP&attribute=email:exist&attribute=url:contain:a:b',
      undefined,
      [
        {
          method: 'GET',
          path: '/api/v1/getContacts',
          query: {
            pageNumber: '2',
            pageSize: '7',
            name: 'A & B',
            createdDate: '2026-05-14',
            attribute:
              '[{"name":"member","operator":"==","value":"VIP"},{"name":"email","operator":"exist"},{"name":"url","operator":"contain","value":"a:b"}]',
          },
        },
      ],
    ],
    [
      'GET',
      `/v1/contacts/%2B${known}`,
      undefined,
      [{ method: 'GET', path: '/api/v1/getContacts', query: { pageNumber: '1', pageSize: '100', name: known } }],
    ],
    [
      'PUT',
      `/v1/contacts/+${fresh}`,
      { name: 'Zoë', attributes: { member: 'VIP' } },
      [
        {
          method: 'POST',
          path: `/api/v1/addContact/${fresh}`,
          query: {},
          body: { name: 'Zoë', customParams: [{ name: 'member', value: 'VIP' }] },
        },
      ],
    ],
    [
      'PUT',
      `/v1/contacts/${fresh}`,
      {},
      [{ method: 'POST', path: `/api/v1/addContact/${fresh}`, query: {}, body: { name: null, customParams: [] } }],
    ],
    [
      'PUT',
      `/v1/contacts/${known}`,
      { name: 'Zoë', attributes: { member: 'no' } },
      [
        {
          method: 'POST',
          path: `/api/v1/addContact/${known}`,
          query: {},
          body: { name: 'Zoë', customParams: [{ name: 'member', value: 'no' }] },
        },
        {
          method: 'POST',
          path: `/api/v1/updateContactAttributes/${known}`,
          query: {},
          body: {
            customParams: [
              { name: 'member', value: 'no' },
              { name: 'name', value: 'Zoë' },
            ],
          },
        },
      ],
    ],
    [
      'PATCH',
      `/v1/contacts/+${known}`,
      { attributes: { 'a b': '' } },
      [
        {
          method: 'POST',
          path: `/api/v1/updateContactAttributes/${known}`,
          query: {},
          body: { customParams: [{ name: 'a b', value: '' }] },
        },
      ],
    ],
  ];
  it.each(requests)(
    '%s %s becomes these requests, with nothing of the caller’s in them',
    async (method, path, body, wanted) => {
      await service.ask(method, path, { ...(body && { json: body }), headers: callersOwnHeaders });
      const { entries } = service.simulator.ledger;
      expect(entries.map(({ method, path, query, body, headers }) => ({ method, path, query, body, headers }))).toEqual(
        wanted.map((entry, at) => ({
          body: undefined,
          ...entry,
          headers: upstreamHeaders(
            service,
            'keep-alive',
            entries[at]?.body === undefined ? {} : json(Buffer.byteLength(JSON.stringify(entries[at]?.body))),
          ),
        })),
      );
    },
  );

  it('returns a page with our field names', async () => {
    const answer = await service.ask('GET', '/v1/contacts?pageSize=2&page=11');
    expect(answer.json).toEqual({
      data: [
        {
          id: '65f0c0de0000000000000014',
          phone: '14155551020',
          name: 'Asha Customer020',
          attributes: { city: 'Pune', member: 'VIP' },
          optedIn: false,
          allowBroadcast: false,
          status: 'valid',
          createdAt: expect.stringMatching(/T00:00:00\.000Z$/),
          updatedAt: isoTime,
        },
        expect.objectContaining({ phone: '14155551021' }),
      ],
      page: { number: 11, size: 2, total: 120 },
    });
  });

  it('answers an empty page beyond the end', async () => {
    const answer = await service.ask('GET', '/v1/contacts?page=99');
    expect(answer).toMatchObject({ status: 200, json: { data: [], page: { number: 99, size: 50, total: 120 } } });
  });

  it('finds the contact with exactly this number among those that contain it', async () => {
    service.simulator.tenant.addContact('5511876543221', { name: 'longer' });
    service.simulator.tenant.addContact('551187654322', { name: 'exact' });
    const answer = await service.ask('GET', '/v1/contacts/551187654322');
    expect(answer).toMatchObject({ status: 200, json: { phone: '551187654322', name: 'exact' } });
    expect((await service.ask('GET', '/v1/contacts/5511876543')).json).toMatchObject({ type: problem('not-found') });
  });

  it('creates with 201, updates with 200, and returns what is known', async () => {
    const body = { name: 'Zoë', attributes: { member: 'VIP' } };
    const created = await service.ask('PUT', `/v1/contacts/${fresh}`, { json: body });
    expect(created).toMatchObject({ status: 201, json: { phone: fresh, ...body } });
    const again = await service.ask('PUT', `/v1/contacts/+${fresh}`, { json: { attributes: { member: 'no' } } });
    expect([again.status, again.json]).toEqual([200, { id: fresh, phone: fresh, attributes: { member: 'no' } }]);
    const read = await service.ask('GET', `/v1/contacts/${fresh}`);
    expect(read.json).toMatchObject({ name: 'Zoë', attributes: { member: 'no' } });
  });

  it('reads the next page after a full one, even if an entry of it cannot be parsed', async () => {
    const others = Array.from({ length: 99 }, (_, at) => ({ id: `c${at}`, wAid: `${known}${at}` }));
    const page = (contacts: unknown[]) => ({ body: { result: 'success', contact_list: contacts } });
    service.simulator.script('getContacts', page([null, ...others]), page([{ id: 'c1', wAid: known }]));
    expect(await service.ask('GET', `/v1/contacts/${known}`)).toMatchObject({ status: 200, json: { id: 'c1' } });
  });

  it('makes no call if nothing is to be updated', async () => {
    const answer = await service.ask('PUT', `/v1/contacts/${known}`, { json: {} });
    expect([answer.status, answer.json]).toEqual([200, { id: known, phone: known, attributes: {} }]);
    expect(service.simulator.ledger.entries.map(({ operation }) => operation)).toEqual(['addContact']);
  });

  it('is a 404 for an update of a contact that WATI does not know', async () => {
    const answer = await service.ask('PATCH', `/v1/contacts/${fresh}`, { json: { attributes: { a: 'b' } } });
    expect(answer.json).toMatchObject({ type: problem('not-found'), status: 404 });
    expect(service.simulator.tenant.contacts.has(fresh)).toBe(false);
  });

  it.each([
    ['GET', '/v1/contacts?page=0', undefined, '/query/page'],
    ['GET', '/v1/contacts?pageSize=101', undefined, '/query/pageSize'],
    ['GET', '/v1/contacts?page=1&foo=1', undefined, '/query/foo'],
    ['GET', '/v1/contacts?createdDate=05-14-2026', undefined, '/query/createdDate'],
    ['GET', '/v1/contacts?attribute=member:like:x', undefined, '/query/attribute/0'],
    ['GET', '/v1/contacts?attribute=member:==', undefined, '/query/attribute/0'],
    ['GET', '/v1/contacts/us.123124141512', undefined, '/path/recipient'],
    ['GET', '/v1/contacts/..%2f14155551000', undefined, '/path/recipient'],
    ['PUT', '/v1/contacts/123', {}, '/path/recipient'],
    ['PUT', '/v1/contacts/14155551000', { name: ' ' }, '/name'],
    ['PUT', '/v1/contacts/14155551000', { attributes: { a: 1 } }, '/attributes/a'],
    ['PATCH', '/v1/contacts/14155551000', { attributes: {} }, '/attributes'],
    ['PATCH', '/v1/contacts/14155551000', {}, '/attributes'],
  ])('refuses %s %s %j before any byte', async (method, path, body, pointer) => {
    const answer = await service.ask(method, path, body === undefined ? {} : { json: body });
    expect(answer.json).toMatchObject({ type: problem('validation-failed'), errors: [{ pointer }] });
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});
