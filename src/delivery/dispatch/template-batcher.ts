import { sleep } from '../../lib/sleep.ts';
import type { PlaceInQueue, RateLimiter } from '../../rate-limit/types.ts';
import type { CallContext } from '../../upstream/client.ts';
import { type CallerPriority, permitRequestOf, systemPriority } from '../../upstream/permits.ts';
import type { SendCalls } from '../../upstream/send-calls.ts';
import type { Transport } from '../../upstream/transport.ts';
import type { CallReport } from '../../upstream/types.ts';
import type { PendingInserts } from '../admission/admission.ts';
import { attemptDelivery } from './attempt.ts';
import {
  type BatchQueue,
  type BatchTemplate,
  firstEligible,
  type PendingMessage,
  recipientOf,
  takeBatch,
} from './batch-queue.ts';
import type { BatchSizes } from './batch-sizes.ts';
import { isHeld } from './retry-policy.ts';
import type { ActiveDelivery, DispatchServices } from './upstream-request.ts';
import { batchRequest } from './upstream-request.ts';

interface BatcherServices extends DispatchServices {
  rateLimiter: RateLimiter;
  sendCalls: SendCalls;
  transport: Transport;
  splitsBatches: boolean;
  batchSizes: BatchSizes;
  pendingInserts: PendingInserts;
  /** Called for each call, with the number of messages in it. */
  onBatch?: (lane: CallerPriority['lane'], size: number) => void;
}

/**
 * Sends template messages in one call that wait for a permit and have the same connection, channel, template, broadcast name
 * and lane. Nothing waits to fill a batch: with a permit at once, a message is sent alone.
 */
export class TemplateBatcher {
  readonly #services: BatcherServices;
  readonly #queues = new Map<string, BatchQueue>();

  constructor(services: BatcherServices) {
    this.#services = services;
  }

  /** Delivers a recorded message: resolves when it is final, or when it has to stay queued. */
  async enqueue(delivery: ActiveDelivery, template: BatchTemplate, context: CallContext): Promise<ActiveDelivery> {
    if (this.#services.closing.aborted || isHeld(delivery, context.connection, this.#services)) return delivery;
    return new Promise((resolve, reject) => {
      const priority = context.priority ?? systemPriority;
      this.#add(this.#queueFor(template, context), { delivery, context, priority, resolve, reject });
    });
  }

  /**
   * Which call another message would join. The rate limiter counts the call that waits for a permit itself, and none of those that
   * will be needed after it.
   */
  placeInQueue({ key }: BatchTemplate, { connection, priority = systemPriority }: CallContext): PlaceInQueue {
    const { batchSizes, pendingInserts } = this.#services;
    const queue = this.#queues.get(key);
    const max = batchSizes.limit({ connection, lane: priority.lane });
    if (!queue?.awaitsPermit)
      return { callsBefore: Math.floor(pendingInserts.count(key) / max), joinsQueuedCall: false };
    const fullCalls = Math.floor((queue.size + pendingInserts.count(key)) / max);
    return { callsBefore: Math.max(0, fullCalls - 1), joinsQueuedCall: fullCalls === 0 };
  }

  #queueFor(template: BatchTemplate, context: CallContext): BatchQueue {
    const { key } = template;
    const known = this.#queues.get(key);
    if (known) return known;
    const queue: BatchQueue = {
      key,
      template,
      connection: context.connection,
      channel: context.channel,
      lane: (context.priority ?? systemPriority).lane,
      waiting: new Map(),
      size: 0,
      inFlight: new Set(),
      awaitsPermit: false,
    };
    this.#queues.set(key, queue);
    return queue;
  }

