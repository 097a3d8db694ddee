import { describe, expect, test } from 'vitest';
import { started } from './helper.ts';

describe('session messages', () => {
  test('arrive inside the window, with the id of the caller, and can be read back', async () => {
    const now = Date.now();
    const { simulator, gateway, text } = await started({ now: () => now });
    const sent = await text('14155551001', { localMessageId: 'mine-1', replyContextId: 'wamid.x' });
    expect(sent.json()).toMatchObject({
      ok: true,
      result: 'success',
      message: { localMessageId: 'mine-1', text: 'Hello' },
    });
    const byId = await gateway('/api/v1/whatsApp/messages/14155550999/mine-1');
    expect(byId.json()).toMatchObject({ localMessageId: 'mine-1', statusString: 'SENT', owner: true });
    expect((await gateway('/api/v1/whatsApp/messages/14155550999/other')).status).toBe(404);
    const history = await gateway('/api/v1/getMessages/14155551001', { query: { pageSize: '1' } });
    expect(history.json()).toMatchObject({ messages: { items: [{ localMessageId: 'mine-1' }] }, link: { total: 2 } });
    expect(simulator.violations).toEqual([]);
  });

  test('reach a contact by its id and by its BSUID', async () => {
    const { simulator, text } = await started();
    const id = simulator.tenant.contacts.get('14155551001')?.id ?? '';
    expect((await text(id)).json()).toMatchObject({ ok: true });
    expect((await text('US.123124141512')).json()).toMatchObject({ ok: true });
  });

  test('are refused outside the window until the customer writes again', async () => {
    const { simulator, text } = await started();
    const closed = { result: false, message: 'Ticket has been expired.', ticketStatus: 'CLOSED' };
    expect((await text('14155551010')).json()).toEqual(closed);
    expect((await text('14155551050')).json()).toEqual(closed);
    expect((await text('15005550006')).json()).toEqual({ result: false, info: "Can't find Contact" });
    expect(simulator.ledger.entries.every((entry) => entry.status === 200 && !entry.processed)).toBe(true);
    simulator.tenant.receive('14155551010', 'Still there?');
    expect((await text('14155551010')).json()).toMatchObject({ ok: true });
  });

  test('in a JSON body have no text, in a form only for a lenient tenant', async () => {
    const { simulator, gateway } = await started();
    const path = '/api/v1/sendSessionMessage/14155551000';
    const empty = { result: false, info: 'message text can not be empty' };
    expect((await gateway(path, { method: 'POST', json: { messageText: 'Hi' } })).json()).toEqual(empty);
    const form = { body: 'messageText=Hi', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    expect((await gateway(path, { method: 'POST', ...form })).json()).toEqual(empty);
    simulator.tenant.settings.lenientForm = true;
    expect((await gateway(path, { method: 'POST', ...form })).json()).toMatchObject({ message: { text: 'Hi' } });
    expect(simulator.violations).toContain('sendSessionMessage: has a body where all is in the path and the query');
  });

  test('with buttons and lists keep to the limits', async () => {
    const { simulator, gateway } = await started();
    const send = (kind: string, json: unknown) =>
      gateway(`/api/v1/sendInteractive${kind}Message`, {
        method: 'POST',
        query: { whatsappNumber: '14155551000' },
        json,
      });
    expect((await send('Buttons', { body: 'Now?', buttons: [{ text: 'Yes' }, { text: 'No' }] })).json()).toMatchObject({
      ok: true,
    });
    const list = { body: 'Pick', buttonText: 'Open', sections: [{ title: 'A', rows: [{ title: 'One' }] }] };
    expect((await send('List', list)).json()).toMatchObject({ ok: true });
    expect(simulator.violations).toEqual([]);
    expect((await send('Buttons', { body: 'Now?', buttons: [{ text: 'Yes' }, { text: 'Yes' }] })).status).toBe(400);
    expect((await send('Buttons', { body: 'Now?', buttons: [{ text: 'x'.repeat(21) }] })).json()).toMatchObject({
      items: [{ description: 'body buttons/0/text must not have more than 20 characters' }],
    });
    expect(simulator.violations).toHaveLength(2);
  });
});

describe('templates', () => {
  test('are listed in pages, in every state, with their parameters out of order', async () => {
    const { gateway } = await started();
    const page = await gateway('/api/v1/getMessageTemplates', { query: { pageSize: '5', pageNumber: '3' } });
    expect(page.json()).toMatchObject({
      messageTemplates: [
        { status: 'REJECTED' },
        { status: 'PAUSED' },
        { status: 'draft' },
        { elementName: 'feedback_request' },
        { elementName: 'parcel_photo' },
      ],
      link: { total: 18 },
    });
    const first = await gateway('/api/v1/getMessageTemplates', { query: { pageSize: '1', pageNumber: '1' } });
    expect(first.json()).toMatchObject({
      messageTemplates: [
        {
          elementName: 'order_update',
          body: 'Hi {{1}}, your order {{2}} {{3}}.',
          language: { key: 'en' },
          customParams: [
            { paramName: 'order_status' },
            { paramName: 'order_id' },
            { paramName: 'customer_name' },
            { paramName: '1' },
          ],
        },
      ],
    });
  });

  test('are sent one by one over v1 and v2', async () => {
    const { simulator, gateway } = await started();
    const json = { template_name: 'otp_code', broadcast_name: 'b', parameters: [{ name: '1', value: '42' }] };
    const send = (version: string, body: unknown = json) =>
      gateway(`/api/${version}/sendTemplateMessage`, {
        method: 'POST',
        query: { whatsappNumber: '15005550006' },
        json: body,
      });
    const v1 = await send('v1');
    const contact = simulator.tenant.contacts.get('15005550006');
    expect(v1.json()).toMatchObject({
      result: true,
      parameteres: json.parameters,
      model: { ids: [contact?.id] },
      validWhatsAppNumber: true,
    });
    expect((await send('v2')).json()).toMatchObject({
      result: true,
      error: null,
      receivers: [{ waId: '15005550006', isValidWhatsAppNumber: true, errors: [] }],
    });
    expect(simulator.violations).toEqual([]);
    const typo = 'Check your template, it cannot have typos or blank text';
    expect((await send('v1', { ...json, parameters: [] })).json()).toEqual({ result: false, info: typo });
    const blank = { ...json, parameters: [{ name: '1', value: ' ' }] };
    expect((await send('v2', blank)).json()).toMatchObject({ result: false, error: typo });
    expect((await send('v1', { ...json, template_name: 'new_promo' })).json()).toMatchObject({ result: false });
    expect(simulator.violations).toEqual(['sendTemplateMessageV2: body parameters "1" is blank']);
  });

  test('in bulk echo the id of the caller, and one bad value fails the whole chunk', async () => {
    const { simulator, gateway } = await started();
    const receiver = (whatsappNumber: string, value: string) => ({
      whatsappNumber,
      localMessageId: `id-${whatsappNumber}`,
      customParams: [{ name: '1', value }],
    });
    const send = (...receivers: unknown[]) =>
      gateway('/api/v2/sendTemplateMessages', {
        method: 'POST',
        json: { template_name: 'otp_code', broadcast_name: 'b', receivers },
      });
    expect((await send(receiver('15005550006', '1'), receiver('14155551022', '2'))).json()).toMatchObject({
      receivers: [
        { localMessageId: 'id-15005550006', isValidWhatsAppNumber: true },
        { localMessageId: 'id-14155551022', isValidWhatsAppNumber: false },
      ],
    });
    expect((await gateway('/api/v1/whatsApp/messages/14155550999/id-15005550006')).json()).toMatchObject({
      finalText: '1 is your code.',
      eventDescription: expect.stringContaining('using "otp_code" template'),
    });
    expect((await send(receiver('15005550007', '1'), receiver('15005550008', 'a\nb'))).json()).toMatchObject({
      result: false,
    });
    expect(simulator.tenant.contacts.has('15005550007')).toBe(false);
  });
});

describe('contacts', () => {
  test('come in pages and by name, number, attribute and day', async () => {
    const { simulator, gateway } = await started();
    const list = async (query: Record<string, string>) => (await gateway('/api/v1/getContacts', { query })).json();
    expect(await list({ pageSize: '50', pageNumber: '3' })).toMatchObject({
      contact_list: { length: 20 },
      link: { pageNumber: 3, total: 120, nextPage: null },
    });
    expect(await list({ pageNumber: '9' })).toMatchObject({ contact_list: [] });
    expect(await list({ name: '14155551021' })).toMatchObject({
      contact_list: [
        { wAid: '14155551021', bsuid: 'US.123124141512', created: expect.stringMatching(/^[A-Z][a-z]{2}-\d\d-\d{4}$/) },
      ],
    });
    const vip = JSON.stringify([{ name: 'member', operator: '==', value: 'VIP' }]);
    expect(await list({ attribute: vip })).toMatchObject({ link: { total: 12 } });
    const yesterday = new Date(Date.now() - 85 * 86_400_000).toISOString().slice(0, 10);
    expect(await list({ createdDate: yesterday })).toMatchObject({ link: { total: 5 } });
    expect(simulator.violations).toEqual([]);
    await list({ attribute: 'member:VIP' });
    expect(simulator.violations).toHaveLength(1);
  });

  test('are added once, updated, assigned and closed', async () => {
    const { simulator, gateway } = await started();
    const post = async (path: string, options: { json?: unknown; query?: Record<string, string> }) =>
      (await gateway(`/api/v1/${path}`, { method: 'POST', ...options })).json();
    const add = { json: { name: 'Zoe', customParams: [{ name: 'city', value: 'Rome' }] } };
    expect(await post('addContact/15005550006', add)).toMatchObject({ result: true, contact: { fullName: 'Zoe' } });
    expect(await post('addContact/15005550006', add)).toMatchObject({
      result: false,
      info: expect.stringContaining('already exists'),
    });
    const update = { json: { customParams: [{ name: 'city', value: 'Oslo' }] } };
    expect(await post('updateContactAttributes/15005550006', update)).toEqual({ result: true });
    expect(simulator.tenant.contacts.get('15005550006')?.attributes.get('city')).toBe('Oslo');
    expect(await post('updateContactAttributes/15005550007', update)).toMatchObject({ result: false });
    const assign = (email: string) => post('assignOperator', { query: { whatsappNumber: '15005550006', email } });
    expect(await assign('asha@example.com')).toEqual({ result: true });
    expect(await assign('nobody@example.com')).toMatchObject({ result: false });
    const status = { json: { whatsappNumber: '15005550006', ticketStatus: 'SOLVED' } };
    expect(await post('updateChatStatus', status)).toEqual({ result: true });
    expect(simulator.tenant.contacts.get('15005550006')).toMatchObject({
      operator: 'asha@example.com',
      ticketStatus: 'SOLVED',
    });
    expect(simulator.violations).toEqual([]);
  });

  test('have a history of messages and events, newest first', async () => {
    const { gateway } = await started();
    const answer = await gateway('/api/v1/getMessages/14155551000', { query: { pageSize: '100' } });
    expect(answer.json()).toMatchObject({
      messages: { items: expect.arrayContaining([expect.objectContaining({ eventType: 'ticket', owner: null })]) },
      link: { total: 37 },
    });
    expect((await gateway('/api/v1/getMessages/15005550006')).json()).toEqual({
      result: false,
      info: "Can't find Contact",
    });
  });
});

test('media come with their type, unknown ones as 404 or as a failure', async () => {
  const { simulator, gateway } = await started();
  const get = (fileName: string) => gateway('/api/v1/getMedia', { query: { fileName } });
  const image = await get('data/images/5f0c6a3e-0001-4000-8000-000000000001.png');
  expect(image.headers).toMatchObject({ 'content-type': 'image/png', 'content-length': '70' });
  expect((await get('data/videos/5f0c6a3e-0003-4000-8000-000000000003.mp4')).text).toHaveLength(5 * 1_048_576);
  expect((await get('data/images/none.png')).status).toBe(404);
  simulator.tenant.settings.missingMedia = 200;
  expect((await get('data/images/none.png')).json()).toMatchObject({ result: false });
});

test('a connection lives from PENDING to ACTIVE or FAILED to gone', async () => {
  const { simulator, control } = await started();
  expect((await control('/connections', { query: { app: 'wati', status: 'ACTIVE' } })).json()).toMatchObject({
    connections: [{ connection_id: '21fd90f9-5935-43cd-b6c8-bde9d915ca80', method: 'API_KEY', metadata: {} }],
  });
  const create = async () => {
    await control('/connections', { method: 'POST', json: { app: 'wati' } });
    return simulator.tenant.connections.at(-1)?.id ?? '';
  };
  const status = async (id: string) => (await control(`/connections/${id}`)).json();
  const id = await create();
  expect(await status(id)).toMatchObject({
    connection: { status: 'PENDING', url: expect.stringContaining('session_token=') },
  });
  const active = await status(id);
  expect(active).toMatchObject({ connection: { status: 'ACTIVE', creation_time: expect.stringMatching(/\.\d{6}Z$/) } });
  expect(JSON.stringify(active)).not.toContain('"method"');
  simulator.tenant.settings.connectionOutcome = 'FAILED';
  const failing = await create();
  await status(failing);
  expect(await status(failing)).toMatchObject({ connection: { status: 'FAILED' } });
  expect((await control(`/connections/${id}`, { method: 'DELETE' })).status).toBe(200);
  expect((await control(`/connections/${id}`)).status).toBe(404);
  expect(simulator.violations).toEqual([]);
});
