import type { EndpointAttempt, StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import type { EventAttemptOutcome } from './attempt-outcomes.ts';
import type { EndpointServices } from './dispatcher-services.ts';
import type { EventDelivery } from './event-queue.ts';
import type { SendResult } from './sender.ts';

/** A finished attempt. */
export interface Attempt {
  delivery: EventDelivery;
  /** Counts from 1. */
  number: number;
  sent: SendResult;
  noted: EndpointAttempt;
}

/** Makes the attempts for one endpoint's events, and counts them. */
export class Attempts {
  readonly #services: EndpointServices;
  /** Attempt counts of events that will be tried again and are not parked. */
  readonly #tries = new Map<number, number>();

  constructor(services: EndpointServices) {
    this.#services = services;
  }

  async make(endpoint: StoredEndpoint, delivery: EventDelivery, signal: AbortSignal): Promise<Attempt> {
    const { event } = delivery;
    const at = this.#services.clock.now();
    const before = 'parked' in delivery ? delivery.parked.tries : 0;
    const number = (this.#tries.get(event.seq) ?? before) + 1;
    const sent = await this.#send(endpoint, delivery, { number, signal });
    const { status, durationMs, error } = sent;
    const answer = { ...(status !== undefined && { status }), ...(error !== undefined && { error }) };
    return { delivery, number, sent, noted: { eventSeq: event.seq, at, durationMs, ...answer } };
  }

  async #send(
    endpoint: StoredEndpoint,
    { event }: EventDelivery,
    { number, signal }: { number: number; signal: AbortSignal },
  ): Promise<SendResult> {
    const { sender, text, onFault } = this.#services;
    try {
      return await sender.send(endpoint, { id: event.id, text: text(event) }, number, signal);
    } catch (error) {
      onFault(error);
      return { durationMs: 0, error: 'internal' };
    }
  }

  report({ id, url }: StoredEndpoint, attempt: Attempt, { result, change }: EventAttemptOutcome): void {
    const { logger, metrics } = this.#services;
    const { event } = attempt.delivery;
    if (result === 'delivered' || change.park) this.#tries.delete(event.seq);
    else this.#tries.set(event.seq, attempt.number);
    metrics.attempted(id, result);
    const { status, durationMs, error } = attempt.sent;
    const facts = { endpoint: id, host: new URL(url).host, event: event.id, type: event.type, result };
    logger.debug({ ...facts, status, ms: Math.round(durationMs), reason: error }, 'webhook sent');
  }
}