  #add(queue: BatchQueue, item: PendingMessage): void {
    const { caller } = item.priority;
    const items = queue.waiting.get(caller);
    if (items) items.push(item);
    else queue.waiting.set(caller, [item]);
    queue.size++;
    this.#requestPermit(queue);
  }

  /** Requests a permit if none is requested yet and a message could use it. */
  #requestPermit(queue: BatchQueue): void {
    const first = queue.awaitsPermit ? undefined : firstEligible(queue);
    if (!first) return;
    queue.awaitsPermit = true;
    const priority = { ...permitRequestOf('sendTemplateMessages', first.priority), lane: queue.lane };
    this.#services.rateLimiter
      .acquire({ ...priority, deadline: Number.POSITIVE_INFINITY, signal: this.#services.closing })
      .then(
        () => {
          queue.awaitsPermit = false;
          this.#dispatchBatch(queue, performance.now());
        },
        // Shutdown: queued messages stay in the store.
        () => {
          for (const item of [...queue.waiting.values()].flat()) item.resolve(item.delivery);
          this.#queues.delete(queue.key);
        },
      );
  }

  #dispatchBatch(queue: BatchQueue, permitGrantedAt: number): void {
    const { sendCalls, transport, splitsBatches, batchSizes } = this.#services;
    const batch = takeBatch(queue, batchSizes.limit(queue));
    this.#requestPermit(queue);
    if (batch.length === 0) return;
    for (const { delivery } of batch) queue.inFlight.add(recipientOf(delivery));
    // The breaker or a hold may have changed while the permit was awaited: such messages stay in the store.
    const [held, items] = this.#splitByHold(queue, batch);
    for (const item of held) this.#release(queue, item);
    if (items.length === 0) return;
    const context = { connection: queue.connection, channel: queue.channel, onAttempt: reportToAll(items) };
    this.#services.onBatch?.(queue.lane, items.length);
    const acquirePermit = () =>
      this.#services.rateLimiter.acquire({
        ...batchPermitRequest(queue, items),
        deadline: Number.POSITIVE_INFINITY,
        signal: this.#services.closing,
      });
    const begin = (messages: number) => batchSizes.begin(queue, messages);
    const way = { sendCalls, transport, splitsBatches, acquirePermit, begin };
    const request = batchRequest(queue.template, context, way);
    const deliveries = items.map(({ delivery }) => delivery);
    attemptDelivery(deliveries, { request, context, services: this.#services }, permitGrantedAt).then(
      (retries) => {
        const delays = new Map(retries.map(({ delivery, delayMs }) => [delivery, delayMs]));
        const byDelay = Map.groupBy(items, ({ delivery }) =>
          this.#services.closing.aborted ? 'no-retry' : (delays.get(delivery) ?? 'no-retry'),
        );
        for (const [delayMs, some] of byDelay) {
          if (delayMs === 'no-retry') for (const item of some) this.#release(queue, item);
          else void this.#requeueAfter(queue, some, delayMs);
        }
        this.#cleanUp(queue);
      },
      (error) => {
        for (const item of items) {
          queue.inFlight.delete(recipientOf(item.delivery));
          item.reject(error);
        }
        this.#cleanUp(queue);
      },
    );
  }

  /** Separates messages that must be held now from the others. */
  #splitByHold({ connection }: BatchQueue, items: readonly PendingMessage[]): [PendingMessage[], PendingMessage[]] {
    return partition(items, ({ delivery }) => isHeld(delivery, connection, this.#services));
  }

  #release(queue: BatchQueue, { delivery, resolve }: PendingMessage): void {
    queue.inFlight.delete(recipientOf(delivery));
    resolve(delivery);
  }

  /** The recipients count as in flight during the pause, so that later messages to them do not overtake. */
  async #requeueAfter(queue: BatchQueue, items: readonly PendingMessage[], delayMs: number): Promise<void> {
    await sleep(delayMs, this.#services.closing);
    const [held, others] = this.#splitByHold(queue, items);
    for (const item of held) this.#release(queue, item);
    this.#requeue(queue, others);
    this.#cleanUp(queue);
  }

  #requeue(queue: BatchQueue, items: readonly PendingMessage[]): void {
    if (items.length === 0) return;
    if (this.#services.closing.aborted) {
      for (const item of items) this.#release(queue, item);
      return;
    }
    for (const [caller, own] of Map.groupBy(items, ({ priority }) => priority.caller)) {
      for (const { delivery } of own) queue.inFlight.delete(recipientOf(delivery));
      queue.waiting.set(caller, [...own, ...(queue.waiting.get(caller) ?? [])]);
      queue.size += own.length;
    }
    this.#requestPermit(queue);
  }

  #cleanUp(queue: BatchQueue): void {
    this.#requestPermit(queue);
    if (queue.size === 0 && queue.inFlight.size === 0 && this.#queues.get(queue.key) === queue)
      this.#queues.delete(queue.key);
  }
}

const partition = <Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] => {
  const { first = [], second = [] } = Object.groupBy(items, (item) => (isFirst(item) ? 'first' : 'second'));
  return [first, second];
};

/** The permit for a further call is requested with the priority of the first message. */
const batchPermitRequest = ({ lane }: BatchQueue, [first]: readonly PendingMessage[]) => ({
  ...permitRequestOf('sendTemplateMessages', first?.priority),
  lane,
});

/** Reports the shared call in the log line of each request. */
function reportToAll(items: readonly PendingMessage[]): (report: CallReport) => void {
  return (report) => {
    for (const { context } of items) context.onAttempt?.(report);
  };
}
