import type { ReportHold } from '../../holds/held-queues.ts';
import type { BroadcastStore, EndedBroadcast, StoredBroadcast } from '../../store/broadcast-store.ts';
import type { OperatorStore } from '../../store/operator-store.ts';

/** Logs, with counts, when work without a waiting client starts, is held or released, and ends. */
export interface QueueLog {
  started(broadcast: StoredBroadcast): void;
  broadcastsHeld: ReportHold;
  sendsHeld: ReportHold;
  ended(broadcast: EndedBroadcast): void;
}

type Write = (line: object, message: string) => void;
type Log = { readonly info: Write; readonly warn: Write };
type Store = Pick<BroadcastStore, 'findBroadcast'> & Pick<OperatorStore, 'countOpenBroadcasts' | 'summarizeWork'>;

/** Counts are read after the event, and left out if the store cannot be read. */
export function createQueueLog(log: Log, store: Store): QueueLog {
  const queuedOf = async (caller: string) => (await store.summarizeWork([caller]))[0]?.queued ?? 0;
  const tell =
    (what: string, countsOf: (queue: Parameters<ReportHold>[0]) => Promise<object>): ReportHold =>
    (queue, hold) => {
      const line = { callerId: queue.caller, connection: queue.connectionId };
      if (!hold) {
        log.info(line, `${what} go on`);
        return;
      }
      void countsOf(queue)
        .catch(() => ({}))
        .then((counts) => log.warn({ ...line, hold: hold.code, ...counts }, `${what} are held`));
    };
  return {
    started: ({ id, caller, connectionId, total }) =>
      log.info({ broadcastId: id, callerId: caller, connection: connectionId, total }, 'broadcast started'),
    broadcastsHeld: tell('broadcasts', async ({ caller, connectionId }) => {
      const open = await store.countOpenBroadcasts();
      const held = open.filter((each) => each.caller === caller && each.connectionId === connectionId);
      const broadcasts = held.reduce((sum, { status, count }) => sum + (status === 'running' ? count : 0), 0);
      return { broadcasts, queued: await queuedOf(caller) };
    }),
    sendsHeld: tell('queued sends', async ({ caller }) => ({ queued: await queuedOf(caller) })),
    ended: ({ id, caller }) => {
      void store.findBroadcast(caller, id).then(
        (ended) => {
          if (!ended) return;
          const line = { broadcastId: id, callerId: caller, status: ended.status, counts: ended.counts };
          log.info(line, 'broadcast ended');
        },
        () => {},
      );
    },
  };
}
