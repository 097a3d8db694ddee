import type { Refusal } from './answers/known-refusals.ts';

/** What a call proves about a message (docs/reference/delivery.md, "Not sent, only if proved" and "What a status proves"). */
export type AttemptResult =
  | {
      outcome: 'accepted';
      whatsappMessageId?: string;
      localMessageId?: string;
      deliveredAsText?: boolean;
      partialErrors?: string;
    }
  | { outcome: 'rejected'; refusal: Refusal; detail: string; status: number; sharedCause?: SharedCause }
  | {
      outcome: 'not_sent';
      detail: string;
      status?: number;
      retryAfterMs?: number;
      retryable: boolean;
      expired?: true;
      /** This process held it back: neither the connection nor the message is at fault. */
      withheld?: true;
    }
  | { outcome: 'unknown'; detail: string; status?: number };
/**
 * Set by src/delivery/dispatch/bisect-batch.ts where several receivers of a refused batch were refused alone in the same words, so
 * that the cause concerns all: this receiver was one of them, or was not tried.
 */
type SharedCause = 'refused-alone' | 'not-tried';

/** The result of an attempt that this process did not begin: it was stopped, shut down, or is not the owner any more. */
export const withheld: AttemptResult = {
  outcome: 'not_sent',
  detail: 'it was held back before it could go out',
  retryable: true,
  withheld: true,
};
