import { randomBytes } from 'node:crypto';

/** `webhook.test`: it stands in no feed, so it has no cursor. */
export function testEvent(nowMs: number): { id: string; text: string } {
  const id = `evt_${randomBytes(16).toString('base64url')}`;
  const event = { id, type: 'webhook.test', timestamp: new Date(nowMs).toISOString(), data: {} };
  return { id, text: JSON.stringify(event) };
}
