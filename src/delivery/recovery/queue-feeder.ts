import { HeldLanes, type TellHold } from '../../holds/held-lanes.ts';
import type { Hold } from '../../holds/holds.ts';
import type { Lane, QueuedLane, SendStore, StoredSend } from '../../store/port.ts';
import type { LiveSend } from '../dispatch/deliver.ts';

/** Sends taken up from the store that may be under way at once: the rest of the queue stays there, however long it is. */
const underWayMax = 200;
/** Of one lane at a time, so that the lanes take turns. */
const pageMax = 50;
/** Lanes of one look into the store. */
const lanesPage = 500;

interface FeederServices {
  store: Pick<SendStore, 'recover' | 'queuedLanes' | 'adopt' | 'ownQueued'>;
  /** What is under way here, by id. */
  running: ReadonlyMap<string, Promise<LiveSend>>;
  /** Ids whose records are being written: they are under way as soon as those are answered. */
  recording: ReadonlySet<string>;
  /** Whether the gateway takes what is queued in this lane. */
  isOpen: (lane: Lane) => boolean;
  /** Why its caller may not send now; undefined: it may. */
  holdOf: (lane: Lane) => Hold | undefined;
  /** What is queued in a lane is held from now on, or not any more. */
  onHold?: TellHold;
  /** Resolves when the send has ended, or is left to the store again. */
  takeUp: (stored: StoredSend) => Promise<unknown>;
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
  leave(): void;
  /** Takes up what may go now, as far as there is room. Asked again and again. */
  feed(): Promise<void>;
}

export function createQueueFeeder(services: FeederServices): QueueFeeder {
  const { store, running, recording, closing } = services;
  const heldLanes = new HeldLanes(services.onHold);
  let isPending = true;
  let fed = 0;

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
    const most = Math.min(pageMax, underWayMax - fed);
    if (most <= 0) return 0;
    if (lane.whose === 'lost') await store.adopt(lane, most);
    // What is under way when it is asked for may have ended when the answer comes.
    const known = new Set([...running.keys(), ...recording]);
    const own = await store.ownQueued(lane, most, [...known]);
    let taken = 0;
    for (const stored of own) {
      if (known.has(stored.id) || running.has(stored.id) || recording.has(stored.id)) continue;
      taken += 1;
      fed += 1;
      const over = () => {
        fed -= 1;
      };
      services.takeUp(stored).then(over, over);
    }
    return taken;
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
        const isHeld = hold !== undefined || !services.isOpen(lane);
        const taken = isHeld ? 0 : await feedLane(lane);
        if (isHeld || taken > 0 || fed >= underWayMax) isPending = true;
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
    leave: () => {
      isPending = true;
    },
    feed,
  };
}
