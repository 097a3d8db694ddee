import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';

export interface SendResult {
  status?: number;
  durationMs: number;
  retryAfterMs?: number;
  /** Why it failed; absent: 2xx. */
  error?: string;
}

export interface WebhookSender {
  send(
    endpoint: StoredEndpoint,
    event: { id: string; text: string },
    attempt: number,
    signal: AbortSignal,
  ): Promise<SendResult>;
  close(): Promise<void>;
}
