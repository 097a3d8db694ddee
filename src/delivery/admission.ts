import { Problem } from '../problem.ts';
import type { SendStore } from '../store/port.ts';
import type { CallContext } from '../upstream/client.ts';
import { askOf, type Pace, whoOf } from '../upstream/pace.ts';
import type { Coming } from './coming.ts';
import type { Gate } from './gate.ts';
import { createRoom } from './room.ts';
import { unreadable } from './store-trouble.ts';

interface AdmissionServices {
  coming: Coming;
  gate: Gate;
  store: Pick<SendStore, 'countQueued'>;
  /** Sends that this process takes to their end. */
  underWay: () => number;
  /** Absent: there is no limit, and everybody's turn is now. */
  pace: Pace | undefined;
}

/** Who cannot be served in time hears so before anything is recorded: `rate-limited`. */
export interface Admission {
  /** The limit of upstream calls does not hold a flood of templates: they go by hundreds in one. */
  assertRoom(context: CallContext): void;
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

export function createAdmission({ coming, gate, store, underWay, pace }: AdmissionServices): Admission {
  const room = createRoom();
  return {
    assertRoom: ({ turn }) => {
      if (turn?.lane === 'urgent' || underWay() + coming.size < room.size) return;
      const detail = 'as many sends are under way as there may be at once; nothing was sent';
      throw new Problem('rate-limited', detail, { retryAfterS: 1 });
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
