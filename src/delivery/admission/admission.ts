import { refusalOf } from '../../pools/refusal.ts';
import { type Release, SharedPool } from '../../pools/shared-pool.ts';
import { Problem } from '../../problem.ts';
import type { SendStore } from '../../store/port.ts';
import { unreadable } from '../../store-problems.ts';
import type { CallContext } from '../../upstream/client.ts';
import { askOf, ownTurn, type Pace, whoOf } from '../../upstream/pace.ts';
import type { Gate } from '../dispatch/circuit-breaker.ts';
import { createRoom } from './load-limiter.ts';
import type { Coming } from './pending-inserts.ts';

interface AdmissionServices {
  coming: Coming;
  gate: Gate;
  store: Pick<SendStore, 'countQueued'>;
  /** Sends under way, by caller. */
  sends: SharedPool;
  /** Absent: there is no limit, and everybody's turn is now. */
  pace: Pace | undefined;
}

/** Who cannot be served in time hears so before anything is recorded: `rate-limited`. */
export interface Admission {
  /**
   * The limit of upstream calls does not hold a flood of templates: they go by hundreds in one. A send that `work` has begun is
   * handed to `keep`, and has its room until it ends or is left to the store.
   */
  inRoom<Value>(context: CallContext, work: (keep: Keep) => Promise<Value>): Promise<Value>;
  /**
   * Of a send that nobody waits for, and whose connection is refused now: it would stay in the store until that is mended, and
   * there is an end to how many may.
   */
  assertHeldRoom(caller: string, connection: string): Promise<void>;
  /** @param groupsBefore calls of waiting groups that go out first */
  assertTurnInTime(operation: string, context: CallContext, waitMs: number, groupsBefore?: number): void;
}

/** Queued sends that may wait for a connection to be mended: of all callers together, and of one. */
const heldMax = 20_000;
const heldOfOneMax = heldMax / 4;

export type Keep = (run: Promise<unknown>) => void;

/**
 * The room for sends, shared by caller. One that is alone may have nearly all of it, because a flood of templates goes out in
 * a few calls; where others ask it keeps a quarter, and they find the rest.
 */
export function createSendsPool(): SharedPool {
  const room = createRoom();
  return new SharedPool({ name: 'sends', size: () => Math.floor(room.size), alone: 0.95 });
}

export function createAdmission({ coming, gate, store, sends, pace }: AdmissionServices): Admission {
  const enter = ({ turn = ownTurn }: CallContext): Release => {
    const taken = sends.take(turn.caller);
    if (typeof taken === 'function') return taken;
    // Urgent ones go out whatever is under way.
    if (turn.lane === 'urgent') return () => {};
    if (taken === 'share-spent') throw refusalOf(sends, taken, { retryAfterS: 1 });
    const detail = 'as many sends are under way as there may be at once; nothing was sent';
    throw new Problem('rate-limited', detail, { retryAfterS: 1 });
  };

  return {
    inRoom: async (context, work) => {
      const leave = enter(context);
      let kept = false;
      try {
        return await work((run) => {
          kept = true;
          run.then(leave, leave);
        });
      } finally {
        if (!kept) leave();
      }
    },
    assertHeldRoom: async (caller, connection) => {
      if (gate.isOpen(connection)) return;
      const own = await store.countQueued(heldOfOneMax, caller).catch(unreadable);
      const all = own < heldOfOneMax ? await store.countQueued(heldMax).catch(unreadable) : 0;
      if (own < heldOfOneMax && all < heldMax) return;
      const detail = 'as many sends as there may be wait until this connection is mended; nothing was sent';
      throw new Problem('rate-limited', detail, { retryAfterS: 30 });
    },
    assertTurnInTime: (operation, { turn }, waitMs, groupsBefore = 0) => {
      const callsBefore = groupsBefore + coming.in(whoOf(turn));
      const expectedMs = pace?.expectedWaitMs({ ...askOf(operation, turn), callsBefore }) ?? 0;
      if (expectedMs <= waitMs) return;
      const detail =
        'the calls that Maton and WATI allow a second are spent for as long as you would wait; nothing was sent';
      throw new Problem('rate-limited', detail, { retryAfterS: Math.max(1, Math.ceil((expectedMs - waitMs) / 1000)) });
    },
  };
}
