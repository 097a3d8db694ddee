import type { NewFact } from '../store/event-store.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';

/** What a caller is told of its endpoint: once for each time that it fails. */
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
