import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { callersOwnHeaders, fields, seededConnection, upstreamHeaders } from './outcomes.ts';
import { get, list, preview } from './templates-subjects.ts';

describe('templates', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection, TEMPLATE_CACHE_MS: '0' } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each([list, get, preview])('$name reads the list once, and passes nothing of the caller’s on', async (subject) => {
    const answer = await service.ask(subject.method, subject.path, { ...subject.ask, headers: callersOwnHeaders });
    expect(answer.status).toBe(200);
    const { entries } = service.simulator.ledger;
    expect(entries.map(({ method, path, query, body, headers }) => ({ method, path, query, body, headers }))).toEqual([
      {
        method: 'GET',
        path: '/api/v1/getMessageTemplates',
        query: { pageSize: '100', pageNumber: '1' },
        body: undefined,
        headers: upstreamHeaders(service, 'keep-alive'),
      },
    ]);
  });

  it('returns a template with our field names, parameters in body order and without unused ones', async () => {
    const answer = await service.ask('GET', '/v1/templates/invoice_ready');
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/),
      name: 'invoice_ready',
      status: 'approved',
      category: 'UTILITY',
      language: 'en',
      parameters: ['name', 'invoice_no', 'amount'],
      header: { type: 'text', text: 'Your invoice' },
      body: 'Hello {{name}}, invoice {{invoice_no}} over {{amount}} is ready.',
      footer: 'Reply STOP to opt out',
      buttons: [
        { type: 'url', text: 'Open', url: 'https://example.com/invoices' },
        { type: 'quick_reply', text: 'Call me back' },
      ],
    });
  });

  it.each([
    ['', 18, 18],
    ['?status=APPROVED', 13, 13],
    ['?status=deleted', 1, 1],
    ['?language=de', 2, 2],
    ['?name=ORDER', 2, 2],
    ['?name=order&status=approved&page=2&pageSize=1', 1, 2],
    ['?page=9', 0, 18],
    ['?status=none', 0, 0],
  ])('GET /v1/templates%s has %i of %i', async (query, count, total) => {
    const answer = await service.ask('GET', `/v1/templates${query}`);
    expect(answer.json).toMatchObject({ page: { total } });
    expect(fields(answer.json).data).toHaveLength(count);
    expect(answer.headers.age).toBe('0');
  });

  it('is a 404 for part of a name, and for another case', async () => {
    for (const name of ['order', 'Welcome', 'nope', '__proto__']) {
      expect((await service.ask('GET', `/v1/templates/${name}`)).json).toMatchObject({ type: problem('not-found') });
      const tried = await service.ask('POST', `/v1/templates/${name}/preview`, { json: {} });
      expect(tried.json).toMatchObject({ type: problem('not-found') });
    }
  });

  it('previews what the customer would see', async () => {
    const parameters = { amount: '$& {{name}} 5 €', invoice_no: '7', name: 'Asha' };
    const answer = await service.ask('POST', '/v1/templates/invoice_ready/preview', { json: { parameters } });
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        template: 'invoice_ready',
        language: 'en',
        header: 'Your invoice',
        body: 'Hello Asha, invoice 7 over $& {{name}} 5 € is ready.',
        footer: 'Reply STOP to opt out',
        buttons: [
          { type: 'url', text: 'Open', url: 'https://example.com/invoices' },
          { type: 'quick_reply', text: 'Call me back' },
        ],
      },
    ]);
  });

  const given = { customer_name: ' ', order_status: 'a\nb', extra: 'x', 'a/b~c': 'y' };
  const faults = [
    { pointer: '/parameters/customer_name', detail: 'is blank' },
    { pointer: '/parameters/order_id', detail: 'is missing' },
    { pointer: '/parameters/order_status', detail: 'has a line break or a tab, which WhatsApp refuses' },
    {
      pointer: '/parameters/extra',
      detail: 'is not a parameter of this template; it takes customer_name, order_id, order_status',
    },
    {
      pointer: '/parameters/a~1b~0c',
      detail: 'is not a parameter of this template; it takes customer_name, order_id, order_status',
    },
  ];
  it.each([
    ['preview', '/v1/templates/order_update/preview', { parameters: given }],
    ['send', '/v1/messages/template', { to: '14155551000', template: 'order_update', parameters: given }],
  ])('lists every fault of the parameters on %s, and sends nothing', async (_name, path, json) => {
    const answer = await service.ask('POST', path, { json });
    expect(answer.json).toMatchObject({ type: problem('template-parameters-invalid'), status: 422, retryable: false });
    expect(fields(answer.json).errors).toEqual(faults);
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toEqual([]);
    expect(answer.headers.location).toBeUndefined();
  });

  it.each([
    ['a missing', {}, 'is missing'],
    ['an empty', { '1': '' }, 'is blank'],
    ['a blank', { '1': ' \u00a0' }, 'is blank'],
    ['a value with a line break in a', { '1': 'a\rb' }, 'has a line break or a tab, which WhatsApp refuses'],
    ['a value with a tab in a', { '1': 'a\tb' }, 'has a line break or a tab, which WhatsApp refuses'],
    ['a value with four spaces in a', { '1': 'a    b' }, 'has four or more spaces in a row, which WhatsApp refuses'],
  ])('refuses %s parameter before anything is sent', async (_name, parameters, detail) => {
    const json = { to: '14155551000', template: 'otp_code', parameters };
    const answer = await service.ask('POST', '/v1/messages/template', { json });
    expect(answer.json).toMatchObject({
      type: problem('template-parameters-invalid'),
      errors: [{ pointer: '/parameters/1', detail }],
    });
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toEqual([]);
  });

  it('takes three spaces in a row', async () => {
    const json = { to: '14155551000', template: 'otp_code', parameters: { '1': 'a   b' } };
    expect((await service.ask('POST', '/v1/messages/template', { json })).status).toBe(201);
  });

  it.each([
    ['nope', 'WATI has no template "nope"'],
    ['new_promo', 'the template "new_promo" is pending, not approved'],
    ['bad_promo', 'the template "bad_promo" is rejected, not approved'],
    ['old_promo', 'the template "old_promo" is deleted, not approved'],
    ['paused_promo', 'the template "paused_promo" is paused, not approved'],
    ['draft_note', 'the template "draft_note" is draft, not approved'],
  ])('does not send %s, and says why', async (template, detail) => {
    const json = { to: '14155551000', template, parameters: { name: 'a', offer: 'b', date: 'c' } };
    const answer = await service.ask('POST', '/v1/messages/template', { json });
    expect(answer.json).toMatchObject({ type: problem('template-unknown'), status: 422, detail, retryable: false });
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toEqual([]);
  });

  it('follows the pages of a long list, and ends where a tenant repeats one', async () => {
    const page = (from: number, count: number) => ({
      messageTemplates: Array.from({ length: count }, (_, at) => ({
        id: `t${from + at}`,
        elementName: `t${from + at}`,
        status: 'APPROVED',
        body: 'x',
      })),
    });
    const total = async () => fields(fields((await service.ask('GET', '/v1/templates')).json).page).total;
    const calls = () => service.simulator.ledger.of('getMessageTemplates').map(({ query }) => query.pageNumber);
    const { simulator } = service;
    simulator.script('getMessageTemplates', { body: page(0, 100) }, { body: page(100, 30) });
    expect([await total(), calls()]).toEqual([130, ['1', '2']]);
    simulator.ledger.clear();
    simulator.script('getMessageTemplates', { body: page(0, 100) }, { body: page(0, 100) });
    expect([await total(), calls()]).toEqual([100, ['1', '2']]);
  });
});
