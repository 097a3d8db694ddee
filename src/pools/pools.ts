import { SharedPool } from './shared-pool.ts';

const MIB = 1024 * 1024;

interface PoolSizes {
  /** A connection processes one request at a time, so there are never more requests than connections. */
  CONNECTIONS_MAX: number;
}

/**
 * Pools that all callers share at the front of the service. Uploads and imports have pools of their own
 * (src/upload/uploads.ts), and so have messages in delivery (src/delivery/admission/admission.ts).
 */
export interface Pools {
  /** Requests of callers, from authentication to the end of the response. */
  readonly requests: SharedPool;
  /** Bytes of JSON bodies, from `100 Continue` until they are parsed; those of large bodies until the response. */
  readonly bodies: SharedPool;
  /** Media and native answers that are streamed. */
  readonly downloads: SharedPool;
  readonly eventStreams: SharedPool;
  /** Reports of broadcasts, which read pages from the store as fast as the client takes them. */
  readonly reports: SharedPool;
  /** Streams of a caller's events: at most five each. */
  readonly eventReaders: SharedPool;
  /** Streams of `GET /v1/operations/stream`. */
  readonly operatorStreams: SharedPool;
  /** Requests that wait for an event. */
  readonly eventWaits: SharedPool;
  /** Bytes of pages of events until they are sent. */
  readonly eventPages: SharedPool;
  /** Tests of webhook endpoints: each may wait for its receiver. */
  readonly webhookTests: SharedPool;
}

export function createPools({ CONNECTIONS_MAX }: PoolSizes): Pools {
  return {
    // A request costs little unless it also uses another pool, so one caller may have nearly all of this one.
    requests: new SharedPool({ name: 'requests', size: () => CONNECTIONS_MAX, alone: 0.9 }),
    bodies: new SharedPool({ name: 'bodies', size: () => 32 * MIB }),
    downloads: new SharedPool({ name: 'downloads', size: () => 128 }),
    eventStreams: new SharedPool({ name: 'event-streams', size: () => 256 }),
    reports: new SharedPool({ name: 'reports', size: () => 16 }),
    eventReaders: new SharedPool({ name: 'event-readers', size: () => 200, share: 0.025, alone: 0.025 }),
    operatorStreams: new SharedPool({ name: 'operator-streams', size: () => 32 }),
    eventWaits: new SharedPool({ name: 'event-waits', size: () => 1_000 }),
    eventPages: new SharedPool({ name: 'event-pages', size: () => 32 * MIB }),
    webhookTests: new SharedPool({ name: 'webhook-tests', size: () => 32, share: 0.125, alone: 0.25 }),
  };
}
