import type { EventAudience } from '../events/audience.ts';

/** Who is told of what webhooks say. */
export interface Telling {
  audience: Pick<EventAudience, 'listeners'>;
  /** For this long after its message, a caller counts as the one an answer is for. */
  routingMs: number;
  /** An older message of a customer is told to nobody. */
  staleMs: number;
  /** Wall clock, ms. */
  now: () => number;
}
