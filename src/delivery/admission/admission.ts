import { refusalProblem } from '../../pools/refusal.ts';
import { type Release, SharedPool } from '../../pools/shared-pool.ts';
import { Problem } from '../../problem.ts';
import type { PlaceInQueue, RateLimiter } from '../../rate-limit/types.ts';
import type { MessageStore } from '../../store/message-store.ts';
import { throwStoreUnreadable } from '../../store/store-problems.ts';
import type { CallContext } from '../../upstream/client.ts';
import { permitRequestOf, queueKey, systemPriority } from '../../upstream/permits.ts';
import type { CircuitBreaker } from '../dispatch/circuit-breaker.ts';
import { createLoadLimiter } from './load-limiter.ts';

interface AdmissionServices {
  pendingInserts: PendingInserts;
  breaker: CircuitBreaker;
  store: Pick<MessageStore, 'countQueued'>;
  /** Capacity for messages in delivery, by caller. */
  sends: SharedPool;
  /** Absent: there is no rate limit. */
  rateLimiter: RateLimiter | undefined;
}

/**
 * Decides whether a send is admitted, before anything is stored. A send that cannot go out in time is refused with
 * `rate-limited` (429): a refusal has to be cheap, and nothing must be left to recover or to clean up.
 */
export interface Admission {
  /**
   * Limits messages in delivery. The rate limit of upstream calls is not enough, because one call carries hundreds of messages.
   * `work` passes the delivery that it starts to `keepPlace`; its place is released when that settles.
   */
  withCapacity<Value>(context: CallContext, work: (keepPlace: KeepPlace) => Promise<Value>): Promise<Value>;
  /**
   * For a message without a waiting client. While the breaker of its connection is open the message would stay queued, and the
   * queue is bounded.
   */
  assertQueueCapacity(caller: string, connection: string): Promise<void>;
  /** Refuses a message whose permit would be granted only after the client has stopped waiting. */
  assertPermitWithinDeadline(operation: string, context: CallContext, wait: PermitWait): void;
}

interface PermitWait {
  timeoutMs: number;
  /** Of a message that may share a call with others. */
  place?: PlaceInQueue | undefined;
}

/** The most messages that may be queued for connections with an open breaker: of all callers, and of one. */
const queuedMax = 20_000;
const queuedOfOneMax = queuedMax / 4;

export type KeepPlace = (run: Promise<unknown>) => void;

/**
 * Capacity for messages in delivery, shared between callers. A single caller may use nearly all of it, because many templates
 * are sent in a few calls; when others ask, it keeps a quarter. With room for fewer than three of the largest batches, no batch
 * would become full on a busy machine: one is on the wire, one is recorded, and one waits for its permit.
 */
export function createSendsPool(largestBatch = 1): SharedPool {
  const limiter = createLoadLimiter({ max: Math.max(1_000, 3 * largestBatch), min: Math.max(200, largestBatch) });
  return new SharedPool({ name: 'sends', size: () => Math.floor(limiter.limit), alone: 0.95 });
}

export function createAdmission({ pendingInserts, breaker, store, sends, rateLimiter }: AdmissionServices): Admission {
  const enter = ({ priority = systemPriority }: CallContext): Release => {
    const taken = sends.take(priority.caller);
    if (typeof taken === 'function') return taken;
    // Urgent messages are always admitted.
    if (priority.lane === 'urgent') return () => {};
    if (taken === 'share-spent') throw refusalProblem(sends, taken, { retryAfterS: 1 });
    const detail = 'as many sends are under way as there may be at once; nothing was sent';
    throw new Problem('rate-limited', detail, { retryAfterS: 1 });
  };

  return {
    withCapacity: async (context, work) => {
      const leave = enter(context);
      let isKept = false;
      try {
        return await work((run) => {
          isKept = true;
          run.then(leave, leave);
        });
      } finally {
        if (!isKept) leave();
      }
    },
    assertQueueCapacity: async (caller, connection) => {
      if (breaker.isClosed(connection)) return;
      const own = await store.countQueued(queuedOfOneMax, caller).catch(throwStoreUnreadable);
      const all = own < queuedOfOneMax ? await store.countQueued(queuedMax).catch(throwStoreUnreadable) : 0;
      if (own < queuedOfOneMax && all < queuedMax) return;
      const detail = 'as many sends as there may be wait until this connection is mended; nothing was sent';
      throw new Problem('rate-limited', detail, { retryAfterS: 30 });
    },
    assertPermitWithinDeadline: (operation, { priority }, { timeoutMs, place }) => {
      const callsBefore = (place?.callsBefore ?? 0) + pendingInserts.count(queueKey(priority));
      const ask = { ...permitRequestOf(operation, priority), callsBefore, joinsQueuedCall: place?.joinsQueuedCall };
      const expectedMs = rateLimiter?.expectedWaitMs(ask) ?? 0;
      if (expectedMs <= timeoutMs) return;
      const detail =
        'the calls that Maton and WATI allow a second are spent for as long as you would wait; nothing was sent';
      throw new Problem('rate-limited', detail, {
        retryAfterS: Math.max(1, Math.ceil((expectedMs - timeoutMs) / 1000)),
      });
    },
  };
}

/**
 * Counts admitted messages whose records are being inserted, by the key of the queue that they will join: `BatchTemplate.key` for
 * templates that may share a call, else `queueKey`. Admission counts them as queued; otherwise a slow commit would admit more
 * messages than can get a permit in time.
 */
export class PendingInserts {
  readonly #counts = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Counts one more message in the queue until `work` settles. */
  async track<Value>(key: string, work: Promise<Value>): Promise<Value> {
    this.#add(key, 1);
    try {
      return await work;
    } finally {
      this.#add(key, -1);
    }
  }

  #add(key: string, n: number): void {
    const count = this.count(key) + n;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
    this.#size += n;
  }
}
