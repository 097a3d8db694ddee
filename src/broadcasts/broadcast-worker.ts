import { executeAttempt } from '../delivery/dispatch/attempt.ts';
import type { BatchSizes } from '../delivery/dispatch/batch-sizes.ts';
import type { ActiveDelivery, DispatchServices, UpstreamRequest } from '../delivery/dispatch/upstream-request.ts';
import { batchRequest } from '../delivery/dispatch/upstream-request.ts';
import { HeldQueues, type ReportHold } from '../holds/held-queues.ts';
import { sleep } from '../lib/sleep.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import type { BroadcastStore, EndedBroadcast } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import type { QueueKey, StoredMessage } from '../store/message-store.ts';
import { retryWhileStoreFails } from '../store/retry-while-store-fails.ts';
import { permitRequestOf } from '../upstream/permits.ts';
import type { SendCalls } from '../upstream/send-calls.ts';
import type { Transport } from '../upstream/transport.ts';
import { AttemptHistory } from './attempt-history.ts';
import { Claims, type RunningBroadcast } from './claims.ts';
import { waitForPace } from './own-pace.ts';

interface BroadcastWorkerServices extends DispatchServices {
  store: DispatchServices['store'] & BroadcastStore;
  transport: Transport;
  sendCalls: SendCalls;
  splitsBatches: boolean;
  /** The company number for broadcasts that name none; absent: WATI's own default. */
  channel?: string | undefined;
  batchSizes: BatchSizes;
  onEnd?: (stored: StoredMessage) => void;
  onBatch?: (lane: 'broadcast', size: number) => void;
  /** The broadcasts of a caller over a connection are held from now on, or released. */
  onHold?: ReportHold;
  /** See `RetryDelays`. */
  lookEveryMs?: number;
  /** The upstream refused a broadcast as a whole, and it was paused. */
  onPause?: (broadcast: EndedBroadcast) => void;
  /** A broadcast has ended. */
  onFinished?: (broadcast: EndedBroadcast) => void;
  onFault: (error: unknown) => void;
}

/** One poll reads as many broadcasts as run already plus this many, and starts those that do not run. */
const broadcastsMax = 100;
/** Rows that one sweep may change; it blocks the event loop for about 10 ms. */
const sweepMax = 500;
/** The most calls of one broadcast in flight, so that they do not pile up while the upstream is slow. */
const callsMax = 8;

