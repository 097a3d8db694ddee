import { HeldLanes, type ReportHold } from '../../holds/held-lanes.ts';
import type { Hold } from '../../holds/holds.ts';
import type { MessageStore, OwnedQueue, QueueKey, StoredMessage } from '../../store/message-store.ts';
import type { ActiveDeliveries } from '../active-deliveries.ts';

/** Resumed messages in delivery at once: the rest of the queue stays in the store, however long it is. */
const resumedMax = 200;
/** Messages of one lane at a time, so that lanes take turns. */
const pageMax = 50;
/** Lanes in one read of the store. */
const lanesPage = 500;

interface FeederServices {
  store: Pick<MessageStore, 'recoverOrphans' | 'listQueues' | 'adoptOrphans' | 'listOwnQueued'>;
  /** The messages that this process is delivering or inserting. */
  active: Pick<ActiveDeliveries, 'has' | 'ids'>;
  /** Whether the breaker of this lane's connection is closed. */
  breakerIsClosed: (lane: QueueKey) => boolean;
  /** Why the caller may not send now; undefined: it may. */
  holdOf: (lane: QueueKey) => Hold | undefined;
  /** The queue of a lane is held from now on, or released. */
  onHold?: ReportHold;
  /** Resolves when the message is final, or stays queued again. */
  resume: (stored: StoredMessage) => Promise<unknown>;
  closing: AbortSignal;
}

/**
 * Resumes queued messages from the store once they may go out: those of dead processes, and those that were held for their caller,
 * connection or credentials. Reads a page at a time, lane by lane, so that memory does not grow with the queue.
 */
export interface QueueFeeder {
  /** Ends the attempts of dead processes, so that `feed` looks for what they left queued. */
  recover(): Promise<void>;
  /** A message stays queued: `feed` looks for it from now on. */
  markPending(): void;
  /** Resumes what may go now, as far as there is capacity. Called periodically. */
  feed(): Promise<void>;
}

export function createQueueFeeder(services: FeederServices): QueueFeeder {
  const { store, active, closing } = services;
  const heldLanes = new HeldLanes(services.onHold);
  let isPending = true;
  let resumed = 0;

  const markPending = () => {
    isPending = true;
  };

  /** Returns how many it resumed. */
  const feedLane = async (lane: OwnedQueue): Promise<number> => {
    const most = Math.min(pageMax, resumedMax - resumed);
    if (most <= 0) return 0;
    if (lane.ownership === 'orphaned') await store.adoptOrphans(lane, most);
    // A delivery that is active during the query may have ended when the result arrives.
    const known = new Set(active.ids());
    const own = await store.listOwnQueued(lane, most, [...known]);
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
    // Set again by any message that stays queued meanwhile.
    isPending = false;
    try {
      const lanes = await allLanes(store);
      heldLanes.keepOnly(lanes);
      for (const lane of lanes) {
        if (closing.aborted) return;
        if (lane.ownership === 'other') continue;
        const hold = services.holdOf(lane);
        heldLanes.note(lane, hold);
        const isHeld = hold !== undefined || !services.breakerIsClosed(lane);
        const count = isHeld ? 0 : await feedLane(lane);
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

async function allLanes(store: Pick<MessageStore, 'listQueues'>): Promise<OwnedQueue[]> {
  const lanes: OwnedQueue[] = [];
  for (let after: OwnedQueue | undefined; ; ) {
    const page = await store.listQueues(lanesPage, after);
    lanes.push(...page);
    after = page.at(-1);
    if (page.length < lanesPage || after === undefined) return lanes;
  }
}
