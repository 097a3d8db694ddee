import assert, { ok } from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { operations, paths } from './generated/schema.ts';

/** Every operation of the document, called without a cast, against the sandbox: `node every-operation.ts ADDRESS KEY`. */
const [baseUrl = 'http://127.0.0.1:3000', key = 'sandbox-key-of-nobody'] = process.argv.slice(2);
const { GET, POST, PUT, PATCH, DELETE } = createClient<paths>({
  baseUrl,
  headers: { authorization: `Bearer ${key}` },
});

const to = '14155550100';
const recipient = { params: { path: { recipient: to } } };
const keyed = (name: string) => ({ 'idempotency-key': `ts-${name}-${crypto.randomUUID()}` });
const parameters = { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' };
const formOf = (name: string) => (body: { file: Blob }) => {
  const form = new FormData();
  form.set('file', body.file, name);
  return form;
};
const csv = new Blob([`Phone,${Object.keys(parameters)}\n${to},${Object.values(parameters)}\n`], { type: 'text/csv' });
const pdf = new Blob(['%PDF-1.4\nhello'], { type: 'application/pdf' });

const message = await POST('/v1/messages/text', { body: { to, text: 'Hello.' } });
ok(message.data);
const ofMessage = { params: { path: { id: message.data.id } } };
const broadcast = await POST('/v1/broadcasts', {
  params: { header: keyed('broadcast') },
  body: { template: 'order_update', broadcastName: 'clients', recipients: [{ to, parameters }] },
});
ok(broadcast.data);
const ofBroadcast = { params: { path: { id: broadcast.data.id } } };
const connection = await POST('/v1/connections', { body: {} });
ok(connection.data);
const ofConnection = { params: { path: { id: connection.data.id } } };
const native = { params: { path: { path: 'api/v1/chatbots' } } };

// Nobody listens there: what is asked of it is answered all the same.
const receiver = { url: 'http://127.0.0.1:9/', types: ['message.*'] };
const endpoint = await POST('/v1/webhook-endpoints', { body: receiver });
ok(endpoint.data);
const ofEndpoint = { params: { path: { id: endpoint.data.id } } };
const events = await GET('/v1/events', { params: { header: { Prefer: 'wait=5' } } });
const event = events.data?.data[0];
ok(event);

type Called = Promise<{ response: Response; error?: unknown }>;

/** By operationId: one that is new in the document is missed by the compiler. `receiveEvent` is what a receiver of webhooks answers. */
const calls: Record<Exclude<keyof operations, 'receiveEvent'>, () => Called> = {
  sendText: async () => message,
  sendFileLink: () => POST('/v1/messages/file-link', { body: { to, url: 'https://example.com/invoice.pdf' } }),
  sendButtons: () =>
    POST('/v1/messages/buttons', {
      body: { to, body: 'Today?', header: { type: 'text', text: 'Delivery' }, buttons: [{ text: 'Yes' }] },
    }),
  sendList: () =>
    POST('/v1/messages/list', {
      body: { to, body: 'When?', buttonText: 'Choose', sections: [{ title: 'Monday', rows: [{ title: '9:00' }] }] },
    }),
  sendTemplate: () => POST('/v1/messages/template', { body: { to, template: 'order_update', parameters } }),
  sendFile: () =>
    POST('/v1/messages/file', { params: { query: { to } }, body: { file: pdf }, bodySerializer: formOf('a.pdf') }),
  listMessages: () => GET('/v1/messages', { params: { query: { status: 'accepted', limit: 2 } } }),
  getMessage: () => GET('/v1/messages/{id}', ofMessage),
  reconcileMessage: () => POST('/v1/messages/{id}/reconcile', ofMessage),
  resendMessage: () => POST('/v1/messages/{id}/resend', { ...ofMessage, body: { reason: 'asked for' } }),
  createBroadcast: async () => broadcast,
  importBroadcast: () =>
    POST('/v1/broadcasts/import', {
      params: { query: { template: 'order_update', broadcastName: 'clients' }, header: keyed('import') },
      body: { file: csv },
      bodySerializer: formOf('a.csv'),
    }),
  sendTemplateCsv: () =>
    POST('/v1/broadcasts/csv', {
      params: { query: { template: 'order_update', broadcastName: 'clients' }, header: keyed('csv') },
      body: { file: csv },
      bodySerializer: formOf('a.csv'),
    }),
  listBroadcasts: () => GET('/v1/broadcasts'),
  getBroadcast: () => GET('/v1/broadcasts/{id}', ofBroadcast),
  streamBroadcast: () => GET('/v1/broadcasts/{id}/events', { ...ofBroadcast, parseAs: 'text' }),
  pauseBroadcast: () => POST('/v1/broadcasts/{id}/pause', ofBroadcast),
  resumeBroadcast: () => POST('/v1/broadcasts/{id}/resume', ofBroadcast),
  cancelBroadcast: () => POST('/v1/broadcasts/{id}/cancel', ofBroadcast),
  reconcileBroadcast: () => POST('/v1/broadcasts/{id}/reconcile', ofBroadcast),
  listEvents: async () => events,
  getEvent: () => GET('/v1/events/{id}', { params: { path: { id: event.id } } }),
  streamEvents: async () => {
    const { response } = await GET('/v1/events/stream', {
      params: { query: { lastEventId: 'earliest' } },
      parseAs: 'stream',
    });
    await response.body?.cancel();
    return { response };
  },
  createWebhookEndpoint: async () => endpoint,
  listWebhookEndpoints: () => GET('/v1/webhook-endpoints'),
  getWebhookEndpoint: () => GET('/v1/webhook-endpoints/{id}', ofEndpoint),
  updateWebhookEndpoint: () =>
    PATCH('/v1/webhook-endpoints/{id}', { ...ofEndpoint, body: { description: 'of the clients' } }),
  rotateWebhookSecret: () =>
    POST('/v1/webhook-endpoints/{id}/rotate-secret', { ...ofEndpoint, body: { overlapHours: 1 } }),
  testWebhookEndpoint: () => POST('/v1/webhook-endpoints/{id}/test', ofEndpoint),
  listWebhookDeliveries: () => GET('/v1/webhook-endpoints/{id}/deliveries', ofEndpoint),
  replayWebhookEvents: () =>
    POST('/v1/webhook-endpoints/{id}/replay', { ...ofEndpoint, body: { since: '2026-11-02T09:30:00Z' } }),
  deleteWebhookEndpoint: () => DELETE('/v1/webhook-endpoints/{id}', ofEndpoint),
  listTemplates: () => GET('/v1/templates', { params: { query: { status: 'approved' } } }),
  getTemplate: () => GET('/v1/templates/{name}', { params: { path: { name: 'order_update' } } }),
  previewTemplate: () =>
    POST('/v1/templates/{name}/preview', { params: { path: { name: 'order_update' } }, body: { parameters } }),
  listContacts: () => GET('/v1/contacts', { params: { query: { attribute: ['member:==:VIP'] } } }),
  getContact: () => GET('/v1/contacts/{recipient}', recipient),
  putContact: () => PUT('/v1/contacts/{recipient}', { ...recipient, body: { attributes: { city: 'Pune' } } }),
  updateContact: () => PATCH('/v1/contacts/{recipient}', { ...recipient, body: { attributes: { city: 'Pune' } } }),
  getConversation: () => GET('/v1/conversations/{recipient}', recipient),
  listConversationMessages: () => GET('/v1/conversations/{recipient}/messages', recipient),
  assignOperator: () => PUT('/v1/conversations/{recipient}/operator', { ...recipient, body: { bot: true } }),
  setConversationStatus: () => PUT('/v1/conversations/{recipient}/status', { ...recipient, body: { status: 'open' } }),
  getMedia: () =>
    GET('/v1/media', {
      params: { query: { path: 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png' } },
      parseAs: 'blob',
    }),
  listConnections: () => GET('/v1/connections', { params: { query: { status: 'active' } } }),
  createConnection: async () => connection,
  getConnection: () => GET('/v1/connections/{id}', ofConnection),
  deleteConnection: () => DELETE('/v1/connections/{id}', ofConnection),
  callNative: () => GET('/v1/native/{path}', { ...native, parseAs: 'blob' }),
  callNativePost: () => POST('/v1/native/{path}', native),
  callNativePut: () => PUT('/v1/native/{path}', native),
  callNativePatch: () => PATCH('/v1/native/{path}', native),
  callNativeDelete: () => DELETE('/v1/native/{path}', native),
  listAllBroadcasts: () => GET('/v1/operations/broadcasts', { params: { query: { limit: 2 } } }),
  pauseAnyBroadcast: () => POST('/v1/operations/broadcasts/{id}/pause', ofBroadcast),
  resumeAnyBroadcast: () => POST('/v1/operations/broadcasts/{id}/resume', ofBroadcast),
  cancelAnyBroadcast: () => POST('/v1/operations/broadcasts/{id}/cancel', ofBroadcast),
  listAllMessages: () => GET('/v1/operations/messages', { params: { query: { limit: 2 } } }),
  cancelAnyMessage: () => POST('/v1/operations/messages/{id}/cancel', ofMessage),
  reconcileAnyMessage: () => POST('/v1/operations/messages/{id}/reconcile', ofMessage),
  resendAnyMessage: () => POST('/v1/operations/messages/{id}/resend', { ...ofMessage, body: { reason: 'asked for' } }),
  reconcileAnyBroadcast: () => POST('/v1/operations/broadcasts/{id}/reconcile', ofBroadcast),
  listUnknown: () => GET('/v1/operations/unknown'),
  getAnyMessage: () => GET('/v1/operations/messages/{id}', ofMessage),
  getBudget: () => GET('/v1/operations/budget'),
  streamOperations: async () => {
    const { response } = await GET('/v1/operations/stream', { parseAs: 'stream' });
    await response.body?.cancel();
    return { response };
  },
  getOverview: () => GET('/v1/operations/overview'),
  listCallers: () => GET('/v1/operations/callers'),
  cancelCaller: () => POST('/v1/operations/callers/{id}/cancel', { params: { path: { id: 'sandbox' } } }),
  getSending: () => GET('/v1/operations/sending'),
  putSending: () => PUT('/v1/operations/sending', { body: { stopped: {}, reason: 'nothing is stopped' } }),
  erasePerson: () => POST('/v1/operations/erase', { body: { to, dryRun: true } }),
  getLiveness: () => GET('/health/live'),
  getReadiness: () => GET('/health/ready'),
  getMetrics: () => GET('/metrics', { parseAs: 'text' }),
  listProblemTypes: () => GET('/problems'),
  getProblemType: () => GET('/problems/{slug}', { params: { path: { slug: 'not-found' } } }),
};

/** What the state of things refuses: the message was sent, the broadcast is over, the sandbox names one native call. */
const refused: Record<string, number> = {
  resendMessage: 409,
  pauseBroadcast: 409,
  resumeBroadcast: 409,
  cancelBroadcast: 409,
  pauseAnyBroadcast: 409,
  resumeAnyBroadcast: 409,
  cancelAnyBroadcast: 409,
  callNativePost: 403,
  callNativePut: 403,
  callNativePatch: 403,
  callNativeDelete: 403,
};

for (const [id, call] of Object.entries(calls)) {
  const { response, error } = await call();
  const { status } = response;
  assert(refused[id] === undefined ? response.ok : status === refused[id], `${id}: ${status} ${JSON.stringify(error)}`);
}
console.log(`every operation: ${Object.keys(calls).length} called without a cast`);
