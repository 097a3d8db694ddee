import { Problem } from '../problem.ts';
import type { CallContext } from '../upstream/client.ts';
import { askOf, type Pace, whoOf } from '../upstream/pace.ts';
import type { Coming } from './coming.ts';
import type { Gate } from './gate.ts';
import { createRoom } from './room.ts';

interface AdmissionServices {
  coming: Coming;
  gate: Gate;
  /** Sends that have a record and no end yet. */
  underWay: () => number;
  /** Absent: there is no limit, and everybody's turn is now. */
  pace: Pace | undefined;
}

/** Who cannot be served in time hears so before anything is recorded: `rate-limited` (delivery.md 2.9). */
export interface Admission {
  /**
   * The limit of upstream calls does not hold a flood of templates: they go by hundreds in one. Nor one of sends that wait for
   * a connection to be mended; those take no room from the others.
   * @param holds it would be one of those; whoever is waited for is not, and is to hear what is wrong
   */
  assertRoom(context: CallContext, holds: boolean): void;
  /** @param groupsBefore calls of waiting groups that go out first */
  assertTurnInTime(operation: string, context: CallContext, waitMs: number, groupsBefore?: number): void;
}

/** Of one connection, while the upstream refuses its credentials. */
const heldMax = 1_000;

export function createAdmission({ coming, gate, underWay, pace }: AdmissionServices): Admission {
  const room = createRoom();
  return {
    assertRoom: ({ turn, connection }, holds) => {
      if (holds && gate.held(connection) >= heldMax) {
        const detail = 'as many sends as there may be wait until this connection is mended; nothing was sent';
        throw new Problem('rate-limited', detail, { retryAfterS: 30 });
      }
      if (turn?.lane === 'urgent' || underWay() - gate.held() + coming.size < room.size) return;
      const detail = 'as many sends are under way as there may be at once; nothing was sent';
      throw new Problem('rate-limited', detail, { retryAfterS: 1 });
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
