import { sleep } from '../../sleep.ts';
import type { CallContext } from '../../upstream/client.ts';
import type { SendCalls } from '../../upstream/messages.ts';
import { askOf, ownTurn, type Pace, type Turn } from '../../upstream/pace.ts';
import type { Transport } from '../../upstream/transport.ts';
import type { AttemptReport } from '../../upstream/types.ts';
import type { PendingInserts } from '../admission/pending-inserts.ts';
import { attemptDelivery } from './attempt.ts';
import {
  type BatchQueue,
  type BatchTemplate,
  batchKey,
  firstEligible,
  type PendingMessage,
  recipientOf,
  takeBatch,
} from './batch-queue.ts';
import { isHeld } from './deliver.ts';
import type { ActiveDelivery, DispatchServices } from './types.ts';
import { batchRequest } from './upstream-request.ts';

/** How many template messages one call may carry, by lane. A lost answer makes all of them `unknown`. */
export type BatchMax = Readonly<Record<Turn['lane'], number>>;

/**
 * Sends template messages in one call that wait for a permit and have the same connection, channel, template, broadcast name
 * and lane. Nothing waits to fill a batch: with a permit at once, a message is sent alone.
 */
export interface TemplateBatcher {
  /** Takes a recorded message to a final state, or leaves it queued where it may not go on. */
  enqueue(delivery: ActiveDelivery, template: BatchTemplate, context: CallContext): Promise<ActiveDelivery>;
  /** Calls of the same queue before the one that a further message would be in; -1: it joins one that already waits for a permit. */
  batchesAhead(template: BatchTemplate, context: CallContext): number;
}

interface BatcherServices extends DispatchServices {
  pace: Pace;
  sendCalls: SendCalls;
  transport: Transport;
  splitsBatches: boolean;
  batchMax: BatchMax;
  /** By `batchKey`. */
  pendingInserts: PendingInserts;
  /** A call is made with so many messages. */
  onBatch?: (lane: Turn['lane'], size: number) => void;
}

