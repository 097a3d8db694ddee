import { setImmediate } from 'node:timers/promises';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { AttemptOutcomes, type Outcome } from './attempt-outcomes.ts';
import { type Delivery, DeliveryQueue } from './delivery-queue.ts';
import type { EndpointServices } from './dispatcher-services.ts';
import { type ProgressChange, ProgressWriter } from './progress-writer.ts';
import type { SendResult } from './sender.ts';

/** Requests whose result is not recorded: so many may come twice when this process dies. */
export const SLOTS_MAX = 8;
const LOOK_EVERY_MS = 1_000;
const FAULT_REST_MS = 1_000;
const POSITION_SAVED_EVERY_MS = 60_000;

export interface LoopState {
  /** How long the oldest event that it has not been told of is away, ms. */
  lagMs: number;
  isFailing: boolean;
}

/** Tells one endpoint of its events for as long as this process serves it. */
export class EndpointLoop {
  readonly #services: EndpointServices;
  readonly #queue: DeliveryQueue;
  readonly #outcomes: AttemptOutcomes;
  readonly #writer: ProgressWriter;
  /** Attempts at events that failed since this process took over. */
  readonly #tries = new Map<number, number>();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #cut = new AbortController();
  #endpoint: StoredEndpoint;
  #slots = SLOTS_MAX;
  /** In flight, or not recorded. */
  #busy = 0;
  #isProbing = false;
  #isEnding = false;
  #isLost = false;
  #savedPosition: number;
  #savedAt: number;
  #lookAt = Number.NEGATIVE_INFINITY;
  #isAwake = false;
  #resting = new AbortController();
  /** Resolves when nothing is in flight, and what can be recorded is. */
  readonly ended: Promise<void>;

  constructor(endpoint: StoredEndpoint, services: EndpointServices) {
    this.#services = services;
    this.#endpoint = endpoint;
    this.#savedPosition = endpoint.position;
    this.#savedAt = services.clock.monotonic();
    this.#queue = new DeliveryQueue(endpoint, services);
    this.#outcomes = new AttemptOutcomes(endpoint, this.#queue, services);
    this.#writer = this.#createWriter();
    this.ended = this.#run();
  }

