import { executeAttempt } from '../delivery/dispatch/attempt.ts';
import type { ActiveDelivery, DispatchServices } from '../delivery/dispatch/types.ts';
import { batchRequest } from '../delivery/dispatch/upstream-request.ts';
import { retryUntilStored } from '../delivery/recovery/retry-store.ts';
import { HeldLanes, type TellHold } from '../holds/held-lanes.ts';
import { usualPauses } from '../pauses.ts';
import { sleep } from '../sleep.ts';
import type { BroadcastStore, EndedBroadcast } from '../store/broadcast-port.ts';
import { type Lane, type Mark, type StoredSend, StoreError } from '../store/port.ts';
import type { SendCalls } from '../upstream/messages.ts';
import { askOf } from '../upstream/pace.ts';
import type { Transport } from '../upstream/transport.ts';

/** Sends what broadcasts have queued, in groups, in their lane; as many replicas as there are share the work. */
export interface BroadcastWorker {
  /** Something may have become due. Also looks by itself, once a second: another replica may have recorded it. */
  wake(): void;
  /** Resolves when what is on the wire has ended; what is queued stays recorded. */
  close(): Promise<void>;
}

interface BroadcastWorkerServices extends DispatchServices {
  store: DispatchServices['store'] & BroadcastStore;
  transport: Transport;
  sendCalls: SendCalls;
  splitsBatches: boolean;
  /** Of those that name none; absent: WATI's own default. */
  channel?: string | undefined;
  batchMax: number;
  onEnd?: (stored: StoredSend) => void;
  onBatch?: (lane: 'broadcast', size: number) => void;
  /** The broadcasts of a caller over a connection are held from now on, or not any more. */
  onHold?: TellHold;
  /** See `Pauses`. */
  lookEveryMs?: number;
  /** A broadcast was refused as a whole, and paused. */
  onPause?: (broadcast: EndedBroadcast) => void;
  /** A broadcast came to its end. */
  onFinished?: (broadcast: EndedBroadcast) => void;
  onFault: (error: unknown) => void;
}

type Running = Awaited<ReturnType<BroadcastStore['runningBroadcasts']>>[number];

/** Asked for in one look besides as many as run already; it begins those of them that do not run, which may be more. */
const broadcastsMax = 100;
/** Rows that one sweep may touch: it holds up the event loop for some 10 ms. */
const sweepMax = 500;
/** Calls of one broadcast on the wire at once: an upstream that takes long must not pile them up. */
const callsMax = 8;

