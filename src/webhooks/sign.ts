import { Webhook } from 'standardwebhooks';

export interface Signed {
  /** The event's id. Contains no dot, because dots separate the parts of the signed text. */
  id: string;
  /** Time of the attempt, wall clock in ms; sent and signed in whole seconds. */
  atMs: number;
  /** The exact text whose bytes are sent. */
  text: string;
}

/** Headers of Standard Webhooks, with one signature for each secret, so that a receiver may know either. */
export const signatureHeaders = (secrets: readonly string[], { id, atMs, text }: Signed) => ({
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(atMs / 1000)),
  'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, new Date(atMs), text)).join(' '),
});
