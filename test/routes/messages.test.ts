import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { callersOwnHeaders, fields, once, seededConnection, upstreamHeaders } from './outcomes.ts';

const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const channel = '14155550199';

interface Row {
  kind: string;
  json: Record<string, unknown>;
  path: string;
  query: object;
  body?: object;
  message?: object;
}

const rows: [name: string, row: Row][] = [
  [
    'a text',
    {
      kind: 'text',
      json: { to: '+14155551000', text: 'Grüße & 50 % + 1 = "ü"?#\n😀', replyTo: 'wamid.1/=+' },
      path: '/api/v1/sendSessionMessage/14155551000',
      query: {
        messageText: 'Grüße & 50 % + 1 = "ü"?#\n😀',
        localMessageId: uuid,
        replyContextId: 'wamid.1/=+',
        channelPhoneNumber: channel,
      },
      message: { localMessageId: uuid, whatsappMessageId: expect.stringMatching(/^wamid\./) },
    },
  ],
  [
    'a file by its address',
    {
      kind: 'file-link',
      json: { to: '14155551000', url: 'https://example.com/a b.pdf?x=1&y=2'.replace(' ', '%20'), caption: 'A & B' },
      path: '/api/v1/sendSessionFileViaUrl/14155551000',
      query: {
        fileUrl: 'https://example.com/a%20b.pdf?x=1&y=2',
        caption: 'A & B',
        channelPhoneNumber: channel,
      },
      message: { whatsappMessageId: expect.stringMatching(/^wamid\./) },
    },
  ],
  [
    'buttons under a document',
    {
      kind: 'buttons',
      json: {
        to: '14155551000',
        body: 'Shall we?',
        header: { type: 'document', url: 'https://example.com/a.pdf', fileName: 'a.pdf' },
        footer: 'Until noon',
        buttons: [{ text: 'Yes' }, { text: 'No' }],
      },
      path: '/api/v1/sendInteractiveButtonsMessage',
      query: { whatsappNumber: '14155551000', channelPhoneNumber: channel },
      body: {
        body: 'Shall we?',
        header: { type: 'Document', media: { url: 'https://example.com/a.pdf', fileName: 'a.pdf' } },
        footer: 'Until noon',
        buttons: [{ text: 'Yes' }, { text: 'No' }],
      },
      message: { whatsappMessageId: expect.stringMatching(/^wamid\./) },
    },
  ],
  [
    'a list',
    {
      kind: 'list',
      json: {
        to: '+14155551000',
        body: 'When?',
        header: 'Appointment',
        footer: 'Soon',
        buttonText: 'Choose',
        sections: [{ title: 'Monday', rows: [{ title: '9:00', description: 'first' }, { title: '10:00' }] }],
      },
      path: '/api/v1/sendInteractiveListMessage',
      query: { whatsappNumber: '14155551000', channelPhoneNumber: channel },
      body: {
        body: 'When?',
        header: 'Appointment',
        footer: 'Soon',
        buttonText: 'Choose',
        sections: [{ title: 'Monday', rows: [{ title: '9:00', description: 'first' }, { title: '10:00' }] }],
      },
      message: { whatsappMessageId: expect.stringMatching(/^wamid\./) },
    },
  ],
  [
    'a template',
    {
      kind: 'template',
      json: {
        to: '+14155551010',
        template: 'order_update',
        // Neither the order of the body nor that of the alphabet.
        parameters: { order_status: 'has shipped', customer_name: 'Asha', order_id: 'A-1' },
        broadcastName: 'Order confirmations',
      },
      path: '/api/v2/sendTemplateMessages',
      query: {},
      body: {
        template_name: 'order_update',
        broadcast_name: 'Order confirmations',
        receivers: [
          {
            whatsappNumber: '14155551010',
            localMessageId: uuid,
            customParams: [
              { name: 'order_status', value: 'has shipped' },
              { name: 'customer_name', value: 'Asha' },
              { name: 'order_id', value: 'A-1' },
            ],
          },
        ],
        channel_number: channel,
      },
      message: { localMessageId: uuid, template: 'order_update' },
    },
  ],
];

