import { SharedPool } from './shared-pool.ts';

const MIB = 1024 * 1024;

interface PoolSizes {
  /** One request at a time per connection, so there are never more. */
  CONNECTIONS_MAX: number;
}

/**
 * Pools that all callers share at the front of the service. Uploads and imports have pools of their own (src/upload/uploads.ts), and
 * so have sends under way (src/delivery/admission/admission.ts).
 */
export interface Pools {
  /** Requests of callers from their key to the end of their answer. */
  readonly requests: SharedPool;
  /** Bytes of JSON bodies, from the invitation until they are read; of large ones until they are answered. */
  readonly bodies: SharedPool;
  /** Media and native answers that stream through. */
  readonly downloads: SharedPool;
  readonly eventStreams: SharedPool;
  /** Streams of a caller's events: at most five each. */
  readonly eventReaders: SharedPool;
  /** Requests that wait for an event. */
  readonly eventWaits: SharedPool;
}

export function createPools({ CONNECTIONS_MAX }: PoolSizes): Pools {
  return {
    // A request costs little until it takes one of the others, so one caller may nearly have them all.
    requests: new SharedPool({ name: 'requests', size: () => CONNECTIONS_MAX, alone: 0.9 }),
    bodies: new SharedPool({ name: 'bodies', size: () => 32 * MIB }),
    downloads: new SharedPool({ name: 'downloads', size: () => 128 }),
    eventStreams: new SharedPool({ name: 'event-streams', size: () => 256 }),
    eventReaders: new SharedPool({ name: 'event-readers', size: () => 200, share: 0.025, alone: 0.025 }),
    eventWaits: new SharedPool({ name: 'event-waits', size: () => 1_000 }),
  };
}
