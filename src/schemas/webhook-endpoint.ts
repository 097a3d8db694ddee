import type { Static } from 'typebox';
import { eventTypes } from '../events/event-types.ts';
import { Type } from '../lib/type.ts';
import { exampleIds, oneOf, strict, Timestamp, text } from './common.ts';

const endpointId = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,64}$',
  'x-form': 'the id of a webhook endpoint',
  examples: [exampleIds.endpoint],
});

export const WebhookEndpointParams = Type.Object({ id: endpointId }, strict);

/** Its own, so that the docs page deletes no endpoint that other examples are about. */
export const DeleteWebhookEndpointParams = Type.Object(
  { id: Type.String({ ...endpointId, examples: [exampleIds.unwantedEndpoint] }) },
  strict,
);

const url = Type.String({
  minLength: 1,
  maxLength: 2_048,
  pattern: '^[^\\s\\u0000-\\u001f\\u007f]+$',
  'x-form': 'an address without blanks',
  description:
    'https, or http where the operator lists the host so (`WEBHOOK_ALLOWED_HOSTS`); no user name, no fragment; answered in the form in which it is called',
  examples: ['https://hooks.example.com/wati'],
});

const types = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
  minItems: 1,
  maxItems: 32,
  description: `types of events: ${eventTypes.map((type) => `\`${type}\``).join(', ')}; \`message.*\` for all of a noun, \`*\` for all. Each must name one at least that is recorded for you (\`events\` of your entry in the callers file); those about your endpoints always are`,
  examples: [['message.delivered', 'message.failed']],
});

const description = text(256, 'orders, production', {
  line: true,
  description: 'words of yours that tell this endpoint from others; the service does nothing with them',
});
const from = oneOf(
  ['latest', 'earliest'],
  '`latest`: what is recorded from now on; `earliest`: all that is kept before that as well',
);
const status = oneOf(['enabled', 'disabled']);

export const WebhookEndpointPost = Type.Object(
  {
    url,
    types,
    description: Type.Optional(description),
    // Without `default`: generators of clients would have it required.
    from: Type.Optional(
      oneOf(
        ['latest', 'earliest'],
        '`latest`, as where it is left out: what is recorded from now on; `earliest`: all that is kept before that as well',
      ),
    ),
  },
  {
    title: 'WebhookEndpointPost',
    ...strict,
    examples: [
      {
        // As the sandbox calls it, so that the docs page can try it.
        url: 'http://127.0.0.1:4001/orders',
        types: ['message.delivered', 'message.failed'],
        description: 'orders, production',
      },
    ],
  },
);
export type WebhookEndpointPost = Static<typeof WebhookEndpointPost>;

export const WebhookEndpointPatch = Type.Object(
  {
    url: Type.Optional(url),
    types: Type.Optional(types),
    description: Type.Optional(description),
    status: Type.Optional(status),
    from: Type.Optional(from),
  },
  {
    title: 'WebhookEndpointPatch',
    ...strict,
    minProperties: 1,
    description: 'What is left out stays. Enabled again it goes on from where it stood; with `from`, from there.',
    examples: [{ types: ['message.delivered', 'message.failed', 'message.received'] }],
  },
);
export type WebhookEndpointPatch = Static<typeof WebhookEndpointPatch>;

export const count = (what: string) => Type.Integer({ minimum: 0, description: what });

export const WebhookEndpoint = Type.Object(
  {
    id: endpointId,
    url: Type.String(),
    types: Type.Array(Type.String()),
    description: Type.Optional(Type.String()),
    status,
    reason: Type.Optional(
      Type.String({
        description:
          'why it is disabled: `gone` (it answered 410), `failing` (nothing but failures for too long), `caller` (you); there may be more one day',
      }),
    ),
    failingSince: Type.Optional(Timestamp),
    lastSuccessAt: Type.Optional(Timestamp),
    lagSeconds: count('age of the oldest event that it is still to get; 0: none waits'),
    parked: count('events that were not taken and wait for another try'),
    failed: count('events that are given up, after the last try; `replay` sends them again'),
    previousSecretUntil: Type.Optional(
      Type.String({
        description: 'until when the secret before the present one signs as well',
        examples: ['2026-11-03T09:30:00.000Z'],
      }),
    ),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  },
  { title: 'WebhookEndpoint' },
);
export type WebhookEndpoint = Static<typeof WebhookEndpoint>;

export const WebhookEndpointWithSecret = Type.Object(
  {
    ...WebhookEndpoint.properties,
    secret: Type.String({
      description: 'verifies the signatures (Standard Webhooks); shown here alone, so keep it',
      examples: ['whsec_RVhBTVBMRS1FWEFNUExFLUVYQU1QTEUtRVhBTVBMRSE='],
    }),
  },
  { title: 'WebhookEndpointWithSecret' },
);

export const WebhookEndpointList = Type.Object(
  { data: Type.Array(WebhookEndpoint) },
  { title: 'WebhookEndpointList', description: 'all that you have, the oldest first' },
);

export const SecretRotation = Type.Object(
  {
    overlapHours: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 168,
        description: 'for so long both secrets sign, 24 where it is left out; 0: the one before ends at once',
      }),
    ),
  },
  { title: 'SecretRotation', ...strict, examples: [{ overlapHours: 24 }] },
);

export const WebhookTest = Type.Object(
  {
    delivered: Type.Boolean({ description: 'true: it was answered with a 2xx' }),
    status: Type.Optional(Type.Integer({ description: 'of the answer; absent: there was none' })),
    durationMs: count('until the answer'),
    detail: Type.Optional(Type.String({ description: 'why it was not delivered' })),
  },
  { title: 'WebhookTest' },
);

const deliveryStatuses = ['pending', 'failed', 'delivered'] as const;

export const WebhookDeliveryQuery = Type.Object(
  {
    status: Type.Optional(oneOf(deliveryStatuses)),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: '`nextCursor` of the page before' })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 50 }),
  },
  strict,
);

export const WebhookDelivery = Type.Object(
  {
    eventId: Type.String(),
    type: Type.String({ description: 'of the event' }),
    status: oneOf(
      deliveryStatuses,
      '`pending`: it waits for another try; `failed`: it is given up; `delivered`: it was answered with a 2xx',
    ),
    tries: Type.Optional(count('how often it was tried')),
    at: Type.Optional(Type.String({ description: 'when it was tried last', examples: ['2026-11-02T09:30:00.000Z'] })),
    nextAttemptAt: Type.Optional(
      Type.String({ description: 'when it is tried again', examples: ['2026-11-02T09:30:05.000Z'] }),
    ),
    httpStatus: Type.Optional(Type.Integer({ description: 'of the answer' })),
    durationMs: Type.Optional(count('until the answer')),
    error: Type.Optional(Type.String({ description: 'why it failed' })),
  },
  { title: 'WebhookDelivery' },
);
export type WebhookDelivery = Static<typeof WebhookDelivery>;

export const WebhookDeliveryList = Type.Object(
  { data: Type.Array(WebhookDelivery), nextCursor: Type.Optional(Type.String()) },
  { title: 'WebhookDeliveryList' },
);
