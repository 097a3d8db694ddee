import assert, { ok } from 'node:assert/strict';
import * as sdk from 'wati-bff-client';

/** Every operation of the document, called without a cast, against the sandbox: `node every-operation.ts ADDRESS KEY`. */
const [baseUrl = 'http://127.0.0.1:3000', auth = 'sandbox-key-of-nobody'] = process.argv.slice(2);
sdk.client.setConfig({ baseUrl, auth });

const to = '14155550100';
const recipient = { path: { recipient: to } };
const keyed = (name: string) => ({ 'idempotency-key': `ts-${name}-${crypto.randomUUID()}` });
const parameters = { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' };
const rows = `Phone,${Object.keys(parameters)}\n${to},${Object.values(parameters)}\n`;
const csv = new File([rows], 'a.csv', { type: 'text/csv' });
const pdf = new File(['%PDF-1.4\nhello'], 'a.pdf', { type: 'application/pdf' });

const message = await sdk.sendText({ body: { to, text: 'Hello.' } });
ok(message.data);
const ofMessage = { path: { id: message.data.id } };
const broadcast = await sdk.createBroadcast({
  headers: keyed('broadcast'),
  body: { template: 'order_update', broadcastName: 'clients', recipients: [{ to, parameters }] },
});
ok(broadcast.data && 'id' in broadcast.data);
const ofBroadcast = { path: { id: broadcast.data.id } };
// Before any state that it asks about, so that it is neither sent nor over.
const later = await sdk.sendText({
  body: { to, text: 'Tomorrow.', sendAt: new Date(Date.now() + 86_400_000).toISOString() },
});
ok(later.data);
const ofLater = { path: { id: later.data.id } };
const connection = await sdk.createConnection({ body: {} });
ok(connection.data);
const ofConnection = { path: { id: connection.data.id } };
const native = { path: { path: 'api/v1/chatbots' } };

// Nobody listens there: what is asked of it is answered all the same.
const receiver = { url: 'http://127.0.0.1:9/', types: ['message.*'] };
const endpoint = await sdk.createWebhookEndpoint({ body: receiver });
ok(endpoint.data);
const ofEndpoint = { path: { id: endpoint.data.id } };
const events = await sdk.listEvents({ headers: { Prefer: 'wait=5' } });
const event = events.data?.data[0];
ok(event);

type Called = Promise<{ response?: Response; error?: unknown }>;
type Operation = {
  [Name in keyof typeof sdk]: (typeof sdk)[Name] extends (options: never) => Promise<unknown> ? Name : never;
}[keyof typeof sdk];

/** A stream is an iterator: what comes first has come when the service has answered. Its signal ends the connection. */
async function firstOf(open: (signal: AbortSignal) => Promise<{ stream: AsyncGenerator<unknown, void> }>) {
  const ending = new AbortController();
  const { stream } = await open(ending.signal);
  const { done } = await stream.next();
  ending.abort();
  return done ? {} : { response: new Response() };
}

/** By operationId: one that is new in the document is missed by the compiler. */
const calls: Record<Operation, () => Called> = {
  sendText: async () => message,
  sendFileLink: () => sdk.sendFileLink({ body: { to, url: 'https://example.com/invoice.pdf' } }),
  sendButtons: () =>
    sdk.sendButtons({
      body: { to, body: 'Today?', header: { type: 'text', text: 'Delivery' }, buttons: [{ text: 'Yes' }] },
    }),
  sendList: () =>
    sdk.sendList({
      body: { to, body: 'When?', buttonText: 'Choose', sections: [{ title: 'Monday', rows: [{ title: '9:00' }] }] },
    }),
  sendTemplate: () => sdk.sendTemplate({ body: { to, template: 'order_update', parameters } }),
  sendFile: () => sdk.sendFile({ query: { to }, body: { file: pdf } }),
  listMessages: () => sdk.listMessages({ query: { status: 'accepted', limit: 2 } }),
  getMessage: () => sdk.getMessage(ofMessage),
  reconcileMessage: () => sdk.reconcileMessage(ofMessage),
  resendMessage: () => sdk.resendMessage({ ...ofMessage, body: { reason: 'asked for' } }),
  cancelMessage: () => sdk.cancelMessage(ofLater),
  createBroadcast: async () => broadcast,
  importBroadcast: () =>
    sdk.importBroadcast({
      query: { template: 'order_update', broadcastName: 'clients' },
      headers: keyed('import'),
      body: { file: csv },
    }),
  sendTemplateCsv: () =>
    sdk.sendTemplateCsv({
      query: { template: 'order_update', broadcastName: 'clients' },
      headers: keyed('csv'),
      body: { file: csv },
    }),
  listBroadcasts: () => sdk.listBroadcasts(),
  getBroadcast: () => sdk.getBroadcast(ofBroadcast),
  streamBroadcast: () => firstOf((signal) => sdk.streamBroadcast({ ...ofBroadcast, signal })),
  pauseBroadcast: () => sdk.pauseBroadcast(ofBroadcast),
  resumeBroadcast: () => sdk.resumeBroadcast(ofBroadcast),
  cancelBroadcast: () => sdk.cancelBroadcast(ofBroadcast),
  reconcileBroadcast: () => sdk.reconcileBroadcast(ofBroadcast),
  resendBroadcast: () =>
    sdk.resendBroadcast({ ...ofBroadcast, headers: keyed('resend'), body: { reason: 'asked for' } }),
  reportBroadcast: () => sdk.reportBroadcast({ ...ofBroadcast, parseAs: 'text' }),
  listEvents: async () => events,
  getEvent: () => sdk.getEvent({ path: { id: event.id } }),
  streamEvents: () => firstOf((signal) => sdk.streamEvents({ query: { lastEventId: 'earliest' }, signal })),
  createWebhookEndpoint: async () => endpoint,
  listWebhookEndpoints: () => sdk.listWebhookEndpoints(),
  getWebhookEndpoint: () => sdk.getWebhookEndpoint(ofEndpoint),
  updateWebhookEndpoint: () => sdk.updateWebhookEndpoint({ ...ofEndpoint, body: { description: 'of the clients' } }),
  rotateWebhookSecret: () => sdk.rotateWebhookSecret({ ...ofEndpoint, body: { overlapHours: 1 } }),
  testWebhookEndpoint: () => sdk.testWebhookEndpoint(ofEndpoint),
  listWebhookDeliveries: () => sdk.listWebhookDeliveries(ofEndpoint),
  replayWebhookEvents: () => sdk.replayWebhookEvents({ ...ofEndpoint, body: { since: '2026-11-02T09:30:00Z' } }),
  deleteWebhookEndpoint: () => sdk.deleteWebhookEndpoint(ofEndpoint),
  listTemplates: () => sdk.listTemplates({ query: { status: 'approved' } }),
  getTemplate: () => sdk.getTemplate({ path: { name: 'order_update' } }),
  previewTemplate: () => sdk.previewTemplate({ path: { name: 'order_update' }, body: { parameters } }),
  listContacts: () => sdk.listContacts({ query: { attribute: ['member:==:VIP'] } }),
  getContact: () => sdk.getContact(recipient),
  putContact: () => sdk.putContact({ ...recipient, body: { attributes: { city: 'Pune' } } }),
  updateContact: () => sdk.updateContact({ ...recipient, body: { attributes: { city: 'Pune' } } }),
  getConversation: () => sdk.getConversation(recipient),
  listConversationMessages: () => sdk.listConversationMessages(recipient),
  assignOperator: () => sdk.assignOperator({ ...recipient, body: { bot: true } }),
  setConversationStatus: () => sdk.setConversationStatus({ ...recipient, body: { status: 'open' } }),
  getMedia: () =>
    sdk.getMedia({
      query: { path: 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png' },
      parseAs: 'blob',
    }),
  listConnections: () => sdk.listConnections({ query: { status: 'active' } }),
  createConnection: async () => connection,
  getConnection: () => sdk.getConnection(ofConnection),
  deleteConnection: () => sdk.deleteConnection(ofConnection),
  callNative: () => sdk.callNative({ ...native, parseAs: 'blob' }),
  callNativePost: () => sdk.callNativePost(native),
  callNativePut: () => sdk.callNativePut(native),
  callNativePatch: () => sdk.callNativePatch(native),
  callNativeDelete: () => sdk.callNativeDelete(native),
  listAllBroadcasts: () => sdk.listAllBroadcasts({ query: { limit: 2 } }),
  pauseAnyBroadcast: () => sdk.pauseAnyBroadcast(ofBroadcast),
  resumeAnyBroadcast: () => sdk.resumeAnyBroadcast(ofBroadcast),
  cancelAnyBroadcast: () => sdk.cancelAnyBroadcast(ofBroadcast),
  getAnyBroadcast: () => sdk.getAnyBroadcast(ofBroadcast),
  reportAnyBroadcast: () => sdk.reportAnyBroadcast({ ...ofBroadcast, parseAs: 'text' }),
  reconcileAnyBroadcast: () => sdk.reconcileAnyBroadcast(ofBroadcast),
  getAnyMessage: () => sdk.getAnyMessage(ofMessage),
  cancelAnyMessage: () => sdk.cancelAnyMessage(ofMessage),
  reconcileAnyMessage: () => sdk.reconcileAnyMessage(ofMessage),
  resendAnyMessage: () => sdk.resendAnyMessage({ ...ofMessage, body: { reason: 'asked for' } }),
  listUnknown: () => sdk.listUnknown(),
  getBudget: () => sdk.getBudget(),
  streamOperations: () => firstOf((signal) => sdk.streamOperations({ signal })),
  listAllMessages: () => sdk.listAllMessages({ query: { limit: 2 } }),
  getOverview: () => sdk.getOverview(),
  listCallers: () => sdk.listCallers(),
  cancelCaller: () => sdk.cancelCaller({ path: { id: 'sandbox' } }),
  getSending: () => sdk.getSending(),
  putSending: () => sdk.putSending({ body: { stopped: {}, reason: 'nothing is stopped' } }),
  erasePerson: () => sdk.erasePerson({ body: { to, dryRun: true } }),
  getLiveness: () => sdk.getLiveness(),
  getReadiness: () => sdk.getReadiness(),
  getMetrics: () => sdk.getMetrics({ parseAs: 'text' }),
  listProblemTypes: () => sdk.listProblemTypes(),
  getProblemType: () => sdk.getProblemType({ path: { slug: 'not-found' } }),
};

/** What the state of things refuses: the message was sent, the broadcast is over, the sandbox names one native call. */
const refused: Record<string, number> = {
  resendMessage: 409,
  resendAnyMessage: 409,
  cancelAnyMessage: 409,
  resendBroadcast: 409,
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
  const isAsExpected = refused[id] === undefined ? response?.ok : response?.status === refused[id];
  assert(isAsExpected, `${id}: ${response?.status} ${JSON.stringify(error)}`);
}
console.log(`every operation: ${Object.keys(calls).length} called without a cast`);
