import type { ParkedEvent, StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { EndpointBreaker } from './breaker.ts';
import type { EndpointServices, EventAttemptResult } from './dispatcher-services.ts';
import { endpointFact } from './endpoint-facts.ts';
import { type EventDelivery, type EventQueue, isBackground } from './event-queue.ts';
import { EndpointHealth } from './health.ts';
import { parked } from './parking.ts';
import type { ProgressChange } from './progress-writer.ts';
import type { SendResult } from './sender.ts';

const REST_MIN_MS = 1_000;
const REST_MAX_MS = 60 * 60_000;

/** The input that one attempt's result is judged by. */
export interface EventAttemptOutcome {
  result: EventAttemptResult;
  change: ProgressChange;
}

/**
 * Decides what follows from the result of an attempt: the event is delivered, parked, or stays in order while all
 * events fail; the endpoint gets the pause it asked for, or is disabled.
 */
export class AttemptOutcomes {
  readonly breaker: EndpointBreaker;
  readonly health: EndpointHealth;
  readonly #endpoint: StoredEndpoint;
  readonly #queue: EventQueue;
  readonly #services: EndpointServices;
  /** Events that failed since the last success, in order. They are parked unless all events turn out to fail. */
  #streak: (EventDelivery & { walk: unknown })[] = [];
  /**
   * All events that failed since the last success, including those that had failed before it: those fail on their own
   * account.
   */
  readonly #failedLately = new Set<number>();
  readonly #failedAlone = new Set<number>();
  #restUntil = Number.NEGATIVE_INFINITY;
  #lastFailure: { status?: number; error: string } | undefined;

  constructor(endpoint: StoredEndpoint, queue: EventQueue, services: EndpointServices) {
    this.#endpoint = endpoint;
    this.#queue = queue;
    this.#services = services;
    this.breaker = new EndpointBreaker(endpoint.failures, services.clock.monotonic);
    this.health = new EndpointHealth(endpoint, services.disableAfterMs);
  }

  /** Milliseconds for which nothing may be sent. */
  get restMs(): number {
    return Math.max(this.#restUntil - this.#services.clock.monotonic(), this.breaker.restMs, 0);
  }

  conclude(delivery: EventDelivery, sent: SendResult, isProbe: boolean): EventAttemptOutcome {
    const { status, error, retryAfterMs } = sent;
    if ('parked' in delivery) this.#queue.parked.ended(delivery.event.seq);
    if (error === undefined) return { result: 'delivered', change: this.#delivered(delivery) };
    if (status === 410) {
      this.#queue.putBack(delivery);
      return { result: 'gone', change: this.#disabled('gone') };
    }
    if ((status === 429 || status === 503) && retryAfterMs !== undefined) {
      return { result: 'rested', change: this.#rested(delivery, retryAfterMs) };
    }
    this.#lastFailure = { error, ...(status !== undefined && { status }) };
    const isOver = this.health.failed(this.#services.clock.now());
    const change = this.#failed(delivery, { ...sent, error }, isProbe);
    return { result: 'failed', change: isOver ? { ...change, ...this.#disabled('failing') } : change };
  }

  #delivered(delivery: EventDelivery): ProgressChange {
    const { event } = delivery;
    this.health.succeeded(this.#services.clock.now());
    if (this.breaker.succeeded()) this.#log('info', {}, 'a webhook endpoint is back');
    // The events of the streak are parked already.
    for (const { event: each } of this.#streak) this.#failedLately.delete(each.seq);
    this.#streak = [];
    for (const seq of this.#failedLately) this.#failedAlone.add(seq);
    this.#failedLately.clear();
    this.#failedAlone.delete(event.seq);
    this.#queue.release();
    if ('walk' in delivery) delivery.walk.settle(event.seq);
    return isBackground(delivery) ? { unpark: [event.seq] } : {};
  }

  #rested(delivery: EventDelivery, retryAfterMs: number): ProgressChange {
    const restMs = Math.min(REST_MAX_MS, Math.max(REST_MIN_MS, retryAfterMs));
    this.#restUntil = Math.max(this.#restUntil, this.#services.clock.monotonic() + restMs);
    this.#queue.putBack(delivery);
    return {};
  }

  /**
   * | breaker | the event | what follows |
   * |---|---|---|
   * | closed | failed before the last success too, while others did not | parked |
   * | closed | this failure opens the breaker | the streak and the event go back in order, unparked |
   * | closed | otherwise | parked, and remembered in the streak until something succeeds |
   * | open | any | put back: it waits in order |
   */
  #failed(delivery: EventDelivery, sent: SendResult & { error: string }, isProbe: boolean): ProgressChange {
    const { seq } = delivery.event;
    const wasOpen = this.breaker.isOpen;
    if (!wasOpen && 'walk' in delivery && this.#failedAlone.delete(seq)) {
      delivery.walk.settle(seq);
      return { park: this.#parked(delivery, sent) };
    }
    if ('walk' in delivery) this.#failedLately.add(seq);
    if (this.breaker.failed(seq, isProbe)) return this.#requeueStreak(delivery);
    if (wasOpen) {
      this.#queue.putBack(delivery);
      return {};
    }
    if ('walk' in delivery) {
      this.#queue.defer(delivery, delivery.walk);
      this.#streak.push(delivery);
    }
    return { park: this.#parked(delivery, sent) };
  }

  #parked(delivery: EventDelivery, { status, error }: { status?: number; error: string }): ParkedEvent {
    const tries = ('parked' in delivery ? delivery.parked.tries : 0) + 1;
    const failure = { eventSeq: delivery.event.seq, tries, error, ...(status !== undefined && { status }) };
    return parked(failure, this.#services.clock.random);
  }

  /** Failures that open the breaker are not parked: their events wait in order, starting with the first one. */
  #requeueStreak(delivery: EventDelivery): ProgressChange {
    this.#log('info', {}, 'a webhook endpoint does not answer: its events wait');
    // An event that is parked and in flight stays parked.
    const back = this.#streak.filter(({ event }) => !this.#queue.parked.isInFlight(event.seq));
    this.#streak = [];
    for (const each of back) {
      this.#queue.parked.reserve(each.event.seq);
      this.#queue.putBack(each);
    }
    this.#queue.putBack(delivery);
    this.#queue.release();
    this.#queue.rewind();
    return { unpark: back.map(({ event }) => event.seq) };
  }

  #disabled(reason: 'gone' | 'failing'): ProgressChange {
    const now = this.#services.clock.now();
    const since = this.health.state.failingSince ?? now;
    this.#log('error', { reason, last: this.#lastFailure?.error }, 'a webhook endpoint is disabled');
    return { disable: { reason }, fact: endpointFact(this.#endpoint, 'disabled', { since, at: now, reason }) };
  }

  /** Builds the facts about an endpoint that has delivered nothing for a while; each is recorded once. */
  failingFact(): ProgressChange | undefined {
    const now = this.#services.clock.now();
    const since = this.health.toTell(now);
    if (since === undefined) return undefined;
    const { status, error: reason = 'failing' } = this.#lastFailure ?? {};
    const facts = { since: new Date(since).toISOString(), status, last: reason };
    this.#log('warn', facts, 'nothing can be delivered to a webhook endpoint');
    return { fact: endpointFact(this.#endpoint, 'failing', { since, at: now, reason }) };
  }

  #log(level: 'info' | 'warn' | 'error', facts: object, message: string): void {
    const { id, caller, url } = this.#endpoint;
    this.#services.logger[level]({ endpoint: id, callerId: caller, host: new URL(url).host, ...facts }, message);
  }
}
