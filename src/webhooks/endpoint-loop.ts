import { setImmediate } from 'node:timers/promises';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { AttemptOutcomes } from './attempt-outcomes.ts';
import { Attempts } from './attempts.ts';
import type { EndpointServices } from './dispatcher-services.ts';
import { type EventDelivery, EventQueue } from './event-queue.ts';
import { type ProgressChange, ProgressWriter } from './progress-writer.ts';
import { Pulse } from './pulse.ts';

/** Maximum number of requests without a recorded result. These may be sent twice if the process dies. */
export const SLOTS_MAX = 8;
const LOOK_EVERY_MS = 1_000;
const FAULT_REST_MS = 1_000;
const POSITION_SAVED_EVERY_MS = 60_000;

/** Delivers events to one endpoint for as long as this process serves it. */
export class EndpointLoop {
  readonly #services: EndpointServices;
  readonly #queue: EventQueue;
  readonly #outcomes: AttemptOutcomes;
  readonly #writer: ProgressWriter;
  readonly #attempts: Attempts;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #cut = new AbortController();
  #endpoint: StoredEndpoint;
  #slots = SLOTS_MAX;
  /** In flight, or with a result that is not recorded. */
  #busy = 0;
  #isProbing = false;
  #isEnding = false;
  #isLost = false;
  #savedPosition: number;
  #savedAt: number;
  #lookAt = Number.NEGATIVE_INFINITY;
  readonly #pulse: Pulse;
  /** Resolves when nothing is in flight and all results that can be recorded are recorded. */
  readonly ended: Promise<void>;

