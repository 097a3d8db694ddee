import type { IntakeRow } from '../../src/store/intake-store.ts';
import type { Store } from '../../src/store/open.ts';
import type { TrackingChange } from '../../src/store/tracking-store.ts';
import { createApplier } from '../../src/tracking/applier.ts';

/** One of several processes on a database, which records and applies webhooks. */
export interface Replica {
  record(rows: readonly IntakeRow[]): Promise<void>;
  wake(): void;
  /** Resolves with the messages that one of its batches moved back, and with its faults. */
  stop(): Promise<string[]>;
}

export function replicaOn(store: Store): Replica {
  const movedBack: string[] = [];
  const applyTracking: Store['applyTracking'] = async (batch) => {
    const moved = await store.applyTracking(batch);
    movedBack.push(...moved.filter(isBackward).map(({ seq }) => `message ${seq} by a batch`));
    return moved;
  };
  const applier = createApplier({
    store: Object.assign(Object.create(store), { applyTracking }),
    metrics: { applied: () => {}, reached: () => {}, resolved: () => {}, contradiction: () => {}, received: () => {} },
    logger: { debug: () => {}, info: () => {}, error: () => {} },
    onFault: (error) => movedBack.push(`a fault: ${String(error)}`),
    intakeEveryMs: 20,
  });
  applier.start();
  return {
    record: async (rows) => {
      await store.recordIntake(rows);
    },
    wake: applier.wake,
    stop: async () => {
      await applier.stop();
      return movedBack;
    },
  };
}

const isBackward = ({ before, after }: TrackingChange): boolean => (before?.rank ?? 0) > (after?.rank ?? 0);
