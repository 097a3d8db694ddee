import type { Static } from 'typebox';
import { exampleIds } from './common.ts';
import type { WebhookDeliveryList, WebhookEndpoint, WebhookTest } from './webhook-endpoint.ts';
import type { QueuedReplay } from './webhook-replay.ts';

const at = '2026-11-02T09:30:00.000Z';

const endpoint: WebhookEndpoint = {
  id: exampleIds.endpoint,
  url: 'https://hooks.example.com/wati',
  types: ['message.delivered', 'message.failed'],
  description: 'orders, production',
  status: 'enabled',
  lastSuccessAt: at,
  lagSeconds: 0,
  parked: 0,
  failed: 0,
  createdAt: at,
  updatedAt: at,
};
const { lastSuccessAt: _, ...created } = endpoint;
/** Of no endpoint: base64 of words. */
const secret = 'whsec_RVhBTVBMRS1FWEFNUExFLUVYQU1QTEUtRVhBTVBMRSE=';

const tested: Static<typeof WebhookTest> = { delivered: true, status: 204, durationMs: 12 };
const queued: QueuedReplay = { queued: 3, skipped: 0 };
const deliveries: Static<typeof WebhookDeliveryList> = {
  data: [
    {
      eventId: exampleIds.event,
      type: 'message.delivered',
      status: 'pending',
      tries: 1,
      at,
      nextAttemptAt: '2026-11-02T09:30:05.000Z',
      httpStatus: 500,
      durationMs: 31,
      error: 'answered 500',
    },
  ],
};

/** Answers to examples, by operation and status: a sandbox sends nothing to a receiver. */
export const webhookAnswers = {
  createWebhookEndpoint: { '201': { ...created, secret } },
  listWebhookEndpoints: { '200': { data: [endpoint] } },
  getWebhookEndpoint: { '200': endpoint },
  updateWebhookEndpoint: { '200': { ...endpoint, types: [...endpoint.types, 'message.received'] } },
  rotateWebhookSecret: { '200': { ...endpoint, previousSecretUntil: '2026-11-03T09:30:00.000Z', secret } },
  testWebhookEndpoint: { '200': tested },
  listWebhookDeliveries: { '200': deliveries },
  replayWebhookEvents: { '202': queued },
};

const ofEndpoints = { instance: '/v1/webhook-endpoints' };
const ofOne = { instance: `/v1/webhook-endpoints/${exampleIds.endpoint}/replay` };
const refused =
  '`hooks.example.org` is not among the hosts that may be called; ask your operator to add it to WEBHOOK_ALLOWED_HOSTS (rule: host)';
const taken = `your endpoint ${exampleIds.endpoint} has this address: it would get each event twice; change that one`;

export const webhookProblemExamples = {
  'webhooks-unavailable': {
    ...ofEndpoints,
    detail: 'the service has no key to sign with (EVENTS_SIGNING_KEY); ask your operator',
  },
  'webhook-endpoints-exhausted': { ...ofEndpoints, detail: 'you have 5 already' },
  'webhook-endpoint-exists': { ...ofEndpoints, detail: taken, errors: [{ pointer: '/url', detail: taken }] },
  'webhook-endpoint-disabled': { ...ofOne, detail: 'enable it first' },
  'webhook-url-refused': { ...ofEndpoints, detail: refused, errors: [{ pointer: '/url', detail: refused }] },
};
