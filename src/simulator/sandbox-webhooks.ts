import type { SandboxRoute } from './sandbox-route.ts';
import { webhookParameters, webhookView } from './webhook-ledger.ts';
import { webhookChange, webhookForm } from './webhook-settings.ts';
import type { Webhooks } from './webhooks.ts';

export const webhookRoutes: readonly SandboxRoute[] = [
  {
    route: 'GET /_sandbox/webhooks',
    does: 'what WATI posted to the intake, oldest first, and how each try was answered',
    query: webhookParameters,
    run: ({ query }, { webhooks }) => {
      const found = webhookView(webhooks.posts, query);
      return typeof found === 'string' ? found : { ...told(webhooks), data: found };
    },
  },
  {
    route: 'POST /_sandbox/webhooks',
    does: 'what befalls webhooks from now on; what is left out stays as it is, a reset sets all back',
    body: webhookForm,
    run: ({ json }, { webhooks }) => {
      if (!webhookChange.Check(json)) return faultOf(json);
      return webhooks.change(json) ?? told(webhooks);
    },
  },
  {
    route: 'POST /_sandbox/webhooks/enable',
    does: 'an endpoint that is defective after 100 failures in a row, or off, is posted to again; what was skipped stays so',
    run: (_given, { webhooks }) => {
      webhooks.enable();
      return told(webhooks);
    },
  },
];

/** Without the path, which contains the token. */
function told({ url, status, failuresInARow, settings, waiting, dropped }: Webhooks) {
  const endpoint = url === undefined ? null : new URL(url).origin;
  return { endpoint, status, failuresInARow, waiting, dropped, settings };
}

function faultOf(json: unknown): string {
  const [first] = webhookChange.Errors(json);
  const where = first?.instancePath.slice(1);
  const what = where ? `${where} ${first?.message}` : `it ${first?.message ?? 'is no object'}`;
  return `The body is an object with some of ${Object.keys(webhookForm).join(', ')}; ${what}`;
}
