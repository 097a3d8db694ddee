import { refusalProblem } from '../../pools/refusal.ts';
import { type Release, SharedPool } from '../../pools/shared-pool.ts';
import { Problem } from '../../problem.ts';
import type { RateLimiter } from '../../rate-limit/types.ts';
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

/** Refuses with `rate-limited` what cannot be sent in time, before anything is stored: a refusal has to be cheap and leave nothing behind. */
export interface Admission {
  /**
   * Limits messages in delivery; the rate limit of upstream calls alone does not, because a batch carries hundreds. `work`
   * passes a started delivery to `holdCapacity`, which keeps its place until that settles.
   */
  withCapacity<Value>(context: CallContext, work: (holdCapacity: HoldCapacity) => Promise<Value>): Promise<Value>;
  /**
   * For a message without a waiting client while its connection's breaker is open: it would stay queued, and the queue is bounded.
   */
  assertQueueCapacity(caller: string, connection: string): Promise<void>;
  /** A message whose permit would come after the client has stopped waiting is refused now. */
  assertPermitWithinDeadline(operation: string, context: CallContext, wait: PermitWait): void;
}

interface PermitWait {
  timeoutMs: number;
  /** Calls of waiting batches that go out first; 0 by default. */
  batchesAhead?: number | undefined;
}

/** Queued messages that may wait for a connection: of all callers together, and of one. */
const queuedMax = 20_000;
const queuedOfOneMax = queuedMax / 4;

export type HoldCapacity = (run: Promise<unknown>) => void;

/**
 * Capacity for messages in delivery, shared between callers. A single caller may use nearly all of it, because many templates
 * go out in a few calls; when others ask, it keeps a quarter.
 */
export function createSendsPool(): SharedPool {
  const limiter = createLoadLimiter();
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
      let isHeld = false;
      try {
        return await work((run) => {
          isHeld = true;
          run.then(leave, leave);
        });
      } finally {
        if (!isHeld) leave();
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
    assertPermitWithinDeadline: (operation, { priority }, { timeoutMs, batchesAhead = 0 }) => {
      const callsBefore = batchesAhead + pendingInserts.count(queueKey(priority));
      const expectedMs = rateLimiter?.expectedWaitMs({ ...permitRequestOf(operation, priority), callsBefore }) ?? 0;
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
 * Admitted messages whose records are being written, by the queue they will join. Admission counts them as queued; otherwise
 * a slow commit would admit more messages than can get a permit in time.
 */
export class PendingInserts {
  readonly #counts = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  count(queueKey: string): number {
    return this.#counts.get(queueKey) ?? 0;
  }

  /** Counts one more in the queue until `work` settles. */
  async track<Value>(queueKey: string, work: Promise<Value>): Promise<Value> {
    this.#add(queueKey, 1);
    try {
      return await work;
    } finally {
      this.#add(queueKey, -1);
    }
  }

  #add(queueKey: string, n: number): void {
    const count = this.count(queueKey) + n;
    if (count === 0) this.#counts.delete(queueKey);
    else this.#counts.set(queueKey, count);
    this.#size += n;
  }
}
