import { type SendStore, type StoredSend, StoreError } from '../store/port.ts';
import type { LiveSend } from './life.ts';

/** How many sends of a dead process are taken over at a time. */
const batch = 100;

interface TakeoverServices {
  store: SendStore;
  /** What lives here, by id. */
  running: ReadonlyMap<string, Promise<LiveSend>>;
  /** Ids whose records are being written: they live here as soon as those are answered. */
  recording: ReadonlySet<string>;
  takeUp: (stored: StoredSend) => void;
}

/** Takes up what dead processes have left queued; resolves when it is under way. */
export function createTakeover({ store, running, recording, takeUp }: TakeoverServices): () => Promise<void> {
  /** A recover failed and may stand: what it adopted is this process's own now, and nobody was told. */
  let isUntold = false;

  const adopt = async (): Promise<StoredSend[]> => {
    try {
      return (await store.recover(batch)).adopted;
    } catch (error) {
      if (error instanceof StoreError && !error.nothingWritten) isUntold = true;
      throw error;
    }
  };

  const takeUpUntold = async () => {
    // What lived when it was asked may have ended since.
    const lived = new Set([...running.keys(), ...recording]);
    const own = await store.ownQueued();
    isUntold = false;
    for (const stored of own) {
      const { id } = stored;
      if (!lived.has(id) && !running.has(id) && !recording.has(id)) takeUp(stored);
    }
  };

  return async () => {
    for (;;) {
      const adopted = await adopt();
      for (const stored of adopted) {
        // A process that lost its lease may adopt its own send, which may still live here: two lives would send it
        // twice.
        const before = running.get(stored.id);
        if (before === undefined) takeUp(stored);
        else before.then(({ unrecorded }) => unrecorded === undefined && takeUp(stored), ignored);
      }
      // After a recover that was answered: it comes after the untold one, however late that was committed.
      if (isUntold) await takeUpUntold();
      if (adopted.length < batch) return;
    }
  };
}

const ignored = () => {};