  #createWriter(): ProgressWriter {
    const { id, epoch } = this.#endpoint;
    return new ProgressWriter({
      services: this.#services,
      progress: () => ({ id, epoch, ...this.#queue.progress(), ...this.#outcomes.health.state }),
      onSaved: (progress) => {
        this.#savedPosition = progress.position;
        this.#savedAt = this.#services.clock.monotonic();
        this.#queue.saved(progress);
      },
      onLost: () => {
        this.#isLost = true;
        this.end();
      },
      cut: this.#cut.signal,
    });
  }

  get epoch(): number {
    return this.#endpoint.epoch;
  }

  get state(): LoopState {
    const now = this.#services.clock.now();
    const oldest = this.#queue.oldestLive;
    return { lagMs: oldest ? Math.max(0, now - oldest.at) : 0, isFailing: this.#outcomes.health.isFailing(now) };
  }

  /** As its caller has it now, and how many requests may be under way at once. */
  update(endpoint: StoredEndpoint, slots: number): void {
    this.#slots = slots;
    this.#endpoint = endpoint;
    this.#queue.update(endpoint);
  }

  /** Events were recorded. */
  wake(): void {
    this.#queue.expectMore();
    this.#rouse();
  }

  /** Events may have been parked as due. */
  wakeParked(): void {
    this.#queue.parked.expect(0);
    this.wake();
  }

  /** No event goes out any more; `ended` tells when it is over. */
  end(): void {
    this.#isEnding = true;
    this.#rouse();
  }

  /** Gives up requests in flight: whoever serves it next makes them again. */
  cut(): void {
    this.end();
    this.#cut.abort();
  }

  #rouse(): void {
    this.#isAwake = true;
    this.#resting.abort();
  }

  async #run(): Promise<void> {
    await setImmediate();
    while (!this.#isEnding) {
      try {
        await this.#pass();
        if (!this.#isEnding && !this.#isAwake) await this.#rest();
      } catch (error) {
        this.#services.onFault(error);
        // Not ended by results: failing passes would follow each other without a pause.
        if (!this.#isEnding) await this.#services.clock.wait(FAULT_REST_MS, this.#cut.signal);
      }
    }
    await Promise.all(this.#inFlight);
    if (!this.#isLost && this.#queue.position > this.#savedPosition) this.#writer.flush();
    await this.#writer.settled();
  }

  async #pass(): Promise<void> {
    this.#isAwake = false;
    const told = this.#outcomes.failingFact();
    if (told) this.#writer.add(told);
    if (this.#services.connectionsOf(this.#endpoint.caller) === undefined) return;
    this.#look();
    await this.#queue.refill(this.#mayTryParked);
    this.#sendWhatMay();
    this.#savePosition();
    // Pages without an event for it: others have to get on meanwhile.
    if (this.#queue.readInMs !== 0) return;
    await setImmediate();
    this.#isAwake = true;
  }

  /** Events of other processes, should nobody tell of them. */
  #look(): void {
    const now = this.#services.clock.monotonic();
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#queue.expectMore();
  }

  /** While all fail, one that was parked is tried only where there is no other. */
  get #mayTryParked(): boolean {
    return !this.#outcomes.breaker.isOpen || this.#queue.oldestLive === undefined;
  }

  async #rest(): Promise<void> {
    const { restMs } = this.#outcomes;
    const waits = [LOOK_EVERY_MS, this.#queue.readInMs ?? LOOK_EVERY_MS];
    if (restMs > 0) waits.push(restMs);
    else if (this.#busy < this.#slots) waits.push(this.#queue.restMs);
    this.#resting = new AbortController();
    await this.#services.clock.wait(Math.min(...waits), this.#resting.signal);
  }

  /** The position moves also where nothing is to be sent. */
  #savePosition(): void {
    const isOld = this.#services.clock.monotonic() - this.#savedAt >= POSITION_SAVED_EVERY_MS;
    if (this.#queue.isReplayDone || (isOld && this.#queue.position > this.#savedPosition)) this.#writer.flush();
  }

  #sendWhatMay(): void {
    const { breaker } = this.#outcomes;
    while (this.#busy < this.#slots && !this.#isEnding && this.#outcomes.restMs === 0) {
      const isProbe = breaker.isOpen;
      if (isProbe && this.#isProbing) return;
      const delivery = isProbe ? this.#queue.oldest() : this.#queue.next(this.#slots);
      if (delivery === undefined) return;
      this.#busy += 1;
      if (this.#queue.isWanted(delivery.event)) this.#begin(delivery, isProbe);
      else this.#passOver(delivery);
    }
  }

  /** A parked event of a type or a connection that the endpoint is not told of any more. */
  #passOver(delivery: Delivery): void {
    this.#queue.contacts.end(delivery.event);
    this.#record(delivery, { unpark: [delivery.event.seq] });
  }

  #begin(delivery: Delivery, isProbe: boolean): void {
    this.#isProbing ||= isProbe;
    const over = this.#attempt(delivery, isProbe).finally(() => {
      this.#inFlight.delete(over);
      if (isProbe) this.#isProbing = false;
      this.#rouse();
    });
    this.#inFlight.add(over);
  }

  async #attempt(delivery: Delivery, isProbe: boolean): Promise<void> {
    const { event } = delivery;
    const at = this.#services.clock.now();
    const attempt = this.#triesOf(delivery) + 1;
    const sent = await this.#send(delivery, attempt);
    this.#queue.contacts.end(event);
    // Whether it was received is not known, or the endpoint is not ours any more.
    if (this.#cut.signal.aborted || this.#isLost) return this.#queue.putBack(delivery);
    const outcome = this.#outcomes.conclude(delivery, sent, isProbe);
    if (outcome.result === 'delivered' || outcome.change.park) this.#tries.delete(event.seq);
    else this.#tries.set(event.seq, attempt);
    this.#report(delivery, sent, outcome);
    const { status, durationMs, error } = sent;
    const answer = { ...(status !== undefined && { status }), ...(error !== undefined && { error }) };
    this.#record(delivery, { ...outcome.change, attempt: { eventSeq: event.seq, at, durationMs, ...answer } });
    if (outcome.change.disable) this.end();
  }

  async #send({ event }: Delivery, attempt: number): Promise<SendResult> {
    const { sender, text, onFault } = this.#services;
    try {
      return await sender.send(this.#endpoint, { id: event.id, text: text(event) }, attempt, this.#cut.signal);
    } catch (error) {
      onFault(error);
      return { durationMs: 0, error: 'internal' };
    }
  }

  #triesOf(delivery: Delivery): number {
    return this.#tries.get(delivery.event.seq) ?? ('parked' in delivery ? delivery.parked.tries : 0);
  }

  #report({ event }: Delivery, { status, durationMs, error }: SendResult, { result }: Outcome): void {
    const { logger, metrics } = this.#services;
    const { id, url } = this.#endpoint;
    metrics.attempted(id, result);
    const facts = { endpoint: id, host: new URL(url).host, event: event.id, type: event.type, result };
    logger.debug({ ...facts, status, ms: Math.round(durationMs), reason: error }, 'webhook sent');
  }

  #record(delivery: Delivery, change: ProgressChange): void {
    this.#writer.add({
      ...change,
      onRecorded: () => {
        this.#busy -= 1;
        this.#queue.recorded(delivery, change.park);
        this.#rouse();
      },
    });
  }
}
