import type { CallContext } from '../../upstream/client.ts';
import { type CallerPriority, systemPriority } from '../../upstream/permits.ts';
import { batchFieldsOf, type Content, parameterLength } from '../send-content.ts';
import type { ActiveDelivery } from './upstream-request.ts';

/** No message is added to a batch whose parameters have this many characters: it would hold megabytes in memory. */
export const BATCH_TEXT_MAX = 1_000_000;

export interface BatchTemplate {
  name: string;
  broadcastName: string;
  /** Messages with the same key may share a call. */
  key: string;
}

export interface PendingMessage {
  readonly delivery: ActiveDelivery;
  readonly context: CallContext;
  readonly priority: CallerPriority;
  readonly resolve: (ended: ActiveDelivery) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that may share a call. Empty queues are dropped. */
export interface BatchQueue {
  readonly key: string;
  readonly template: BatchTemplate;
  readonly connection: string;
  readonly channel: string | undefined;
  readonly lane: CallerPriority['lane'];
  /** In order of arrival, by caller. */
  readonly waiting: Map<string, PendingMessage[]>;
  size: number;
  /** Recipients with a message in flight: their next one is sent after it, never at the same time. */
  readonly inFlight: Set<string>;
  awaitsPermit: boolean;
}

/** Undefined: this content is sent in a call of its own. */
export function batchTemplateOf(
  content: Content,
  { connection, channel, priority = systemPriority }: CallContext,
): BatchTemplate | undefined {
  const fields = batchFieldsOf(content);
  if (!fields) return undefined;
  const { name, broadcastName } = fields;
  return { ...fields, key: JSON.stringify([connection, channel ?? null, name, broadcastName, priority.lane]) };
}

export const recipientOf = ({ stored }: ActiveDelivery): string => stored.to ?? stored.id;

/** A message whose recipient has none in flight. */
export function firstEligible({ waiting, inFlight }: BatchQueue): PendingMessage | undefined {
  for (const items of waiting.values()) {
    const ready = items.find(({ delivery }) => !inFlight.has(recipientOf(delivery)));
    if (ready) return ready;
  }
  return undefined;
}

/** Removes at most `max` messages that may go now: round robin between callers, in order within one, one per recipient. */
export function takeBatch(queue: BatchQueue, max: number): PendingMessage[] {
  const { waiting, inFlight } = queue;
  const batch: PendingMessage[] = [];
  const taken = new Set(inFlight);
  const callerQueues = [...waiting].map(([caller, items]) => ({
    caller,
    items,
    next: 0,
    left: [] as PendingMessage[],
  }));
  let characters = 0;
  const isFull = () => batch.length >= max || characters >= BATCH_TEXT_MAX;
  for (let progressed = true; progressed && !isFull(); ) {
    progressed = false;
    for (const callerQueue of callerQueues) {
      const item = isFull() ? undefined : nextEligible(callerQueue, taken);
      if (!item) continue;
      taken.add(recipientOf(item.delivery));
      characters += parameterLength(item.delivery.stored);
      batch.push(item);
      progressed = true;
    }
  }
  for (const { caller, items, next, left } of callerQueues) {
    const rest = [...left, ...items.slice(next)];
    // Reinserted at the end: the caller that was served first comes last the next time.
    waiting.delete(caller);
    if (rest.length > 0) waiting.set(caller, rest);
  }
  queue.size -= batch.length;
  return batch;
}

/** Skips messages whose recipient is taken, and keeps their order, so that a later one to the same recipient waits as well. */
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
