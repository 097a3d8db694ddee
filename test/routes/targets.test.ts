import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { askFor, type Subject, seededConnection } from './outcomes.ts';
import { fileSubject, sendingTo } from './sending.ts';

const contactId = '64f0c1d2e3a4b5c6d7e8f901';
const bsuids = ['US.123124141512', 'US.ENT.11815799212886844830', 'IN.aZ09', `DE.${'9'.repeat(128)}`, 'BR.ENT.aB3'];
const targets = [contactId, ...bsuids];

const conversation = (target: string): Subject[] => [
  { name: 'history', method: 'GET', path: `/v1/conversations/${target}/messages`, operation: 'getMessages' },
  {
    name: 'operator',
    method: 'PUT',
    path: `/v1/conversations/${target}/operator`,
    operation: 'assignOperator',
    ask: { json: { bot: true } },
  },
  {
    name: 'status',
    method: 'PUT',
    path: `/v1/conversations/${target}/status`,
    operation: 'updateChatStatus',
    ask: { json: { status: 'open' } },
  },
];
const json = { attributes: { member: 'VIP' } };
const contact = (target: string): Subject[] => [
  { name: 'GET contact', method: 'GET', path: `/v1/contacts/${target}`, operation: 'getContactV3' },
  {
    name: 'PUT contact',
    method: 'PUT',
    path: `/v1/contacts/${target}`,
    operation: 'updateContactAttributes',
    ask: { json },
  },
  {
    name: 'PATCH contact',
    method: 'PATCH',
    path: `/v1/contacts/${target}`,
    operation: 'updateContactAttributes',
    ask: { json },
  },
];
const sends = (target: string): Subject[] =>
  [...sendingTo(() => target), fileSubject(target)].map((subject) => ({
    ...subject,
    success: 201,
    ...(subject.name === 'template' && { operation: 'sendTemplateMessageV1' as const }),
  }));

describe('a contact id or BSUID', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, WATI_CHANNEL_NUMBER: '14155550199' },
    });
  });
  beforeEach(() => {
    service.simulator.reset();
    for (const [at, target] of targets.entries()) {
      const phone = `1415555012${at}`;
      service.simulator.tenant.addContact(phone, target === contactId ? { id: target } : { bsuid: target });
      service.simulator.tenant.receive(phone, 'Hello');
    }
  });
  afterAll(() => service.close());

  it.each(targets)(
    '%.40s is accepted by every route for which WATI has a target, and sent unchanged',
    async (target) => {
      for (const subject of [...conversation(target), ...contact(target), ...sends(target)]) {
        const answer = await askFor(service, subject);
        expect(answer.status, `${subject.name} ${answer.text}`).toBe(subject.success ?? 200);
        const calls = service.simulator.ledger.of(subject.operation);
        expect(calls.length, subject.name).toBeGreaterThan(0);
        const { path, query, body } = calls.at(-1) ?? {};
        expect(decodeURIComponent(JSON.stringify([path, query, body])), subject.name).toContain(target);
        if (subject.success === 201)
          expect(answer.json, subject.name).toMatchObject({ to: target, status: 'accepted' });
      }
    },
  );

  it('gets a template in a call of its own, with the channel, and without a client id', async () => {
    const to = bsuids[1];
    const body = {
      to,
      template: 'order_update',
      parameters: { customer_name: 'Asha', order_id: '1', order_status: 'sent' },
    };
    const answer = await service.ask('POST', '/v1/messages/template', { json: body });
    expect(answer.status).toBe(201);
    expect(answer.json).not.toHaveProperty('localMessageId');
    expect(service.simulator.ledger.of('sendTemplateMessageV1')).toMatchObject([
      {
        query: {},
        body: {
          target: to,
          template_name: 'order_update',
          broadcast_name: 'order_update',
          channel_number: '14155550199',
          parameters: [
            { name: 'customer_name', value: 'Asha' },
            { name: 'order_id', value: '1' },
            { name: 'order_status', value: 'sent' },
          ],
        },
      },
    ]);
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toEqual([]);
    service.simulator.script('sendTemplateMessageV1', { body: { result: true, validWhatsAppNumber: false } });
    const refused = await service.ask('POST', '/v1/messages/template', { json: body });
    expect(refused.json).toMatchObject({ type: problem('recipient-invalid'), outcome: 'rejected' });
  });

  it('is a 404 for a contact that WATI does not know, or does not let us find', async () => {
    for (const subject of contact('f'.repeat(24)).concat(contact('US.9999999999'))) {
      expect((await askFor(service, subject)).json, subject.name).toMatchObject({ type: problem('not-found') });
    }
    service.simulator.tenant.settings.v3 = false;
    expect((await service.ask('GET', `/v1/contacts/${contactId}`)).json).toMatchObject({ type: problem('not-found') });
    const found = { id: 'x', wAid: '14155550120', bsuid: bsuids[0], fullName: 'Asha' };
    for (const more of [{}, { bsuid: 'other', parentBsuid: bsuids[0] }]) {
      service.simulator.script('getContacts', {
        body: { result: 'success', contact_list: [{ id: 'y' }, { ...found, ...more }] },
      });
      expect((await service.ask('GET', `/v1/contacts/${bsuids[0]}`)).json).toMatchObject({ id: 'x', name: 'Asha' });
    }
  });

  it.each([401, 403, 404, 400])(
    'of a contact is looked up in the older API if the newer answers %i',
    async (status) => {
      service.simulator.script('getContactV3', { status, body: 'no', contentType: 'text/plain' });
      const contact_list = [{ id: contactId, wAid: '14155550120' }];
      service.simulator.script('getContacts', { body: { result: 'success', contact_list } });
      expect(await service.ask('GET', `/v1/contacts/${contactId}`)).toMatchObject({
        status: 200,
        json: { id: contactId },
      });
    },
  );

  it('never leads to another contact than the requested one', async () => {
    service.simulator.script('getContactV3', { body: { id: 'other', wa_id: '1', bsuid: 'US.1' } });
    expect((await service.ask('GET', `/v1/contacts/${contactId}`)).status).toBe(404);
  });

  it.each([
    'us.123',
    'US.',
    'USA.123',
    'US.ENT.',
    `US.${'9'.repeat(129)}`,
    'US.12-3',
    'US.EXT.1',
    'F'.repeat(24),
    'f'.repeat(23),
  ])('is none as %.30s', async (target) => {
    for (const subject of [...conversation(target), ...contact(target), ...sends(target)]) {
      expect((await askFor(service, subject)).json, subject.name).toMatchObject({
        type: problem('validation-failed'),
      });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});
