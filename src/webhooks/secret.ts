import { createHmac } from 'node:crypto';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';

type Versions = Pick<StoredEndpoint, 'id' | 'secretVersion' | 'previousSecretUntil'>;

/** The secrets of endpoints. None is stored: each replica derives the same ones. */
export interface EndpointSecrets {
  /** Whether there is a key to derive them from. */
  available(): boolean;
  /** What its owner is shown, once. Throws where there is no key. */
  current(endpoint: Pick<Versions, 'id' | 'secretVersion'>): string;
  /** Those that sign now; the newest of the first key first. At most two of each key. */
  inForce(endpoint: Versions, nowMs: number): string[];
}

/** As Standard Webhooks writes secrets: `whsec_` and base64. */
export const deriveSecret = (key: Uint8Array, id: string, version: number): string =>
  `whsec_${createHmac('sha256', key).update(`${id}:${version}`).digest('base64')}`;

/** `keys`: of EVENTS_SIGNING_KEY, as base64; the first is the one in use, another one signs beside it while receivers change over. */
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
