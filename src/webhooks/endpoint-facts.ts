import type { NewFact } from '../store/event-store.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';

/** Facts about an endpoint for its owner, recorded once for each period of failure. */
export function endpointFact(
  { id, caller, url }: StoredEndpoint,
  what: 'failing' | 'disabled',
  { since, at, reason }: { since: number; at: number; reason: string },
): NewFact {
  return {
    caller,
    connectionId: '',
    type: `webhook_endpoint.${what}`,
    fact: `e:${id}:${what}:${since}`,
    at,
    detail: { endpoint: { id, host: new URL(url).host, since: new Date(since).toISOString(), reason } },
  };
}