export function createBroadcastWorker(services: BroadcastWorkerServices): BroadcastWorker {
  const { store, closing, breaker, holds, pace, batchMax } = services;
  const workers = new Map<string, Promise<void>>();
  /** Attempts that may have been sent, until the store says that they are over. */
  const inFlight = new Map<ActiveDelivery, Mark>();
  /**
   * Of these a claim's answer was lost. A database may commit it whenever it likes, so there is no time after which it
   * cannot come any more: they are looked at until they are over, and nothing of them is left to be claimed.
   */
  const inDoubtClaims = new Map<string, Running>();
  const heldLanes = new HeldLanes(services.onHold);
  let polling: Promise<void> | undefined;
  let pollAgain = false;

  const poll = async () => {
    while ((await store.sweepBroadcasts(sweepMax, services.onFinished)) >= sweepMax && !closing.aborted);
    // Where all that is left was taken by a lost claim, nothing else would run.
    for (const broadcast of [...inDoubtClaims.values()])
      if (!workers.has(broadcast.id)) await recheckInDoubt(broadcast);
    for (const lane of await store.runningLanes()) {
      if (closing.aborted) return;
      if (!isHeld(lane)) await startWorkersIn(lane);
    }
  };

  /** So many more than have begun: those may be the oldest, and stand at a shut gate for as long as a key is refused. */
  const startWorkersIn = async (lane: Lane) => {
    for (const broadcast of await store.runningBroadcasts(broadcastsMax + workers.size, lane)) {
      if (closing.aborted || workers.has(broadcast.id)) continue;
      const worker = run(broadcast)
        .catch(services.onFault)
        .finally(() => {
          workers.delete(broadcast.id);
          wake();
        });
      workers.set(broadcast.id, worker);
    }
  };

  /** Whether the caller may not send now; told when that begins and when it is over. */
  const isHeld = (lane: Lane): boolean => {
    const hold = holds.reasonFor({ caller: lane.caller, connection: lane.connectionId, scope: 'broadcasts:send' });
    heldLanes.note(lane, hold);
    return hold !== undefined;
  };

  const wake = () => {
    if (closing.aborted) return;
    pollAgain = polling !== undefined;
    polling ??= poll()
      .catch(services.onFault)
      .finally(() => {
        polling = undefined;
        if (pollAgain) wake();
      });
  };

  /** Until nothing of it is left to be claimed, by us. */
  const run = async (broadcast: Running) => {
    const { id, connectionId: connection } = broadcast;
    const permitRequest = permitRequestOf(broadcast);
    const calls = new Set<Promise<number>>();
    let pauseMs = 0;
    for (;;) {
      if (inDoubtClaims.has(id)) await requeueUnsentWithRetry(id);
      await breaker.whenClosed(connection);
      if (pauseMs > 0) await sleep(pauseMs, closing);
      pauseMs = 0;
      if (closing.aborted || !(await acquirePermit(permitRequest))) break;
      const permitGrantedAt = performance.now();
      // Meanwhile a call of ours may have been turned away: the turn is lost then, and nothing else.
      if (!breaker.isClosed(connection)) continue;
      // What is left of it waits in the store until its caller may send again.
      if (isHeld(broadcast)) break;
      const epoch = store.epoch();
      const stored = await store.claimGroup(id, batchMax).catch((error) => afterFailedClaim(broadcast, error));
      if (stored.length === 0) break;
      const call = sendBatch(stored, broadcast, { epoch, permitGrantedAt }).then((pause) => {
        calls.delete(call);
        pauseMs = Math.max(pauseMs, pause);
        return pause;
      });
      call.catch(() => {});
      calls.add(call);
      if (calls.size >= callsMax) await Promise.race(calls);
      // The last of it: to ask for one more turn would cost a call that somebody else could make.
      if (stored.length < batchMax) {
        await Promise.all(calls);
        if (pauseMs === 0) break;
      }
    }
    await Promise.all(calls);
  };

  const permitRequestOf = ({ caller }: Running) => ({
    ...askOf('sendTemplateMessages', { caller, lane: 'broadcast' }),
    untilMs: Number.POSITIVE_INFINITY,
    signal: closing,
  });

  /** The next look tries again. */
  const afterFailedClaim = async (broadcast: Running, error: unknown): Promise<StoredSend[]> => {
    if (!(error instanceof StoreError)) throw error;
    if (!error.nothingWritten) {
      inDoubtClaims.set(broadcast.id, broadcast);
      await requeueUnsentWithRetry(broadcast.id);
    }
    return [];
  };

  const recheckInDoubt = async ({ id, caller }: Running) => {
    const stands = await store.findBroadcast(caller, id);
    if (!stands || stands.finishedAt !== undefined) inDoubtClaims.delete(id);
    else await requeueUnsent(id);
  };

  const requeueUnsentWithRetry = (id: string) =>
    retryUntilStored(() => requeueUnsent(id), closing).catch((failure) => {
      // The process ends first: recovery makes it unknown.
      if (!(failure instanceof StoreError)) throw failure;
    });

  /**
   * What a claim took whose answer was lost: nobody else would send it while this process lives, and it has not. Never
   * beside a claim under way, which is about to be sent.
   */
  const requeueUnsent = async (id: string) => {
    const claimed = await store.claimed(id);
    const sent = new Set(Array.from(inFlight.values(), keyOf));
    await store.retreatAll(claimed.filter((mark) => !sent.has(keyOf(mark))));
  };

  const acquirePermit = async (permitRequest: Parameters<NonNullable<typeof pace>['take']>[0]): Promise<boolean> => {
    if (!pace) return true;
    return pace.take(permitRequest).then(
      () => true,
      () => false,
    );
  };

  /** Answers how long to wait, ms, where some of them are to be tried again. */
  const sendBatch = async (
    stored: readonly StoredSend[],
    broadcast: Running,
    claim: { epoch: number; permitGrantedAt: number },
  ): Promise<number> => {
    const deliveries = stored.map(
      (each): ActiveDelivery => ({ stored: each, deadline: Number.POSITIVE_INFINITY, detached: true }),
    );
    const context = { connection: broadcast.connectionId, channel: broadcast.channel ?? services.channel };
    const template = { name: broadcast.template, broadcastName: broadcast.name };
    services.onBatch?.('broadcast', deliveries.length);
    // Before the first byte; for good where something goes wrong that nobody thought of.
    for (const each of deliveries) inFlight.set(each, { id: each.stored.id, attempt: each.stored.attempts });
    const { sendCalls, transport, splitsBatches } = services;
    const acquirePermit = async () => pace?.take(permitRequestOf(broadcast));
    const batch = batchRequest(template, context, { sendCalls, transport, splitsBatches, acquirePermit });
    const request = { ...batch, pauseBroadcast: (reason: string) => pause(broadcast, reason) };
    const retries = await executeAttempt(deliveries, { request, context, services }, claim);
    for (const each of deliveries) untrack(each);
    const queued = new Set(retries.map((each) => each.delivery));
    for (const each of deliveries) if (!queued.has(each)) services.onEnd?.(each.stored);
    return Math.max(0, ...retries.map((each) => each.delayMs));
  };

  /** Refused as a whole, it waits for somebody who mends the cause and lets it go on. */
  const pause = async ({ id, caller }: Running, reason: string) => {
    const steer = () => store.steerBroadcast(caller, id, 'paused', { by: 'service', reason });
    const paused = await retryUntilStored(steer, closing).catch((failure) => {
      // The process ends first: what comes of it is found out by the next one.
      if (!(failure instanceof StoreError)) throw failure;
      return undefined;
    });
    if (paused?.pausedBy === 'service') services.onPause?.({ id, caller });
  };

  /** While its end is not written down, it is being sent, in the store. */
  const untrack = (each: ActiveDelivery) => {
    if (each.pendingWrite === undefined) inFlight.delete(each);
    else void each.pendingWrite.then(() => each.pendingWrite === undefined && inFlight.delete(each));
  };

  const timer = setInterval(wake, services.lookEveryMs ?? usualPauses.lookEveryMs).unref();

  return {
    wake,
    close: async () => {
      clearInterval(timer);
      await polling;
      await Promise.allSettled(workers.values());
    },
  };
}

const keyOf = ({ id, attempt }: Mark): string => `${id} ${attempt}`;
