import { type LifeServices, type LiveSend, transmit } from '../delivery/dispatch/deliver.ts';
import { groupPassage } from '../delivery/dispatch/upstream-request.ts';
import { patiently } from '../delivery/recovery/retry-store.ts';
import { HeldLanes, type TellHold } from '../holds/held-lanes.ts';
import { usualPauses } from '../pauses.ts';
import { sleep } from '../sleep.ts';
import type { BroadcastStore, EndedBroadcast } from '../store/broadcast-port.ts';
import { type Lane, type Mark, type StoredSend, StoreError } from '../store/port.ts';
import type { SendCalls } from '../upstream/messages.ts';
import { askOf } from '../upstream/pace.ts';
import type { Transport } from '../upstream/transport.ts';

/** Sends what broadcasts have queued, in groups, in their lane; as many replicas as there are share the work. */
export interface Pump {
  /** Something may have become due. Also looks by itself, once a second: another replica may have recorded it. */
  nudge(): void;
  /** Resolves when what is on the wire has ended; what is queued stays recorded. */
  close(): Promise<void>;
}

interface PumpServices extends LifeServices {
  store: LifeServices['store'] & BroadcastStore;
  transport: Transport;
  sendCalls: SendCalls;
  splitsGroups: boolean;
  /** Of those that name none; absent: WATI's own default. */
  channel?: string | undefined;
  groupMax: number;
  onEnd?: (stored: StoredSend) => void;
  onGroup?: (lane: 'broadcast', size: number) => void;
  /** The broadcasts of a caller over a connection are held from now on, or not any more. */
  onHold?: TellHold;
  /** See `Pauses`. */
  lookEveryMs?: number;
  /** A broadcast was refused as a whole, and paused. */
  onPause?: (broadcast: EndedBroadcast) => void;
  /** A broadcast came to its end. */
  onOver?: (broadcast: EndedBroadcast) => void;
  onFault: (error: unknown) => void;
}

type Running = Awaited<ReturnType<BroadcastStore['runningBroadcasts']>>[number];

/** Asked for in one look besides as many as run already; it begins those of them that do not run, which may be more. */
const broadcastsMax = 100;
/** Rows that one sweep may touch: it holds up the event loop for some 10 ms. */
const sweepMax = 500;
/** Calls of one broadcast on the wire at once: an upstream that takes long must not pile them up. */
const callsMax = 8;

