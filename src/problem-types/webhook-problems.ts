import { never, type ProblemType } from './problem-type.ts';

/** A webhook endpoint of a caller cannot be made, changed or used as asked. */
export const webhookProblems = {
  'webhooks-unavailable': {
    status: 409,
    title: 'Webhooks are not set up here',
    retryable: false,
    meaning: 'The service has no key to sign webhooks with, or no host that may be called. Nothing was changed.',
    cause: 'The operator has not set `EVENTS_SIGNING_KEY` or `WEBHOOK_ALLOWED_HOSTS`.',
    remedy: 'Ask your operator for both, and name your host. Meanwhile `GET /v1/events` tells the same events.',
    repeat: 'Yes, once the operator has set webhooks up.',
  },
  'webhook-endpoints-exhausted': {
    status: 409,
    title: 'You have as many webhook endpoints as you may have',
    retryable: false,
    meaning: 'One more would be over `WEBHOOK_ENDPOINTS_MAX`. Nothing was created.',
    cause: 'A deployment that creates its endpoint at each start.',
    remedy:
      'List yours with `GET /v1/webhook-endpoints`; change one in the place of another one, or delete what you do not use.',
    repeat: 'Yes, once one is deleted.',
  },
  'webhook-endpoint-exists': {
    status: 409,
    title: 'Another webhook endpoint of yours has this address',
    retryable: false,
    meaning:
      'An enabled endpoint of yours is at the same address, which would get each event twice. Nothing was changed; the detail names its id.',
    cause: 'A deployment that creates its endpoint at each start, or an endpoint for each type.',
    remedy:
      'Use the one that there is: `PATCH /v1/webhook-endpoints/{id}` changes its types, `POST …/rotate-secret` gives a new secret. Or delete or disable it first.',
    repeat: 'Yes, once the other one is deleted or disabled, or with another address.',
  },
  'webhook-endpoint-disabled': {
    status: 409,
    title: 'The webhook endpoint is disabled',
    retryable: false,
    meaning: 'Nothing is sent to it, so nothing can be sent again.',
    cause: 'It answered 410, it failed for too long, or you disabled it; `reason` of the endpoint says which.',
    remedy: 'Enable it with `PATCH /v1/webhook-endpoints/{id}` and `{"status": "enabled"}`.',
    repeat: 'Yes, once it is enabled.',
  },
  'webhook-url-refused': {
    status: 422,
    title: 'This address is not called',
    retryable: false,
    meaning: 'A rule forbids to send webhooks to this address; the detail says which. Nothing was changed.',
    cause:
      'A host that the operator has not listed, http where https is wanted, or a name that leads to an address of this machine, of the cloud, or of nobody.',
    remedy:
      'Give an https address of a host of the list; ask your operator to add yours to `WEBHOOK_ALLOWED_HOSTS`. A name must resolve.',
    repeat: never,
  },
} as const satisfies Record<string, ProblemType>;
