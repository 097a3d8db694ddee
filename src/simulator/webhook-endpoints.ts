import { type Answer, type Call, ok } from './call.ts';
import type { Tenant, WebhookEndpoint } from './state.ts';
import { tickedEvents } from './webhook-forms.ts';
import type { Webhooks } from './webhooks.ts';

const statuses = { disabled: 0, enabled: 1, defective: 2 } as const;

/** The only endpoint, once its address is known. */
export function endpointsOf({ url, status, settings, failuresInARow }: Webhooks): readonly WebhookEndpoint[] {
  if (url === undefined) return [];
  const eventTypes = tickedEvents(settings);
  return [{ url, status: statuses[status], eventTypes, failedIterationCount: failuresInARow }];
}

export function listWebhookEndpoints({ now }: Call, tenant: Tenant): Answer {
  const created = new Date(now).toISOString();
  const result = tenant.webhookEndpoints().map((endpoint, index) => ({
    id: `64e1f0c2a7b8c9d0e1f2a3${String(index).padStart(2, '0')}`,
    tenantId: '1000',
    channelId: null,
    channelPhoneNumber: null,
    ...endpoint,
    created,
    lastUpdated: created,
    isSentNotify: endpoint.status === 2,
  }));
  return ok({ ok: true, result });
}
