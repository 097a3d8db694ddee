import { sleep } from '../lib/sleep.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { CatchUpPace } from './catch-up-pace.ts';
import type { DispatcherServices, EndpointServices } from './dispatcher-services.ts';
import { EndpointLoop, SLOTS_MAX } from './endpoint-loop.ts';
import { Pulse } from './pulse.ts';

/**
 * Sends events to the endpoints of callers. Each endpoint is served by one process at a time, whose loop reads the
 * events behind the endpoint's position. A failing or slow endpoint delays no other, because each has its own slots.
 */
export interface Dispatcher {
  start(): void;
  /** Call after endpoints were created or changed, or events were parked. */
  wake(): void;
  /** Resolves when requests in flight have ended, or were aborted after `drainMs`, and their results are recorded. */
  stop(): Promise<void>;
  /** Aborts requests in flight. */
  cutOff(): void;
  /** The endpoints that this process serves. */
  readonly states: () => EndpointState[];
}

export interface EndpointState {
  id: string;
  status: 'enabled' | 'failing' | 'disabled' | 'disabled_by_caller';
  lagMs: number;
}

/** Maximum number of concurrent requests of a process, unless it serves more endpoints than this. */
const REQUESTS_MAX = 256;
const LOOK_EVERY_MS = 1_000;

const realClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  wait: sleep,
  random: () => Math.random(),
};

export function createDispatcher({ catchUpPerSecond, ...services }: DispatcherServices): Dispatcher {
  const clock = { ...realClock, ...services.clock };
  const catchUp = new CatchUpPace(catchUpPerSecond, clock.monotonic);
  return new EndpointDispatcher({ ...services, clock, catchUp });
}

class EndpointDispatcher implements Dispatcher {
  readonly #services: EndpointServices;
  readonly #loops = new Map<string, EndpointLoop>();
  readonly #stopping = new AbortController();
  #served: readonly StoredEndpoint[] = [];
  #running: Promise<void> | undefined;
  #unsubscribe: (() => void) | undefined;
  readonly #pulse: Pulse;

  constructor(services: EndpointServices) {
    this.#services = services;
    this.#pulse = new Pulse(services.clock);
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#running = this.#run();
  }

  wake(): void {
    this.#pulse.rouse();
    for (const loop of this.#loops.values()) loop.wakeParked();
  }

  async stop(): Promise<void> {
    const { clock, drainMs } = this.#services;
    this.#stopping.abort();
    this.#pulse.rouse();
    await this.#running;
    const loops = [...this.#loops.values()];
    for (const loop of loops) loop.end();
    const allEnded = new AbortController();
    const ended = Promise.all(loops.map((loop) => loop.ended)).then(() => allEnded.abort());
    await clock.wait(drainMs, allEnded.signal);
    this.cutOff();
    await ended;
  }

  cutOff(): void {
    for (const loop of this.#loops.values()) loop.cut();
  }

  readonly states = (): EndpointState[] =>
    this.#served.map((endpoint) => {
      const { isFailing = false, lagMs = 0 } = this.#loops.get(endpoint.id)?.state ?? {};
      return { id: endpoint.id, status: statusOf(endpoint, isFailing), lagMs };
    });

  async #run(): Promise<void> {
    const { onFault } = this.#services;
    while (!this.#stopping.signal.aborted) {
      this.#pulse.begin();
      try {
        await this.#claim();
      } catch (error) {
        onFault(error);
      }
      await this.#pulse.rest(LOOK_EVERY_MS);
    }
  }

  /** A loop that ends during the query is not restarted from its result, which may be outdated. */
  async #claim(): Promise<void> {
    const before = new Set(this.#loops.keys());
    const served = this.#services.isAvailable() ? await this.#services.store.claimEndpoints() : [];
    if (this.#stopping.signal.aborted) return;
    this.#forget(served);
    this.#served = served;
    const enabled = new Map(served.filter(({ status }) => status === 'enabled').map((each) => [each.id, each]));
    const slots = Math.min(SLOTS_MAX, Math.max(1, Math.floor(REQUESTS_MAX / Math.max(1, enabled.size))));
    for (const [id, loop] of this.#loops) {
      // Abort its requests: the endpoint was deleted or is served elsewhere, so results cannot be recorded here.
      // Otherwise a caller that creates and deletes endpoints in a loop would accumulate requests in flight.
      if (!this.#serves(id)) loop.cut();
      else if (enabled.get(id)?.epoch !== loop.epoch) loop.end();
    }
    for (const endpoint of enabled.values()) {
      const loop = this.#loops.get(endpoint.id);
      if (loop?.epoch === endpoint.epoch) loop.update(endpoint, slots);
      else if (loop === undefined && !before.has(endpoint.id)) this.#begin(endpoint, slots);
    }
  }

  #serves(id: string): boolean {
    return this.#served.some((endpoint) => endpoint.id === id);
  }

  #forget(served: readonly StoredEndpoint[]): void {
    const ids = new Set(served.map(({ id }) => id));
    for (const { id } of this.#served) if (!ids.has(id)) this.#services.metrics.forget(id);
  }

  #begin(endpoint: StoredEndpoint, slots: number): void {
    const loop = new EndpointLoop(endpoint, this.#services);
    loop.update(endpoint, slots);
    this.#loops.set(endpoint.id, loop);
    this.#unsubscribe ??= this.#services.signal.subscribe(() => {
      for (const each of this.#loops.values()) each.wake();
    });
    const over = () => {
      this.#loops.delete(endpoint.id);
      // A request that was in flight may have been counted since.
      if (!this.#serves(endpoint.id)) this.#services.metrics.forget(endpoint.id);
      if (this.#loops.size === 0) this.#ignoreSignals();
      if (!this.#stopping.signal.aborted) this.#pulse.rouse();
    };
    loop.ended.then(over, (error) => {
      this.#services.onFault(error);
      over();
    });
  }

  #ignoreSignals(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }
}

function statusOf({ status, reason }: StoredEndpoint, isFailing: boolean): EndpointState['status'] {
  if (status === 'disabled') return reason === 'caller' ? 'disabled_by_caller' : 'disabled';
  return isFailing ? 'failing' : 'enabled';
}
