import type { FastifyRequest } from 'fastify';
import type { EventCursors } from '../src/events/cursor.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { isoTimes } from '../src/lib/iso-times.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { invalid, Problem } from '../src/problem.ts';
import type { WebhookEndpoint } from '../src/schemas/webhook-endpoint.ts';
import { StoreError } from '../src/store/errors.ts';
import type { EventStore } from '../src/store/event-store.ts';
import type { StoredEndpoint, WebhookEndpointStore } from '../src/store/webhook-endpoint-store.ts';
import { assertReachable, UrlRefused, withoutScheme } from '../src/webhooks/destination.ts';
import { lagSeconds } from '../src/webhooks/lag.ts';
import type { Webhooks } from '../src/webhooks/open-webhooks.ts';

export interface WebhookServices {
  store: WebhookEndpointStore & Pick<EventStore, 'eventPositions' | 'eventBefore' | 'readEvents' | 'findEvent'>;
  cursors: EventCursors;
  webhooks: Pick<Webhooks, 'secrets' | 'destinations' | 'sender'>;
  /** Maximum number of endpoints of a caller (WEBHOOK_ENDPOINTS_MAX). */
  endpointsMax: number;
  /** Retention of events, in ms. */
  retentionMs: number;
  /** Test deliveries in progress. Counted per caller and not per endpoint, because a test outlives the deletion of its endpoint. */
  tests: SharedPool;
  /** Wall clock, ms. */
  now: () => number;
  /** Call after an endpoint was created or changed, or has events to send again. */
  onChange: () => void;
}

/** Throws if webhooks are not set up. */
export function assertAvailable({ secrets, destinations }: WebhookServices['webhooks']): void {
  const lacking = [
    ...(secrets.available() ? [] : ['no key to sign with (EVENTS_SIGNING_KEY)']),
    ...(destinations.isOpen ? [] : ['no host that may be called (WEBHOOK_ALLOWED_HOSTS)']),
  ];
  if (lacking.length === 0) return;
  throw new Problem('webhooks-unavailable', `the service has ${lacking.join(' and ')}; ask your operator`);
}

/** Returns the URL in the form in which it is called, if it is allowed. */
export async function checkedUrl({ destinations }: WebhookServices['webhooks'], text: string): Promise<string> {
  try {
    const url = destinations.parse(text);
    if (!url) {
      const remedy = text.includes('://') ? 'look at its host and port' : withoutScheme;
      throw invalid([{ pointer: '/url', detail: `is no URL: ${remedy}` }]);
    }
    await assertReachable(destinations, url);
    return url.href;
  } catch (error) {
    if (!(error instanceof UrlRefused)) throw error;
    const { message: detail } = error;
    throw new Problem('webhook-url-refused', detail, { errors: [{ pointer: '/url', detail }] });
  }
}

/** Throws if another enabled endpoint of the caller has this URL, because it would get each event twice. */
export async function assertOnlyOne(
  store: Pick<WebhookEndpointStore, 'listEndpoints'>,
  { caller, url, id }: { caller: string; url: string; id?: string },
): Promise<void> {
  const endpoints = await store.listEndpoints(caller).catch(unread);
  const other = endpoints.find((each) => each.url === url && each.status === 'enabled' && each.id !== id);
  if (!other) return;
  const detail = `your endpoint ${other.id} has this address: it would get each event twice; change that one`;
  throw new Problem('webhook-endpoint-exists', detail, { errors: [{ pointer: '/url', detail }] });
}

export async function ownEndpoint(
  store: Pick<WebhookEndpointStore, 'findEndpoint'>,
  request: FastifyRequest,
  id: string,
): Promise<StoredEndpoint> {
  return (await store.findEndpoint(callerOf(request).id, id).catch(unread)) ?? notFound();
}

export function notFound(): never {
  throw new Problem('not-found', 'you have no webhook endpoint with this id');
}

export function unread(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  throw new Problem('store-unavailable', 'the records cannot be read now', { cause, retryAfterS: 2 });
}

export function unwritten(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  const detail = cause.notCommitted
    ? 'it could not be written down: everything is as it was'
    : 'it is not known whether it was written down: look at your endpoints';
  throw new Problem('store-unavailable', detail, { cause, retryAfterS: 2 });
}

/** Endpoints in the form that their caller sees. */
export async function toEndpoints(
  { store, now }: Pick<WebhookServices, 'store' | 'now'>,
  endpoints: readonly StoredEndpoint[],
): Promise<WebhookEndpoint[]> {
  const counts = await store.parkedCounts(endpoints.map(({ id }) => id)).catch(unread);
  const lags = await Promise.all(endpoints.map((endpoint) => lagSeconds(store, endpoint, now()))).catch(unread);
  return endpoints.map((endpoint, at) => {
    const { pending = 0, failed = 0 } = counts.get(endpoint.id) ?? {};
    return shown(endpoint, { lagSeconds: lags[at] ?? 0, parked: pending, failed, nowMs: now() });
  });
}

export async function toEndpoint(services: Pick<WebhookServices, 'store' | 'now'>, endpoint: StoredEndpoint) {
  const [one] = await toEndpoints(services, [endpoint]);
  return one ?? notFound();
}

interface Standing {
  lagSeconds: number;
  parked: number;
  failed: number;
  nowMs: number;
}

function shown(endpoint: StoredEndpoint, { nowMs, ...standing }: Standing): WebhookEndpoint {
  const { id, url, types, description, status, reason, createdAt, updatedAt } = endpoint;
  const { failingSince, lastSuccessAt, previousSecretUntil = 0 } = endpoint;
  return {
    id,
    url,
    types: [...types],
    ...(description !== undefined && { description }),
    status,
    ...(reason !== undefined && { reason }),
    ...isoTimes({
      failingSince,
      lastSuccessAt,
      previousSecretUntil: previousSecretUntil > nowMs ? previousSecretUntil : undefined,
    }),
    ...standing,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}

/** For the log, because the path of a URL may be secret. */
export const hostOf = (url: string): string => URL.parse(url)?.host ?? '';