  constructor(endpoint: StoredEndpoint, services: EndpointServices) {
    this.#services = services;
    this.#pulse = new Pulse(services.clock);
    this.#endpoint = endpoint;
    this.#savedPosition = endpoint.position;
    this.#savedAt = services.clock.monotonic();
    this.#queue = new EventQueue(endpoint, services);
    this.#outcomes = new AttemptOutcomes(endpoint, this.#queue, services);
    this.#attempts = new Attempts(services);
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
      onLost: () => this.#lose(),
      cut: this.#cut.signal,
    });
  }

  get epoch(): number {
    return this.#endpoint.epoch;
  }

  /** `lagMs`: age of the oldest undelivered event, without parked ones. */
  get state(): { lagMs: number; isFailing: boolean } {
    const now = this.#services.clock.now();
    const oldest = this.#queue.oldestLive;
    return { lagMs: oldest ? Math.max(0, now - oldest.at) : 0, isFailing: this.#outcomes.health.isFailing(now) };
  }

  /** Applies the caller's latest version of the endpoint and the number of requests that may be in flight. */
  update(endpoint: StoredEndpoint, slots: number): void {
    this.#slots = slots;
    this.#endpoint = endpoint;
    if (this.#queue.update(endpoint)) this.#pulse.rouse();
  }

  /** Call after events were recorded. */
  wake(): void {
    this.#queue.expectMore();
    this.#pulse.rouse();
  }

  /** Call after events were parked as due. */
  wakeParked(): void {
    this.#queue.parked.expect(0);
    this.wake();
  }

  /** Stops sending. `ended` resolves when the loop has ended. */
  end(): void {
    this.#isEnding = true;
    this.#pulse.rouse();
  }

  /** Aborts requests in flight. The next process to serve the endpoint sends them again. */
  cut(): void {
    this.end();
    this.#cut.abort();
  }

  /** Discards the in-memory state as outdated. The next process to serve the endpoint starts from the store. */
  #lose(): void {
    this.#isLost = true;
    this.end();
  }

  async #run(): Promise<void> {
    await setImmediate();
    while (!this.#isEnding) {
      try {
        await this.#pass();
        if (!this.#isEnding) await this.#pulse.rest(this.#untilNextPass);
      } catch (error) {
        this.#services.onFault(error);
        // Results do not end this pause: otherwise failing passes would follow each other without one.
        if (!this.#isEnding) await this.#services.clock.wait(FAULT_REST_MS, this.#cut.signal);
      }
    }
    await Promise.all(this.#inFlight);
    if (!this.#isLost && this.#queue.position > this.#savedPosition) this.#writer.flush();
    await this.#writer.settled();
  }

  async #pass(): Promise<void> {
    this.#pulse.begin();
    const told = this.#outcomes.failingFact();
    if (told) this.#writer.add(told);
    if (!this.#hasCaller) return;
    this.#look();
    await this.#queue.read();
    if (this.#mayTryParked) await this.#queue.parked.refill();
    this.#sendWhatMay();
    this.#savePosition();
    // Yields while pages contain no event for this endpoint.
    if (this.#queue.readInMs !== 0) return;
    await setImmediate();
    this.#pulse.rouse();
  }

  /** Finds events of other processes whose notification was lost. */
  #look(): void {
    const now = this.#services.clock.monotonic();
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#queue.expectMore();
  }

  /** While all events fail, a parked event is tried only if there is no other. */
  get #mayTryParked(): boolean {
    return !this.#outcomes.breaker.isOpen || this.#queue.oldestLive === undefined;
  }

  /** Milliseconds until something can be done without a wake-up. */
  get #untilNextPass(): number {
    if (!this.#hasCaller) return LOOK_EVERY_MS;
    const { restMs } = this.#outcomes;
    const waits = [LOOK_EVERY_MS, this.#queue.readInMs ?? LOOK_EVERY_MS];
    if (restMs > 0) waits.push(restMs);
    else if (this.#busy < this.#slots) waits.push(this.#queue.restMs);
    return Math.min(...waits);
  }

  /** While false, the position does not move. Checked again after each read, so that nothing is skipped. */
  get #hasCaller(): boolean {
    return this.#services.connectionsOf(this.#endpoint.caller) !== undefined;
  }

  /** Moves the position even if nothing has to be sent. */
  #savePosition(): void {
    const isOld = this.#services.clock.monotonic() - this.#savedAt >= POSITION_SAVED_EVERY_MS;
    if (this.#queue.isReplayDone || (isOld && this.#queue.position > this.#savedPosition)) this.#writer.flush();
  }

  #sendWhatMay(): void {
    const { breaker } = this.#outcomes;
    while (this.#busy < this.#slots && !this.#isEnding && this.#outcomes.restMs === 0 && this.#hasCaller) {
      const isProbe = breaker.isOpen;
      if (isProbe && this.#isProbing) return;
      const delivery = isProbe ? this.#queue.oldest() : this.#queue.next(this.#slots);
      if (delivery === undefined) return;
      this.#busy += 1;
      if (this.#queue.isWanted(delivery.event)) this.#begin(delivery, isProbe);
      else this.#passOver(delivery);
    }
  }

  /** Probes behind the oldest event: the oldest may be refused while others are accepted. */
  #tryAnother(): void {
    const { otherToTry } = this.#outcomes.breaker;
    if (otherToTry === undefined || this.#busy >= this.#slots) return;
    const delivery = this.#queue.another(otherToTry);
    if (delivery === undefined) return;
    this.#busy += 1;
    this.#begin(delivery, false);
  }

  /** Drops a parked event of a type or connection that the endpoint no longer subscribes to. */
  #passOver(delivery: EventDelivery): void {
    this.#queue.contacts.end(delivery.event);
    this.#record(delivery, { unpark: [delivery.event.seq] });
  }

  #begin(delivery: EventDelivery, isProbe: boolean): void {
    this.#isProbing ||= isProbe;
    const over = this.#attempt(delivery, isProbe)
      .catch((error: unknown) => {
        this.#services.onFault(error);
        this.#lose();
      })
      .finally(() => {
        this.#inFlight.delete(over);
        if (isProbe) this.#isProbing = false;
        this.#pulse.rouse();
      });
    this.#inFlight.add(over);
  }

  async #attempt(delivery: EventDelivery, isProbe: boolean): Promise<void> {
    const attempt = await this.#attempts.make(this.#endpoint, delivery, this.#cut.signal);
    // It is unknown whether the event was received, or this process no longer serves the endpoint.
    if (this.#cut.signal.aborted || this.#isLost) return this.#queue.putBack(delivery);
    const outcome = this.#outcomes.conclude(delivery, attempt.sent, isProbe);
    this.#attempts.report(this.#endpoint, attempt, outcome);
    // A parked event is recorded before a later event of its contact is sent.
    if (outcome.change.park === undefined) this.#queue.contacts.end(delivery.event);
    this.#record(delivery, { ...outcome.change, attempt: attempt.noted });
    if (outcome.change.disable) this.end();
    else if (isProbe) this.#tryAnother();
  }

  #record(delivery: EventDelivery, change: ProgressChange): void {
    this.#writer.add({
      ...change,
      onRecorded: () => {
        this.#busy -= 1;
        if (change.park) this.#queue.contacts.end(delivery.event);
        this.#queue.recorded(delivery, change);
        this.#pulse.rouse();
      },
    });
  }
}
