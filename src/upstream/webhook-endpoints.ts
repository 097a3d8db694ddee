import type { CallContext, Client } from './client.ts';
import { entriesIn } from './pages.ts';
import { asArray, asNumber, asString, isObject } from './tolerant-reader.ts';

/** A webhook that is set up at WATI. */
export interface WebhookEndpoint {
  /** The address contains the token, so it is never shown. */
  url: string;
  /** Undefined: WATI's state is a word that is not known. */
  state: 'enabled' | 'disabled' | 'defective' | undefined;
  eventTypes: string[];
  failures: number;
}

/** Reads WATI's list of webhooks; its newer API uses other names. An entry without an address is skipped. */
export async function listWebhookEndpoints(
  client: Pick<Client, 'get'>,
  context: CallContext,
): Promise<WebhookEndpoint[]> {
  const path = '/api/v2/webhookEndpoints';
  const body = await client.get(context, { operation: 'listWebhookEndpoints', path });
  const listed = isObject(body) ? (body.result ?? body.items ?? body.webhooks) : body;
  const entries = isObject(body) ? entriesIn(body, listed) : asArray(listed);
  return entries.filter(isObject).flatMap((entry) => {
    const url = asString(entry.url);
    if (url === undefined) return [];
    const eventTypes = asArray(entry.eventTypes ?? entry.event_types).flatMap((name) => asString(name) ?? []);
    const failures = asNumber(entry.failedIterationCount ?? entry.failed_iteration_count) ?? 0;
    return [{ url, state: stateOf(entry.status), eventTypes, failures }];
  });
}

const states = { 0: 'disabled', 1: 'enabled', 2: 'defective' } as const;

function stateOf(status: unknown): WebhookEndpoint['state'] {
  const word = asString(status)?.toLowerCase();
  return Object.entries(states).find(([number, name]) => word === number || word === name)?.[1];
}
