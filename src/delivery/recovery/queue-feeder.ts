import { HeldLanes, type TellHold } from '../../holds/held-lanes.ts';
import type { Hold } from '../../holds/holds.ts';
import type { Lane, QueuedLane, SendStore, StoredSend } from '../../store/port.ts';
import type { ActiveDeliveries } from '../active-deliveries.ts';

/** Sends taken up from the store that may be under way at once: the rest of the queue stays there, however long it is. */
const resumedMax = 200;
/** Of one lane at a time, so that the lanes take turns. */
const pageMax = 50;
/** Lanes of one look into the store. */
const lanesPage = 500;

interface FeederServices {
  store: Pick<SendStore, 'recover' | 'queuedLanes' | 'adopt' | 'ownQueued'>;
  /** What this process is delivering or inserting. */
  active: Pick<ActiveDeliveries, 'has' | 'ids'>;
  /** Whether the gateway takes what is queued in this lane. */
  breakerIsClosed: (lane: Lane) => boolean;
  /** Why its caller may not send now; undefined: it may. */
  holdOf: (lane: Lane) => Hold | undefined;
  /** What is queued in a lane is held from now on, or not any more. */
  onHold?: TellHold;
  /** Resolves when the send has ended, or is left to the store again. */
  resume: (stored: StoredSend) => Promise<unknown>;
  closing: AbortSignal;
}

/**
 * Sends that nobody waits for stay in the store until they may go out: those of dead processes, and those whose caller,
 * connection or credentials were held up. They are taken up a page at a time, lane by lane; memory does not grow with the
 * queue.
 */
export interface QueueFeeder {
  /** Ends what dead processes were sending, and looks at once for what they left queued. */
  recover(): Promise<void>;
  /** A send was left to the store: it is looked for from now on. */
  markPending(): void;
  /** Takes up what may go now, as far as there is room. Asked again and again. */
  feed(): Promise<void>;
}

export function createQueueFeeder(services: FeederServices): QueueFeeder {
  const { store, active, closing } = services;
  const heldLanes = new HeldLanes(services.onHold);
  let isPending = true;
  let resumed = 0;

  const lanesOf = async (): Promise<QueuedLane[]> => {
    const lanes: QueuedLane[] = [];
    for (let after: QueuedLane | undefined; ; ) {
      const page = await store.queuedLanes(lanesPage, after);
      lanes.push(...page);
      after = page.at(-1);
      if (page.length < lanesPage || after === undefined) return lanes;
    }
  };

  /** Answers how many it took up. */
  const feedLane = async (lane: QueuedLane): Promise<number> => {
    const most = Math.min(pageMax, resumedMax - resumed);
    if (most <= 0) return 0;
    if (lane.whose === 'lost') await store.adopt(lane, most);
    // What is under way when it is asked for may have ended when the answer comes.
    const known = new Set(active.ids());
    const own = await store.ownQueued(lane, most, [...known]);
    let count = 0;
    for (const stored of own) {
      if (known.has(stored.id) || active.has(stored.id)) continue;
      count += 1;
      resumed += 1;
      const over = () => {
        resumed -= 1;
      };
      services.resume(stored).then(over, over);
    }
    return count;
  };

  const feed = async () => {
    if (!isPending || closing.aborted) return;
    // Set again by whatever is left behind meanwhile.
    isPending = false;
    try {
      const lanes = await lanesOf();
      heldLanes.keepOnly(lanes);
      for (const lane of lanes) {
        if (closing.aborted) return;
        if (lane.whose === 'other') continue;
        const hold = services.holdOf(lane);
        heldLanes.note(lane, hold);
        const isHeld = hold !== undefined || !services.breakerIsClosed(lane);
        const count = isHeld ? 0 : await feedLane(lane);
        if (isHeld || count > 0 || resumed >= resumedMax) isPending = true;
      }
    } catch (error) {
      isPending = true;
      throw error;
    }
  };

  return {
    recover: async () => {
      await store.recover();
      isPending = true;
    },
    markPending: () => {
      isPending = true;
    },
    feed,
  };
}
