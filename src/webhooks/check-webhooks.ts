import type { Finding } from '../lib/check-report.ts';
import { counted } from '../lib/counted.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { assertReachable, type Destinations, UrlRefused } from './destination.ts';
import type { EndpointSecrets } from './secret.ts';
import type { WebhookSender } from './sender.ts';
import { testEvent } from './test-event.ts';

export interface CheckedWebhooks {
  secrets: EndpointSecrets;
  destinations: Destinations;
  sender: WebhookSender;
}

/** Checks the whole set-up of webhooks. `endpoints`: those of all callers; undefined if they could not be read. */
export function checkWebhooks(
  { secrets, destinations }: Pick<CheckedWebhooks, 'secrets' | 'destinations'>,
  endpoints: readonly StoredEndpoint[] | undefined,
): Finding {
  const [hasKey, hasHost] = [secrets.available(), destinations.isOpen];
  if (!hasKey || !hasHost) {
    const lacking = hasKey ? 'WEBHOOK_ALLOWED_HOSTS names no host' : 'EVENTS_SIGNING_KEY is not set';
    return {
      fault: `${lacking}: callers cannot have webhooks, and endpoints that exist get nothing`,
      remedy: 'Set both, or neither: `openssl rand -base64 32` makes a key, and the hosts are those of your callers.',
    };
  }
  const found =
    endpoints === undefined
      ? 'the endpoints could not be read: a running service has the records to itself'
      : counted(endpoints.length, 'endpoint');
  return { fine: `a key to sign with, and hosts that may be called\n${found}` };
}

/** Checks whether one endpoint may be called and, with `--send`, whether it accepts a signed test event. */
export async function checkEndpoint(
  { destinations, sender }: Pick<CheckedWebhooks, 'destinations' | 'sender'>,
  endpoint: StoredEndpoint,
  isSending: boolean,
): Promise<Finding> {
  const { caller, id, status, reason } = endpoint;
  const host = URL.parse(endpoint.url)?.host ?? 'no URL';
  const name = `${caller} ${id} at ${host}`;
  try {
    const url = destinations.parse(endpoint.url);
    if (url) await assertReachable(destinations, url);
  } catch (error) {
    if (!(error instanceof UrlRefused)) throw error;
    return {
      fault: `${name}: ${error.message}`,
      remedy: 'List its host in WEBHOOK_ALLOWED_HOSTS, mend its name, or have its caller change the address.',
    };
  }
  const standing = status === 'disabled' ? `, disabled (${reason ?? 'no reason'})` : '';
  if (!isSending) return { fine: `${name}${standing}: may be called; nothing was sent (--send posts a test)` };
  const result = await sender.send(endpoint, testEvent(Date.now()), 1, AbortSignal.timeout(60_000));
  if (result.error === undefined) return { fine: `${name}${standing}: took a signed test in ${result.durationMs} ms` };
  return {
    fault: `${name}${standing}: ${result.error}`,
    remedy: 'Look at the receiver with its caller; events wait for it, and go on when it is mended.',
  };
}
