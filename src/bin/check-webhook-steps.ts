import { readFileSync } from 'node:fs';
import { parseCallers } from '../callers/parse.ts';
import type { Config } from '../config.ts';
import type { createReport } from '../lib/check-report.ts';
import type { StoredEndpoint, WebhookEndpointStore } from '../store/webhook-endpoint-store.ts';
import { version } from '../version.ts';
import { checkEndpoint, checkWebhooks } from '../webhooks/check-webhooks.ts';
import { openWebhooks } from '../webhooks/open-webhooks.ts';

/** The endpoints of every caller of the file. */
export async function readEndpoints(
  store: Pick<WebhookEndpointStore, 'listEndpoints'>,
  path: string,
): Promise<StoredEndpoint[]> {
  const ids = parseCallers(readFileSync(path, 'utf8')).map(({ id, name }) => id ?? name);
  return (await Promise.all(ids.map((id) => store.listEndpoints(id)))).flat();
}

/** One step for webhooks as a whole, and one for each endpoint. `isSending`: each gets a signed test. */
export async function webhookSteps(
  report: Pick<ReturnType<typeof createReport>, 'step'>,
  config: Config,
  { endpoints, isSending }: { endpoints: readonly StoredEndpoint[] | undefined; isSending: boolean },
): Promise<void> {
  const webhooks = openWebhooks(config, { signingKeys: () => config.EVENTS_SIGNING_KEYS, version });
  const isSetUp = webhooks.secrets.available() || webhooks.destinations.isOpen;
  if (!isSetUp && (endpoints === undefined || endpoints.length === 0)) return;
  const isWell = await report.step('webhooks', () => checkWebhooks(webhooks, endpoints));
  for (const endpoint of isWell ? (endpoints ?? []) : []) {
    await report.step('webhooks', () => checkEndpoint(webhooks, endpoint, isSending));
  }
  await webhooks.sender.close();
}
