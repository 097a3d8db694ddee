import { sleep } from '../../sleep.ts';
import type { CallContext } from '../../upstream/client.ts';
import type { SendCalls } from '../../upstream/messages.ts';
import { askOf, ownTurn, type Pace, type Turn } from '../../upstream/pace.ts';
import type { AttemptReport, Transport } from '../../upstream/transport.ts';
import type { PendingInserts } from '../admission/pending-inserts.ts';
import { type ActiveDelivery, attemptDelivery, type DispatchServices, isHeld } from './deliver.ts';
import { batchRequest } from './upstream-request.ts';

/** How many template sends one call may carry, by lane: a lost answer makes all of them unknown. */
export type BatchMax = Readonly<Record<Turn['lane'], number>>;

/**
 * Template sends that wait for their turn and agree in connection, channel, template, broadcast name and lane go out as one call.
 * Nothing waits for company: whoever has his turn at once goes alone, as he is.
 */
export interface TemplateBatcher {
  /** Takes a recorded send to its end, or as far as it may. */
  enqueue(delivery: ActiveDelivery, template: BatchTemplate, context: CallContext): Promise<ActiveDelivery>;
  /** How many calls of the same kind go before the one that a further send would be in; -1: it shares one that waits already. */
  batchesAhead(template: BatchTemplate, context: CallContext): number;
}

export interface BatchTemplate {
  name: string;
  broadcastName: string;
}

interface BatcherServices extends DispatchServices {
  pace: Pace;
  sendCalls: SendCalls;
  transport: Transport;
  splitsBatches: boolean;
  batchMax: BatchMax;
  /** By `lineKey`. */
  pendingInserts: PendingInserts;
  /** A call goes out with so many. */
  onBatch?: (lane: Turn['lane'], size: number) => void;
}

interface PendingMessage {
  readonly delivery: ActiveDelivery;
  readonly context: CallContext;
  readonly turn: Turn;
  readonly resolve: (ended: ActiveDelivery) => void;
  readonly reject: (error: unknown) => void;
}

/** What agrees. Lines with nobody in them are dropped. */
interface BatchQueue {
  readonly key: string;
  readonly template: BatchTemplate;
  readonly connection: string;
  readonly channel: string | undefined;
  readonly lane: Turn['lane'];
  /** In order of arrival, by caller. */
  readonly waiting: Map<string, PendingMessage[]>;
  size: number;
  /** Recipients with a send under way: the next one of theirs goes after it, never beside it. */
  readonly inFlight: Set<string>;
  awaitsPermit: boolean;
}

/** What template sends must agree in to go out as one call. */
export const batchKey = (
  { name, broadcastName }: BatchTemplate,
  { connection, channel, turn = ownTurn }: CallContext,
): string => JSON.stringify([connection, channel ?? null, name, broadcastName, turn.lane]);

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

  /** Asks for one turn while anybody could use it. */
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
      // The process ends: what is queued stays recorded.
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
    // Meanwhile others may have been turned away, or callers be gone: theirs stay in the store until they may go.
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
    attemptDelivery(deliveries, request, context, services, permitGrantedAt).then(
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

  /** Those that must be held now, and the others. */
  const splitByHold = ({ connection }: BatchQueue, items: readonly PendingMessage[]) =>
    partition(items, ({ delivery }) => isHeld(delivery, connection, services));

  const release = (queue: BatchQueue, { delivery, resolve }: PendingMessage) => {
    queue.inFlight.delete(recipientOf(delivery));
    resolve(delivery);
  };

  /** Their recipients stay busy meanwhile: what was asked for later must not overtake them. */
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

const recipientOf = ({ stored }: ActiveDelivery): string => stored.to ?? stored.id;

/** The next call of these is asked for in the name of the first. */
const permitRequestOf = ({ lane }: BatchQueue, [first]: readonly PendingMessage[]) => ({
  ...askOf('sendTemplateMessages', first?.turn),
  lane,
});

function firstEligible({ waiting, inFlight }: BatchQueue): PendingMessage | undefined {
  for (const items of waiting.values()) {
    const ready = items.find(({ delivery }) => !inFlight.has(recipientOf(delivery)));
    if (ready) return ready;
  }
  return undefined;
}

/** Takes at most `max` that may go now: in turns between the callers, in order within one, and never two to one recipient. */
function takeBatch(queue: BatchQueue, max: number): PendingMessage[] {
  const { waiting, inFlight } = queue;
  const batch: PendingMessage[] = [];
  const taken = new Set(inFlight);
  const callerQueues = [...waiting].map(([caller, items]) => ({
    caller,
    items,
    next: 0,
    left: [] as PendingMessage[],
  }));
  for (let progressed = true; progressed && batch.length < max; ) {
    progressed = false;
    for (const callerQueue of callerQueues) {
      const item = batch.length < max ? nextEligible(callerQueue, taken) : undefined;
      if (!item) continue;
      taken.add(recipientOf(item.delivery));
      batch.push(item);
      progressed = true;
    }
  }
  for (const { caller, items, next, left } of callerQueues) {
    const rest = [...left, ...items.slice(next)];
    // To the end: who came first this time comes last the next.
    waiting.delete(caller);
    if (rest.length > 0) waiting.set(caller, rest);
  }
  queue.size -= batch.length;
  return batch;
}

/** Passes over those whose recipient is taken, and keeps them in order: a later one to the same person waits as well. */
function nextEligible(
  callerQueue: { items: PendingMessage[]; next: number; left: PendingMessage[] },
  taken: ReadonlySet<string>,
): PendingMessage | undefined {
  while (callerQueue.next < callerQueue.items.length) {
    const item = callerQueue.items[callerQueue.next++];
    if (item && !taken.has(recipientOf(item.delivery))) return item;
    if (item) callerQueue.left.push(item);
  }
  return undefined;
}

/** Each caller's log line tells what the upstream answered to the call that carried its send. */
function reportToAll(items: readonly PendingMessage[]): (report: AttemptReport) => void {
  return (report) => {
    for (const { context } of items) context.onAttempt?.(report);
  };
}
