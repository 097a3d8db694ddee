import { Type } from '../lib/type.ts';
import { parseSigningKeys } from './signing-keys.ts';

/** The settings of webhooks to callers. */
export const webhookSettings = {
  EVENTS_SIGNING_KEY: Type.Optional(
    Type.String({
      description:
        'secrets of webhook endpoints are derived from it: 32 random bytes or more in base64; without it there are no webhooks; during a change two, separated by a comma, the new one first',
    }),
  ),
  EVENTS_SIGNING_KEY_FILE: Type.Optional(
    Type.String({
      description:
        'a file that holds it, during a change two on lines of their own, the new one first; taken without a restart',
    }),
  ),
  WEBHOOK_ALLOWED_HOSTS: Type.String({
    description:
      'hosts to which callers may have their webhooks sent, separated by commas: `hooks.example.com,*.svc.example:8443,http://jobs.example`; a `*.` stands for names at any depth; without a port the default one; by https, and by http where it is written; loopback addresses only where they are named literally; none: no webhooks',
    default: '',
    maxLength: 20_000,
  }),
  WEBHOOK_TIMEOUT_MS: Type.Integer({
    description: 'how long one attempt may take until the receiver answers, 3 s to connect included; 100 to 60000',
    default: 10_000,
    minimum: 100,
    maximum: 60_000,
  }),
  WEBHOOK_DISABLE_AFTER_HOURS: Type.Integer({
    description:
      'an endpoint that has failed for so long is disabled; enabled again, it goes on from where it stood; 1 to 2160',
    default: 72,
    minimum: 1,
    maximum: 2_160,
  }),
  WEBHOOK_CATCH_UP_PER_SECOND: Type.Integer({
    description:
      'events a second that a replica sends to endpoints that are more than 5 s behind, and in replays, all together, so that nobody else waits for them; 10 to 10000',
    default: 1_000,
    minimum: 10,
    maximum: 10_000,
  }),
  WEBHOOK_ENDPOINTS_MAX: Type.Integer({
    description: 'webhook endpoints that one caller may have; 1 to 100',
    default: 5,
    minimum: 1,
    maximum: 100,
  }),
};

/** The keys of a setting; faults are added, without a word of the keys. */
export function readSigningKeys(text: string | undefined, faults: string[]): readonly string[] {
  if (text === undefined || text === '') return [];
  try {
    return parseSigningKeys(text);
  } catch (error) {
    faults.push(`EVENTS_SIGNING_KEY ${error instanceof Error ? error.message : ''}`);
    return [];
  }
}
