import { setImmediate } from 'node:timers/promises';
import type { ExpiredMessage, ScheduleStore } from '../../store/schedule-store.ts';
import { expiry } from '../dispatch/expiry.ts';

/** Starts due messages and ends late ones in the store, whichever process owns them. */
export interface Schedule {
  /** Looks now, and then whenever something is due; at least once per interval, because the clock can be changed. */
  start(): void;
  /** Resolves when no look is in progress. */
  stop(): Promise<void>;
}

interface ScheduleServices {
  store: Omit<ScheduleStore, 'wallNow' | 'expire' | 'countScheduledBroadcasts'>;
  /** Resumes single messages that are queued now. */
  resumeQueued: () => Promise<void>;
  onBroadcastsDue: () => void;
  onExpired: (messages: readonly ExpiredMessage[]) => void;
  onFault: (error: unknown) => void;
  lookEveryMs: number;
}

/** Rows per commit. A commit of this size takes about 10 ms. */
const rowsMax = 500;

export function createSchedule(services: ScheduleServices): Schedule {
  const { store, lookEveryMs, onFault } = services;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let isStopped = false;

  const endLate = async () => {
    for (let full = true; full && !isStopped; await setImmediate()) {
      const expired = await store.expireLate(rowsMax, expiry);
      if (expired.length > 0) services.onExpired(expired);
      full = expired.length >= rowsMax;
    }
  };

  /** Returns the delay until the next look, ms. */
  const look = async (): Promise<number> => {
    for (;;) {
      const { dueCallers, isBroadcastDue, mayBeLate, nextInMs = lookEveryMs } = await store.scheduleState();
      // First, so that no late message is started.
      if (mayBeLate) await endLate();
      if (isBroadcastDue && (await store.startDueBroadcasts()) > 0) services.onBroadcastsDue();
      const started = await store.startDue(dueCallers, rowsMax);
      if (started > 0) await services.resumeQueued();
      if (started === 0 || isStopped) return Math.min(nextInMs, lookEveryMs);
      await setImmediate();
    }
  };

  const run = () => {
    looking = look()
      .catch((error: unknown) => {
        onFault(error);
        return lookEveryMs;
      })
      .then((pauseMs) => {
        if (!isStopped) timer = setTimeout(run, pauseMs).unref();
      });
  };

  return {
    start: run,
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}