describe('sending', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { WATI_CHANNEL_NUMBER: channel, MATON_CONNECTION_ID: seededConnection } });
  });
  beforeEach(async () => {
    service.simulator.reset();
    await service.ask('GET', '/v1/templates');
    service.simulator.ledger.clear();
  });
  afterAll(() => service.close());

  it.each(rows)('puts %s into exactly one request, with nothing of the caller’s in it', async (_name, row) => {
    const answer = await service.ask('POST', `/v1/messages/${row.kind}`, {
      json: row.json,
      headers: callersOwnHeaders,
    });
    expect(answer.json).toEqual({
      id: uuid,
      kind: row.kind,
      to: String(row.json.to).replace('+', ''),
      connectionId: seededConnection,
      channel,
      status: 'accepted',
      attempts: 1,
      idempotencyKey: 'order-1',
      createdAt: isoTime,
      updatedAt: isoTime,
      ...row.message,
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe(`/v1/messages/${fields(answer.json).id}`);
    const { entries } = service.simulator.ledger;
    expect(entries.map(({ method, path, query, body, headers }) => ({ method, path, query, body, headers }))).toEqual([
      {
        method: 'POST',
        path: row.path,
        query: row.query,
        body: row.body,
        headers: upstreamHeaders(service, 'close', {
          'content-length': String(row.body ? JSON.stringify(entries[0]?.body).length : 0),
          ...(row.body && { 'content-type': 'application/json' }),
        }),
      },
    ]);
  });

  it('names the template where no broadcast name is given', async () => {
    await service.ask('POST', '/v1/messages/template', { json: { to: '14155551000', template: 'welcome' } });
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')[0]?.body).toMatchObject({
      broadcast_name: 'welcome',
      receivers: [{ customParams: [] }],
    });
  });

  it('gives each message an id of its own, and returns it', async () => {
    const texts = [1, 2].map(() =>
      service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } }),
    );
    const told = (await Promise.all(texts)).map(({ json }) => fields(json).localMessageId);
    const sent = service.simulator.ledger.of('sendSessionMessage').map(({ query }) => query.localMessageId);
    expect(new Set(told)).toEqual(new Set(sent));
    expect(new Set(sent).size).toBe(2);
  });

  it('reports that WATI sent the address of a file as a text', async () => {
    service.simulator.tenant.settings.mediaAsText = true;
    const json = { to: '14155551000', url: 'https://example.com/a.pdf' };
    const answer = await service.ask('POST', '/v1/messages/file-link', { json });
    expect(answer).toMatchObject({
      status: 201,
      json: { status: 'accepted', failure: { code: 'media-sent-as-text' } },
    });
  });

  it('keeps WATI’s reason, without the addresses in it', async () => {
    const info = 'Out of credit, see https://live-mt-server.wati.io/billing?t=1 or ask\nctrl.maton.ai';
    service.simulator.script('sendSessionMessage', { body: { result: false, info }, process: false });
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } });
    expect(answer.json).toEqual({
      type: problem('upstream-rejected'),
      title: 'WATI refused',
      status: 422,
      detail: 'WATI refused: the account, its plan or its credits do not allow it; upstream.detail has its words',
      instance: '/v1/messages/text',
      requestId: answer.headers['x-request-id'],
      retryable: false,
      outcome: 'rejected',
      upstream: { status: 200, detail: 'Out of credit, see [address] or ask [host]' },
    });
  });

  const receivers: [string, object[], number, string][] = [
    [
      'ours among others',
      [
        { waId: '4915112345678', errors: ['no'] },
        { waId: '14155551000', errors: [] },
      ],
      201,
      'accepted',
    ],
    ['ours by its id', [{ localMessageId: 'other', waId: '1' }, { waId: '+14155551000' }], 201, 'accepted'],
    ['others', [{ waId: '4915112345678' }, { waId: '4915112345679' }], 202, 'unknown'],
    ['one under a form of the number that is not ours', [{ waId: '551187654322' }], 201, 'accepted'],
    ['nobody', [], 202, 'unknown'],
    ['ours without WhatsApp', [{ waId: '14155551000', isValidWhatsAppNumber: false }], 422, 'recipient-invalid'],
    [
      'ours with an error',
      [{ waId: '14155551000', errors: [{ code: 1, message: 'Blocked' }] }],
      422,
      'upstream-rejected',
    ],
  ];
  it.each(receivers)(
    'uses the result of our receiver if the answer of a template names %s',
    async (_name, named, status, word) => {
      await once({ status: 200, body: { result: true, receivers: named } })(
        service.simulator,
        'sendTemplateMessagesV2',
      );
      const json = { to: '14155551000', template: 'welcome' };
      const answer = await service.ask('POST', '/v1/messages/template', { json });
      expect(answer.status).toBe(status);
      expect(answer.text).toContain(`${status < 300 ? '"' : '/problems/'}${word}"`);
      expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toHaveLength(1);
    },
  );
});
