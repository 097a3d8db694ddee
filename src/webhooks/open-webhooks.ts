import type { LookupAddress } from 'node:dns';
import type { AllowedHosts } from './allowed-hosts.ts';
import { createDestinations } from './destination.ts';
import { limitLookups, systemLookup } from './lookups.ts';
import { isListener, type Listener } from './own-listeners.ts';
import { createEndpointSecrets } from './secret.ts';
import { createWebhookSender } from './sender.ts';
import { openWebhookAgent } from './webhook-agent.ts';

interface WebhooksConfig {
  WEBHOOK_ALLOWED_HOSTS: AllowedHosts;
  WEBHOOK_TIMEOUT_MS: number;
  HOST: string;
  PORT: number;
  ADMIN_HOST: string;
  ADMIN_PORT?: number;
  INTAKE_HOST: string;
  INTAKE_PORT?: number;
  PUBLIC_URL?: string;
  INTAKE_PUBLIC_URL?: string;
}

interface Means {
  /** Keys from EVENTS_SIGNING_KEY, the current one first. */
  signingKeys: () => readonly string[];
  version: string;
  /** The system's resolver by default. */
  lookup?: ((hostname: string) => Promise<LookupAddress[]>) | undefined;
  /** Wall clock, ms. */
  now?: () => number;
}

export type Webhooks = ReturnType<typeof openWebhooks>;

/** Creates the parts that decide where webhooks may go and that send them. */
export function openWebhooks(config: WebhooksConfig, { signingKeys, version, lookup, now = Date.now }: Means) {
  const secrets = createEndpointSecrets(signingKeys);
  const listeners = listenersOf(config);
  const destinations = createDestinations({
    allowed: config.WEBHOOK_ALLOWED_HOSTS,
    lookup: limitLookups(lookup ?? systemLookup),
    isOwnListener: (address, port) => isListener(listeners, address, port),
    ownUrls: [config.PUBLIC_URL, config.INTAKE_PUBLIC_URL].filter((url) => url !== undefined),
  });
  const agent = openWebhookAgent(destinations);
  const sender = createWebhookSender({
    secrets,
    destinations,
    agent,
    version,
    timeoutMs: config.WEBHOOK_TIMEOUT_MS,
    now,
    receiversNow: Date.now,
  });
  return {
    secrets,
    destinations,
    sender,
    /** A port chosen by the system. */
    addListener: (listener: Listener) => void listeners.push(listener),
    /** Ends the attempts in flight. */
    cutOff: () => void agent.destroy(),
  };
}

function listenersOf(config: WebhooksConfig): Listener[] {
  const { HOST, PORT, ADMIN_HOST, ADMIN_PORT, INTAKE_HOST, INTAKE_PORT } = config;
  const all = [
    { host: HOST, port: PORT },
    { host: ADMIN_HOST, port: ADMIN_PORT },
    { host: INTAKE_HOST, port: INTAKE_PORT },
  ];
  return all.flatMap(({ host, port }) => (port === undefined || port === 0 ? [] : [{ host, port }]));
}
