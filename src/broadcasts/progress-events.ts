import { sleep } from '../lib/sleep.ts';
import type { Broadcast } from '../schemas/broadcast.ts';

const pollEveryMs = 1_000;
/** A comment is sent after this long without an event, because proxies close idle connections. */
const silenceMaxMs = 15_000;
/** A slow store is polled less often: polling takes at most a tenth of the time. */
const restFactor = 10;

/** The id of the last event. A client that reconnects with it has received all events. */
export const endId = 'end';

/**
 * Yields the events of one listener (WHATWG server-sent events) until the broadcast has ended, `poll` returns undefined, or
 * `closing` aborts. The id of an event is the time of the change.
 */
export async function* progressEvents(
  first: Broadcast,
  poll: () => Promise<Broadcast | undefined>,
  closing: AbortSignal,
): AsyncGenerator<string> {
  let lastSent = '';
  let lastSentAt = 0;
  let restMs = pollEveryMs;
  for (let now = first; ; ) {
    const data = JSON.stringify(now);
    if (hasEnded(now)) {
      yield `id: ${endId}\nevent: end\ndata: ${data}\n\n`;
      return;
    }
    if (data !== lastSent) yield `id: ${Date.parse(now.updatedAt)}\nevent: progress\ndata: ${data}\n\n`;
    else if (performance.now() - lastSentAt > silenceMaxMs) yield ': still here\n\n';
    if (data !== lastSent || performance.now() - lastSentAt > silenceMaxMs) lastSentAt = performance.now();
    lastSent = data;
    await sleep(restMs, closing);
    if (closing.aborted) return;
    const asked = performance.now();
    const seen = await poll();
    // The listener's key has lost the right to read the broadcast, or its import was refused.
    if (!seen) return;
    now = seen;
    restMs = Math.max(pollEveryMs, restFactor * (performance.now() - asked));
  }
}

/**
 * Polls a broadcast for all of its listeners: a poll during another one, or soon after it, shares its result. Polls are most of
 * the cost of a listener.
 */
export class SharedPolls<Seen> {
  readonly #clock: () => number;
  readonly #last = new Map<string, { seen: Promise<Seen>; freshUntil: number }>();

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  poll(id: string, find: () => Promise<Seen>): Promise<Seen> {
    const now = this.#clock();
    const known = this.#last.get(id);
    if (known && now < known.freshUntil) return known.seen;
    for (const [other, { freshUntil }] of this.#last) if (freshUntil <= now) this.#last.delete(other);
    const seen = find();
    const poll = { seen, freshUntil: Number.POSITIVE_INFINITY };
    this.#last.set(id, poll);
    const found = () => {
      // A little less than the pause between two polls of a listener, so that its own next poll reads again.
      poll.freshUntil = this.#clock() + 0.9 * Math.max(pollEveryMs, restFactor * (this.#clock() - now));
    };
    const failed = () => {
      poll.freshUntil = 0;
    };
    seen.then(found, failed);
    return seen;
  }
}

/** A cancelled broadcast has ended when none of its messages is in flight. */
export const hasEnded = ({ finishedAt }: Broadcast): boolean => finishedAt !== undefined;
