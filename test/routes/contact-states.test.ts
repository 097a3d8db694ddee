import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

const known = '14155551000';

describe('contacts that are duplicated, deleted, or exist already', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  const contact = (fullName: string, more: object = {}) => ({ id: fullName, wAid: known, fullName, ...more });
  const listed = (...contacts: object[]) => ({ body: { result: 'success', contact_list: contacts } });
  const gone = [{ isDeleted: true }, { isDeleted: 'true' }, { contactStatus: 'DELETED' }, { contactStatus: 'deleted' }];

  it.each(gone)('finds the existing one beside a deleted one, which lists mark: %j', async (deleted) => {
    const [old, live] = [contact('Old', deleted), contact('New', { isDeleted: false })];
    for (const both of [
      [old, live],
      [live, old],
    ]) {
      service.simulator.script('getContacts', listed(...both), listed(...both));
      expect((await service.ask('GET', `/v1/contacts/${known}`)).json).toMatchObject({ name: 'New' });
      const { json } = await service.ask('GET', '/v1/contacts');
      expect(json).toMatchObject({ data: both.map(({ fullName }) => ({ name: fullName })) });
      const marks = (json as { data: { name: string; deleted?: boolean }[] }).data.map(({ deleted }) => deleted);
      expect(marks).toEqual(both.map((each) => (each === old ? true : undefined)));
    }
    service.simulator.script('getContacts', listed(old));
    expect((await service.ask('GET', `/v1/contacts/${known}`)).json).toMatchObject({ type: problem('not-found') });
  });

  it('finds it on a later page, and of several the one that changed last', async () => {
    const first = [contact('Old', { isDeleted: true }), ...Array.from({ length: 99 }, (_, at) => ({ id: `c${at}` }))];
    const several = [
      contact('first', { lastUpdated: '2026-03-01T00:00:00Z' }),
      contact('last', { lastUpdated: '2026-05-01T00:00:00Z' }),
      contact('undated'),
      contact('deleted since', { lastUpdated: '2026-06-01T00:00:00Z', isDeleted: true }),
    ];
    service.simulator.script('getContacts', listed(...first), listed(...several));
    expect((await service.ask('GET', `/v1/contacts/${known}`)).json).toMatchObject({ name: 'last' });
    expect(service.simulator.ledger.of('getContacts').map(({ query }) => query.pageNumber)).toEqual(['1', '2']);
  });

  it('finds it on pages that WATI makes shorter than requested, and if WATI counts from 0', async () => {
    const others = (at: number) => Array.from({ length: 20 }, (_, each) => ({ id: `c${at}-${each}` }));
    const page = (contacts: object[], link: object) => ({ body: { result: 'success', contact_list: contacts, link } });
    const { script } = service.simulator;
    script(
      'getContacts',
      page(others(1), { total: 41 }),
      page(others(2), { total: 41 }),
      page([contact('third')], { total: 41 }),
    );
    expect((await service.ask('GET', `/v1/contacts/${known}`)).json).toMatchObject({ name: 'third' });
    script('getContacts', page([], { total: 1 }), page([contact('zero')], { total: 1 }));
    expect((await service.ask('GET', `/v1/contacts/${known}`)).json).toMatchObject({ name: 'zero' });
    expect(service.simulator.ledger.of('getContacts').map(({ query }) => query.pageNumber)).toEqual([
      '1',
      '2',
      '3',
      '1',
      '0',
    ]);
  });

  it('returns attributes as they are, whatever their type', async () => {
    const values = {
      vip: true,
      tags: ['a', 'b'],
      count: 7,
      ratio: 0.5,
      none: null,
      more: { a: [1] },
      plain: ' x ',
      no: false,
    };
    const customParams = Object.entries(values).map(([name, value]) => ({ name, value }));
    service.simulator.script('getContacts', listed(contact('Asha', { customParams })));
    expect((await service.ask('GET', `/v1/contacts/${known}`)).json).toHaveProperty('attributes', {
      vip: 'true',
      tags: '["a","b"]',
      count: '7',
      ratio: '0.5',
      more: '{"a":[1]}',
      plain: ' x ',
      no: 'false',
    });
  });

  const exists = [
    'Contact already exist',
    'The contact already exists.',
    'Contact with this phone number already exists',
    'CONTACT HAS ALREADY BEEN ADDED',
    'This number is already registered',
    'Duplicate contact',
  ];
  it.each(exists.flatMap((words) => [200, 400, 409, 422].map((status) => [words, status] as const)))(
    'continues with the update if WATI says "%s" with a %i',
    async (words, status) => {
      const bodies =
        status === 200
          ? [
              { result: false, info: words },
              { result: 'false', message: words },
              { result: words },
              { ok: false, error: words },
            ]
          : [{ message: words }, { items: [{ code: 'x', description: words }] }, { error: { message: words } }];
      for (const body of bodies) {
        service.simulator.reset();
        service.simulator.script('addContact', { status, body });
        const answer = await service.ask('PUT', `/v1/contacts/${known}`, { json: { attributes: { member: 'VIP' } } });
        expect([answer.status, answer.json], JSON.stringify(body)).toEqual([
          200,
          { id: known, phone: known, attributes: { member: 'VIP' } },
        ]);
        expect(service.simulator.tenant.contacts.get(known)?.attributes.get('member')).toBe('VIP');
      }
    },
  );

  it.each(['Contact does not exist', 'No credit', 'already too many contacts'])(
    'refuses if WATI says "%s"',
    async (info) => {
      service.simulator.script('addContact', { body: { result: false, info } });
      const answer = await service.ask('PUT', `/v1/contacts/${known}`, { json: { attributes: { member: 'VIP' } } });
      expect(answer.json).toMatchObject({ type: problem('upstream-rejected'), upstream: { detail: info } });
      expect(service.simulator.ledger.of('updateContactAttributes')).toEqual([]);
    },
  );
});
