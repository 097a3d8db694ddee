import { createHmac } from 'node:crypto';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';

type Versions = Pick<StoredEndpoint, 'id' | 'secretVersion' | 'previousSecretUntil'>;

/** Secrets of endpoints. They are derived, not stored, so every replica has the same ones. */
export interface EndpointSecrets {
  /** Whether there is a key to derive secrets from. */
  available(): boolean;
  /** The secret that is shown once to the endpoint's owner. Throws if there is no key. */
  current(endpoint: Pick<Versions, 'id' | 'secretVersion'>): string;
  /** The secrets that sign now, the newest of the current key first; at most two for each key. */
  inForce(endpoint: Versions, nowMs: number): string[];
}

/** The form of Standard Webhooks: `whsec_` and base64. */
export const deriveSecret = (key: Uint8Array, id: string, version: number): string =>
  `whsec_${createHmac('sha256', key).update(`${id}:${version}`).digest('base64')}`;

/**
 * `keys`: from EVENTS_SIGNING_KEY, base64. The first is current; further ones also sign while receivers change over.
 */
export function createEndpointSecrets(keys: () => readonly string[]): EndpointSecrets {
  const derive = (key: string, id: string, version: number) => deriveSecret(Buffer.from(key, 'base64'), id, version);
  return {
    available: () => keys().length > 0,
    current: ({ id, secretVersion }) => {
      const [key] = keys();
      if (key === undefined) throw new Error('there is no key to derive the secret from');
      return derive(key, id, secretVersion);
    },
    inForce: ({ id, secretVersion, previousSecretUntil = 0 }, nowMs) => {
      const versions =
        previousSecretUntil > nowMs && secretVersion > 1 ? [secretVersion, secretVersion - 1] : [secretVersion];
      return keys().flatMap((key) => versions.map((version) => derive(key, id, version)));
    },
  };
}