/** Sends the queued messages of broadcasts in batches, in the broadcast lane. All replicas share the work. */
export class BroadcastWorker {
  readonly #services: BroadcastWorkerServices;
  readonly #claims: Claims;
  readonly #heldQueues: HeldQueues;
  readonly #history = new AttemptHistory();
  /** The broadcasts that run in this process, by id. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #polling: Promise<void> | undefined;
  #pollAgain = false;

  constructor(services: BroadcastWorkerServices) {
    this.#services = services;
    this.#claims = new Claims(services);
    this.#heldQueues = new HeldQueues(services.onHold);
    this.#timer = setInterval(() => this.wake(), services.lookEveryMs ?? defaultRetryDelays.lookEveryMs).unref();
  }

  /** Call when something may have become due. The worker also polls every second, because another replica may have inserted it. */
  wake(): void {
    if (this.#services.closing.aborted) return;
    this.#pollAgain = this.#polling !== undefined;
    this.#polling ??= this.#poll()
      .catch(this.#services.onFault)
      .finally(() => {
        this.#polling = undefined;
        if (this.#pollAgain) this.wake();
      });
  }

  /** Resolves when no call is in flight; queued messages stay in the store. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
    await Promise.allSettled(this.#running.values());
  }

  async #poll(): Promise<void> {
    const { store, closing, onFinished } = this.#services;
    // If a lost claim took all messages that were left of a broadcast, no later poll would start the broadcast.
    for (const broadcast of this.#claims.inDoubt) {
      if (!this.#running.has(broadcast.id)) await this.#claims.recheck(broadcast);
    }
    for (const queue of await store.listRunningQueues()) {
      if (closing.aborted) return;
      if (!this.#isHeld(queue)) await this.#startIn(queue);
    }
    if (closing.aborted) return;
    // Last, and one step at a time, so that it delays nothing that is due.
    if ((await store.sweepBroadcasts(sweepMax, onFinished)) >= sweepMax) this.#pollAgain = true;
  }

  /** Reads that many more than run already, because the running ones may be the oldest, and may wait for an open breaker. */
  async #startIn(queue: QueueKey): Promise<void> {
    const { store, closing, onFault } = this.#services;
    for (const broadcast of await store.listRunningBroadcasts(broadcastsMax + this.#running.size, queue)) {
      if (closing.aborted || this.#running.has(broadcast.id)) continue;
      const run = this.#run(broadcast)
        .catch(onFault)
        .finally(() => {
          this.#running.delete(broadcast.id);
          this.wake();
        });
      this.#running.set(broadcast.id, run);
    }
  }

  /** Whether the caller may not send now. Reports when that begins and ends. */
  #isHeld(queue: QueueKey): boolean {
    const { caller, connectionId: connection } = queue;
    const hold = this.#services.holds.reasonFor({ caller, connection, scope: 'broadcasts:send' });
    this.#heldQueues.note(queue, hold);
    return hold !== undefined;
  }

  /** Sends the messages of a broadcast until this process can claim no more of them. */
  async #run(broadcast: RunningBroadcast): Promise<void> {
    const { store, closing, breaker, batchSizes } = this.#services;
    const { id, connectionId: connection } = broadcast;
    const kind = { connection, lane: 'broadcast' as const };
    const calls = new Set<Promise<number>>();
    let delayMs = 0;
    for (;;) {
      if (this.#claims.isInDoubt(id)) await this.#claims.requeueUnsentWithRetry(id);
      await breaker.whenClosed(connection);
      if (delayMs > 0) await sleep(delayMs, closing);
      delayMs = 0;
      const paced = await waitForPace(broadcast, { store, closing, limit: batchSizes.limit(kind) });
      if (paced === undefined || closing.aborted || !(await this.#acquirePermit(broadcast))) break;
      const permitGrantedAt = performance.now();
      // The breaker may have opened while the permit was awaited. In that case only the permit is lost.
      if (!breaker.isClosed(connection)) continue;
      // The remaining messages stay queued in the store until the caller may send again.
      if (this.#isHeld(broadcast)) break;
      const epoch = store.epoch();
      const { stored, isLast } = await this.#claims.take(broadcast, Math.min(paced, batchSizes.limit(kind)));
      if (stored.length === 0) break;
      const call = this.#sendBatch(stored, broadcast, { epoch, permitGrantedAt }).then((retryDelayMs) => {
        calls.delete(call);
        delayMs = Math.max(delayMs, retryDelayMs);
        return retryDelayMs;
      });
      call.catch(() => {});
      calls.add(call);
      if (calls.size >= callsMax) await Promise.race(calls);
      // Another permit would waste a call that others could make.
      if (isLast) {
        await Promise.all(calls);
        if (delayMs === 0) break;
      }
    }
    await Promise.all(calls);
  }

  #permitRequestOf({ caller }: RunningBroadcast) {
    const ask = permitRequestOf('sendTemplateMessages', { caller, lane: 'broadcast' });
    return { ...ask, deadline: Number.POSITIVE_INFINITY, signal: this.#services.closing };
  }

  /** False: the process ends first. */
  async #acquirePermit(broadcast: RunningBroadcast): Promise<boolean> {
    const { rateLimiter } = this.#services;
    if (!rateLimiter) return true;
    return rateLimiter.acquire(this.#permitRequestOf(broadcast)).then(
      () => true,
      () => false,
    );
  }

  /** Returns how long to wait, ms, if some of the messages are to be attempted again; otherwise 0. */
  async #sendBatch(
    stored: readonly StoredMessage[],
    broadcast: RunningBroadcast,
    claim: { epoch: number; permitGrantedAt: number },
  ): Promise<number> {
    const services = this.#services;
    const deliveries = stored.map(
      (each): ActiveDelivery => ({
        ...this.#history.of(each.id),
        stored: each,
        deadline: Number.POSITIVE_INFINITY,
        detached: true,
      }),
    );
    const context = { connection: broadcast.connectionId, channel: broadcast.channel ?? services.channel };
    const template = { name: broadcast.template, broadcastName: broadcast.name };
    services.onBatch?.('broadcast', deliveries.length);
    this.#claims.track(deliveries);
    const { sendCalls, transport, splitsBatches, rateLimiter, batchSizes } = services;
    const acquirePermit = async () => rateLimiter?.acquire(this.#permitRequestOf(broadcast));
    const kind = { connection: broadcast.connectionId, lane: 'broadcast' as const };
    const begin = (messages: number) => batchSizes.begin(kind, messages);
    const request: UpstreamRequest = {
      ...batchRequest(template, context, { sendCalls, transport, splitsBatches, acquirePermit, begin }),
      pauseBroadcast: (reason) => this.#pause(broadcast, reason),
    };
    const retries = await executeAttempt(deliveries, { request, context, services }, claim);
    for (const each of deliveries) this.#claims.untrack(each);
    const queued = new Set(retries.map((each) => each.delivery));
    for (const each of deliveries) {
      this.#history.note(each, queued.has(each));
      if (!queued.has(each)) services.onEnd?.(each.stored);
    }
    return Math.max(0, ...retries.map((each) => each.delayMs));
  }

  /** Pauses a broadcast that was refused as a whole. It stays paused until the cause is fixed and it is resumed. */
  async #pause({ id, caller }: RunningBroadcast, reason: string): Promise<void> {
    const { store, closing, onPause } = this.#services;
    const change = () => store.changeBroadcastStatus(caller, id, { to: 'paused', by: 'service', reason });
    const paused = await retryWhileStoreFails(change, closing).catch((failure) => {
      // The process ends first. The next one will get the same refusal.
      if (!(failure instanceof StoreError)) throw failure;
      return undefined;
    });
    if (paused?.pausedBy === 'service') onPause?.({ id, caller });
  }
}
