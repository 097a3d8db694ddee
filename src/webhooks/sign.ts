import { Webhook } from 'standardwebhooks';

export interface Signed {
  /** Of the event; without a dot, which separates what is signed. */
  id: string;
  /** Of the attempt, wall clock, ms; whole seconds of it are sent and signed. */
  atMs: number;
  /** The very text whose bytes are sent. */
  text: string;
}

/** The headers of Standard Webhooks: one signature for each secret, so that a receiver may know either. */
export const signatureHeaders = (secrets: readonly string[], { id, atMs, text }: Signed) => ({
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(atMs / 1000)),
  'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, new Date(atMs), text)).join(' '),
});