export function createPump(services: PumpServices): Pump {
  const { store, closing, gate, holds, pace, groupMax } = services;
  const runners = new Map<string, Promise<void>>();
  /** Attempts that may have been sent, until the store says that they are over. */
  const handedOut = new Map<LiveSend, Mark>();
  /**
   * Of these a claim's answer was lost. A database may commit it whenever it likes, so there is no time after which it
   * cannot come any more: they are looked at until they are over, and nothing of them is left to be claimed.
   */
  const doubtful = new Map<string, Running>();
  const heldLanes = new HeldLanes(services.onHold);
  let looking: Promise<void> | undefined;
  let lookAgain = false;

  const look = async () => {
    while ((await store.sweepBroadcasts(sweepMax, services.onOver)) >= sweepMax && !closing.aborted);
    // Where all that is left was taken by a lost claim, nothing else would run.
    for (const broadcast of [...doubtful.values()]) if (!runners.has(broadcast.id)) await lookBack(broadcast);
    for (const lane of await store.runningLanes()) {
      if (closing.aborted) return;
      if (!isHeld(lane)) await startThoseIn(lane);
    }
  };

  /** So many more than have begun: those may be the oldest, and stand at a shut gate for as long as a key is refused. */
  const startThoseIn = async (lane: Lane) => {
    for (const broadcast of await store.runningBroadcasts(broadcastsMax + runners.size, lane)) {
      if (closing.aborted || runners.has(broadcast.id)) continue;
      const runner = run(broadcast)
        .catch(services.onFault)
        .finally(() => {
          runners.delete(broadcast.id);
          nudge();
        });
      runners.set(broadcast.id, runner);
    }
  };

  /** Whether the caller may not send now; told when that begins and when it is over. */
  const isHeld = (lane: Lane): boolean => {
    const hold = holds.reasonFor({ caller: lane.caller, connection: lane.connectionId, scope: 'broadcasts:send' });
    heldLanes.note(lane, hold);
    return hold !== undefined;
  };

  const nudge = () => {
    if (closing.aborted) return;
    lookAgain = looking !== undefined;
    looking ??= look()
      .catch(services.onFault)
      .finally(() => {
        looking = undefined;
        if (lookAgain) nudge();
      });
  };

  /** Until nothing of it is left to be claimed, by us. */
  const run = async (broadcast: Running) => {
    const { id, connectionId: connection } = broadcast;
    const ask = askFor(broadcast);
    const calls = new Set<Promise<number>>();
    let pauseMs = 0;
    for (;;) {
      if (doubtful.has(id)) await putBackAtLast(id);
      await gate.opened(connection);
      if (pauseMs > 0) await sleep(pauseMs, closing);
      pauseMs = 0;
      if (closing.aborted || !(await myTurn(ask))) break;
      const turnCameMs = performance.now();
      // Meanwhile a call of ours may have been turned away: the turn is lost then, and nothing else.
      if (!gate.isOpen(connection)) continue;
      // What is left of it waits in the store until its caller may send again.
      if (isHeld(broadcast)) break;
      const epoch = store.epoch();
      const stored = await store.claimGroup(id, groupMax).catch((error) => noneNow(broadcast, error));
      if (stored.length === 0) break;
      const call = send(stored, epoch, broadcast, turnCameMs).then((pause) => {
        calls.delete(call);
        pauseMs = Math.max(pauseMs, pause);
        return pause;
      });
      call.catch(() => {});
      calls.add(call);
      if (calls.size >= callsMax) await Promise.race(calls);
      // The last of it: to ask for one more turn would cost a call that somebody else could make.
      if (stored.length < groupMax) {
        await Promise.all(calls);
        if (pauseMs === 0) break;
      }
    }
    await Promise.all(calls);
  };

  const askFor = ({ caller }: Running) => ({
    ...askOf('sendTemplateMessages', { caller, lane: 'broadcast' }),
    untilMs: Number.POSITIVE_INFINITY,
    signal: closing,
  });

  /** The next look tries again. */
  const noneNow = async (broadcast: Running, error: unknown): Promise<StoredSend[]> => {
    if (!(error instanceof StoreError)) throw error;
    if (!error.nothingWritten) {
      doubtful.set(broadcast.id, broadcast);
      await putBackAtLast(broadcast.id);
    }
    return [];
  };

  const lookBack = async ({ id, caller }: Running) => {
    const stands = await store.findBroadcast(caller, id);
    if (!stands || stands.finishedAt !== undefined) doubtful.delete(id);
    else await putBack(id);
  };

  const putBackAtLast = (id: string) =>
    patiently(() => putBack(id), closing).catch((failure) => {
      // The process ends first: recovery makes it unknown.
      if (!(failure instanceof StoreError)) throw failure;
    });

  /**
   * What a claim took whose answer was lost: nobody else would send it while this process lives, and it has not. Never
   * beside a claim under way, which is about to be sent.
   */
  const putBack = async (id: string) => {
    const claimed = await store.claimed(id);
    const sent = new Set(Array.from(handedOut.values(), nameOf));
    await store.retreatAll(claimed.filter((mark) => !sent.has(nameOf(mark))));
  };

  const myTurn = async (ask: Parameters<NonNullable<typeof pace>['take']>[0]): Promise<boolean> => {
    if (!pace) return true;
    return pace.take(ask).then(
      () => true,
      () => false,
    );
  };

  /** Answers how long to wait, ms, where some of them are to be tried again. */
  const send = async (
    stored: readonly StoredSend[],
    epoch: number,
    broadcast: Running,
    turnCameMs: number,
  ): Promise<number> => {
    const sends = stored.map((each): LiveSend => ({ stored: each, untilMs: Number.POSITIVE_INFINITY, holds: true }));
    const context = { connection: broadcast.connectionId, channel: broadcast.channel ?? services.channel };
    const template = { name: broadcast.template, broadcastName: broadcast.name };
    services.onGroup?.('broadcast', sends.length);
    // Before the first byte; for good where something goes wrong that nobody thought of.
    for (const each of sends) handedOut.set(each, { id: each.stored.id, attempt: each.stored.attempts });
    const { sendCalls, transport, splitsGroups } = services;
    const takeTurn = async () => pace?.take(askFor(broadcast));
    const group = groupPassage(template, context, { sendCalls, transport, splitsGroups, takeTurn });
    const passage = { ...group, holdAll: (reason: string) => pause(broadcast, reason) };
    const again = await transmit(sends, epoch, passage, context, services, turnCameMs);
    for (const each of sends) letGo(each);
    const queued = new Set(again.map((each) => each.send));
    for (const each of sends) if (!queued.has(each)) services.onEnd?.(each.stored);
    return Math.max(0, ...again.map((each) => each.pauseMs));
  };

  /** Refused as a whole, it waits for somebody who mends the cause and lets it go on. */
  const pause = async ({ id, caller }: Running, reason: string) => {
    const steer = () => store.steerBroadcast(caller, id, 'paused', { by: 'service', reason });
    const paused = await patiently(steer, closing).catch((failure) => {
      // The process ends first: what comes of it is found out by the next one.
      if (!(failure instanceof StoreError)) throw failure;
      return undefined;
    });
    if (paused?.pausedBy === 'service') services.onPause?.({ id, caller });
  };

  /** While its end is not written down, it is being sent, in the store. */
  const letGo = (each: LiveSend) => {
    if (each.unrecorded === undefined) handedOut.delete(each);
    else void each.unrecorded.then(() => each.unrecorded === undefined && handedOut.delete(each));
  };

  const timer = setInterval(nudge, services.lookEveryMs ?? usualPauses.lookEveryMs).unref();

  return {
    nudge,
    close: async () => {
      clearInterval(timer);
      await looking;
      await Promise.allSettled(runners.values());
    },
  };
}

const nameOf = ({ id, attempt }: Mark): string => `${id} ${attempt}`;