export function createTemplateBatcher(services: BatcherServices): TemplateBatcher {
  const { pace, closing, batchMax, pendingInserts } = services;
  const queues = new Map<string, BatchQueue>();

  const queueFor = (template: BatchTemplate, context: CallContext): BatchQueue => {
    const key = batchKey(template, context);
    const known = queues.get(key);
    if (known) return known;
    const queue: BatchQueue = {
      key,
      template,
      connection: context.connection,
      channel: context.channel,
      lane: (context.turn ?? ownTurn).lane,
      waiting: new Map(),
      size: 0,
      inFlight: new Set(),
      awaitsPermit: false,
    };
    queues.set(key, queue);
    return queue;
  };

  const add = (queue: BatchQueue, item: PendingMessage) => {
    const { caller } = item.turn;
    const items = queue.waiting.get(caller);
    if (items) items.push(item);
    else queue.waiting.set(caller, [item]);
    queue.size++;
    requestPermit(queue);
  };

  /** Requests one permit while any message could use it. */
  const requestPermit = (queue: BatchQueue) => {
    const first = queue.awaitsPermit ? undefined : firstEligible(queue);
    if (!first) return;
    queue.awaitsPermit = true;
    const turn = { ...askOf('sendTemplateMessages', first.turn), lane: queue.lane };
    pace.take({ ...turn, untilMs: Number.POSITIVE_INFINITY, signal: closing }).then(
      () => {
        queue.awaitsPermit = false;
        dispatchBatch(queue, performance.now());
      },
      // Shutdown: queued messages stay in the store.
      () => {
        for (const item of [...queue.waiting.values()].flat()) item.resolve(item.delivery);
        queues.delete(queue.key);
      },
    );
  };

  const dispatchBatch = (queue: BatchQueue, permitGrantedAt: number) => {
    const batch = takeBatch(queue, batchMax[queue.lane]);
    requestPermit(queue);
    if (batch.length === 0) return;
    for (const { delivery } of batch) queue.inFlight.add(recipientOf(delivery));
    // The breaker or a hold may have changed while the permit was awaited: such messages stay in the store.
    const [held, items] = splitByHold(queue, batch);
    for (const item of held) release(queue, item);
    if (items.length === 0) return;
    const context = { connection: queue.connection, channel: queue.channel, onAttempt: reportToAll(items) };
    services.onBatch?.(queue.lane, items.length);
    const { sendCalls, transport, splitsBatches } = services;
    const acquirePermit = () =>
      pace.take({ ...permitRequestOf(queue, items), untilMs: Number.POSITIVE_INFINITY, signal: closing });
    const request = batchRequest(queue.template, context, { sendCalls, transport, splitsBatches, acquirePermit });
    const deliveries = items.map(({ delivery }) => delivery);
    attemptDelivery(deliveries, { request, context, services }, permitGrantedAt).then(
      (retries) => {
        const delays = new Map(retries.map(({ delivery, delayMs }) => [delivery, delayMs]));
        const byDelay = Map.groupBy(items, ({ delivery }) => (closing.aborted ? undefined : delays.get(delivery)));
        for (const [delayMs, some] of byDelay) {
          if (delayMs !== undefined) void requeueAfter(queue, some, delayMs);
          else for (const item of some) release(queue, item);
        }
        cleanUp(queue);
      },
      (error) => {
        for (const item of items) {
          queue.inFlight.delete(recipientOf(item.delivery));
          item.reject(error);
        }
        cleanUp(queue);
      },
    );
  };

  /** Messages that must be held now, and the others. */
  const splitByHold = ({ connection }: BatchQueue, items: readonly PendingMessage[]) =>
    partition(items, ({ delivery }) => isHeld(delivery, connection, services));

  const release = (queue: BatchQueue, { delivery, resolve }: PendingMessage) => {
    queue.inFlight.delete(recipientOf(delivery));
    resolve(delivery);
  };

  /** The recipients stay in flight meanwhile, so that later messages to them do not overtake. */
  const requeueAfter = async (queue: BatchQueue, items: readonly PendingMessage[], delayMs: number) => {
    await sleep(delayMs, closing);
    const [held, others] = splitByHold(queue, items);
    for (const item of held) release(queue, item);
    requeue(queue, others);
    cleanUp(queue);
  };

  const requeue = (queue: BatchQueue, items: readonly PendingMessage[]) => {
    if (items.length === 0) return;
    if (closing.aborted) {
      for (const item of items) release(queue, item);
      return;
    }
    for (const [caller, own] of Map.groupBy(items, ({ turn }) => turn.caller)) {
      for (const { delivery } of own) queue.inFlight.delete(recipientOf(delivery));
      queue.waiting.set(caller, [...own, ...(queue.waiting.get(caller) ?? [])]);
      queue.size += own.length;
    }
    requestPermit(queue);
  };

  const cleanUp = (queue: BatchQueue) => {
    requestPermit(queue);
    if (queue.size === 0 && queue.inFlight.size === 0 && queues.get(queue.key) === queue) queues.delete(queue.key);
  };

  return {
    enqueue: async (delivery, template, context) => {
      if (closing.aborted || isHeld(delivery, context.connection, services)) return delivery;
      return new Promise((resolve, reject) => {
        const turn = context.turn ?? ownTurn;
        add(queueFor(template, context), { delivery, context, turn, resolve, reject });
      });
    },
    batchesAhead: (template, context) => {
      const key = batchKey(template, context);
      const queue = queues.get(key);
      const max = batchMax[(context.turn ?? ownTurn).lane];
      if (!queue?.awaitsPermit) return Math.floor(pendingInserts.count(key) / max);
      return Math.floor((queue.size + pendingInserts.count(key)) / max) - 1;
    },
  };
}

const partition = <Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] => {
  const { first = [], second = [] } = Object.groupBy(items, (item) => (isFirst(item) ? 'first' : 'second'));
  return [first, second];
};

/** The permit of a further call is requested in the name of the first message. */
const permitRequestOf = ({ lane }: BatchQueue, [first]: readonly PendingMessage[]) => ({
  ...askOf('sendTemplateMessages', first?.turn),
  lane,
});

/** The log line of each request tells what the upstream answered to the shared call. */
function reportToAll(items: readonly PendingMessage[]): (report: AttemptReport) => void {
  return (report) => {
    for (const { context } of items) context.onAttempt?.(report);
  };
}
