import { HeldQueues, type ReportHold } from '../../holds/held-queues.ts';
import type { Hold } from '../../holds/holds.ts';
import type { MessageStore, OwnedQueue, QueueKey, StoredMessage } from '../../store/message-store.ts';
import type { ActiveDeliveries } from '../active-deliveries.ts';

/** The most resumed messages in delivery at once. The rest of the queue stays in the store, so memory does not grow with it. */
const resumedMax = 200;
/** Messages read from one queue at a time, so that queues take turns. */
const pageMax = 50;
/** Queues per read of the store. */
const queuesPage = 500;

interface FeederServices {
  store: Pick<MessageStore, 'recoverOrphans' | 'listQueues' | 'adoptOrphans' | 'listOwnQueued'>;
  /** The messages that this process is delivering or inserting. */
  active: Pick<ActiveDeliveries, 'has' | 'ids'>;
  /** Whether the breaker of this queue's connection is closed. */
  breakerIsClosed: (queue: QueueKey) => boolean;
  /** Why the caller may not send now; undefined: it may. */
  holdOf: (queue: QueueKey) => Hold | undefined;
  /** A queue is held from now on, or released. */
  onHold?: ReportHold;
  /** Resolves when the message is final, or stays queued again. */
  resume: (stored: StoredMessage) => Promise<unknown>;
  closing: AbortSignal;
}

/**
 * Resumes queued messages from the store once they may go out: those of dead processes, and those that were held for their caller,
 * connection or credentials. Reads a page at a time, queue by queue, so that memory does not grow with what is queued.
 */
export interface QueueFeeder {
  /** Completes the attempts of dead processes, and marks that they may have left queued messages for `feed`. */
  recover(): Promise<void>;
  /** A message stays queued, so `feed` has something to look for. */
  markPending(): void;
  /** Resumes messages that may be sent now, as far as there is capacity. Called periodically. */
  feed(): Promise<void>;
}

export function createQueueFeeder(services: FeederServices): QueueFeeder {
  const { store, active, closing } = services;
  const heldQueues = new HeldQueues(services.onHold);
  let isPending = true;
  let resumed = 0;

  const markPending = () => {
    isPending = true;
  };

  /** Returns how many messages it resumed. */
  const feedQueue = async (queue: OwnedQueue): Promise<number> => {
    const most = Math.min(pageMax, resumedMax - resumed);
    if (most <= 0) return 0;
    if (queue.ownership === 'orphaned') await store.adoptOrphans(queue, most);
    // A message that is in delivery now may be final by the time the query returns, so its id is excluded.
    const known = new Set(active.ids());
    const own = await store.listOwnQueued(queue, most, [...known]);
    const inactive = own.filter(({ id }) => !known.has(id) && !active.has(id));
    for (const stored of inactive) {
      resumed += 1;
      const over = () => {
        resumed -= 1;
      };
      services.resume(stored).then(over, over);
    }
    return inactive.length;
  };

  const feed = async () => {
    if (!isPending || closing.aborted) return;
    // Set again while this runs if a message stays queued.
    isPending = false;
    try {
      const queues = await allQueues(store);
      heldQueues.keepOnly(queues);
      for (const queue of queues) {
        if (closing.aborted) return;
        if (queue.ownership === 'other') continue;
        const hold = services.holdOf(queue);
        heldQueues.note(queue, hold);
        const isHeld = hold !== undefined || !services.breakerIsClosed(queue);
        const count = isHeld ? 0 : await feedQueue(queue);
        if (isHeld || count > 0 || resumed >= resumedMax) isPending = true;
      }
    } catch (error) {
      markPending();
      throw error;
    }
  };

  return {
    recover: async () => {
      await store.recoverOrphans();
      markPending();
    },
    markPending,
    feed,
  };
}

async function allQueues(store: Pick<MessageStore, 'listQueues'>): Promise<OwnedQueue[]> {
  const queues: OwnedQueue[] = [];
  for (let after: OwnedQueue | undefined; ; ) {
    const page = await store.listQueues(queuesPage, after);
    queues.push(...page);
    after = page.at(-1);
    if (page.length < queuesPage || after === undefined) return queues;
  }
}
