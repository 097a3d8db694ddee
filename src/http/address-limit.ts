import { acquire } from '../rate-limit/gcra.ts';
import { type RemoteEnd, remoteKey } from './remote-address.ts';

interface AddressLimitOptions {
  /** Requests a second of one address, with a burst of two seconds' worth. */
  perSecond: number;
  /** Steady milliseconds. */
  clock?: () => number;
}

/** Addresses that are remembered. Beyond that, the one that was silent for the longest time is forgotten. */
const addressesMax = 10_000;

/**
 * Limits requests without a valid key, by remote address. Routes without a key are cheap, but any client can call them. A
 * request with a valid key is never limited here, because many callers may share the address of a proxy.
 */
export class AddressLimit {
  readonly #perSecond: number;
  readonly #clock: () => number;
  /** When each address has used up its permits, in the order of its last request. */
  readonly #until = new Map<string, number>();
  #refused = 0;

  constructor({ perSecond, clock = () => performance.now() }: AddressLimitOptions) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Takes a permit. Returns 0 if it was granted; otherwise the ms after which one would be. */
  take(socket: RemoteEnd): number {
    const address = remoteKey(socket);
    const now = this.#clock();
    const rate = { perSecond: this.#perSecond, burst: 2 * this.#perSecond };
    const { arrivalTime, waitMs } = acquire(this.#until.get(address) ?? Number.NEGATIVE_INFINITY, now, rate);
    this.#until.delete(address);
    this.#until.set(address, arrivalTime);
    if (this.#until.size > addressesMax) {
      const [oldest] = this.#until.keys();
      if (oldest !== undefined) this.#until.delete(oldest);
    }
    if (waitMs > 0) this.#refused += 1;
    return waitMs;
  }
}
