import type { EventAudience } from '../events/audience.ts';

/** For whom and how events are made of webhooks. */
export interface FactOptions {
  audience: Pick<EventAudience, 'subscribers'>;
  /** How long after a message its caller gets the replies of the recipient. */
  routingMs: number;
  /** Customers' messages older than this make no events. */
  staleMs: number;
  /** Wall clock, ms. */
  now: () => number;
}
