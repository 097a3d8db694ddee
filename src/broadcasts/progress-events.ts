import type { Broadcast } from '../schemas/broadcast.ts';
import { sleep } from '../sleep.ts';

const lookEveryMs = 1_000;
/** Something has to be said now and then, or what stands between takes the line for dead. */
const silenceMaxMs = 15_000;
/** A store that is slow is asked less often: looking takes at most a tenth of the time. */
const restFactor = 10;

/** The events of one listener (WHATWG, server-sent events), until the broadcast has ended or `closing`. */
export async function* streamProgress(
  first: Broadcast,
  look: () => Promise<Broadcast | undefined>,
  closing: AbortSignal,
): AsyncGenerator<string> {
  let said = '';
  let saidAt = 0;
  let restMs = lookEveryMs;
  for (let now = first; ; ) {
    const data = JSON.stringify(now);
    if (hasEnded(now)) {
      yield `event: end\ndata: ${data}\n\n`;
      return;
    }
    if (data !== said) yield `event: progress\ndata: ${data}\n\n`;
    else if (performance.now() - saidAt > silenceMaxMs) yield ': still here\n\n';
    if (data !== said || performance.now() - saidAt > silenceMaxMs) saidAt = performance.now();
    said = data;
    await sleep(restMs, closing);
    if (closing.aborted) return;
    const asked = performance.now();
    const seen = await look();
    // Its listener may not see it any more.
    if (!seen) return;
    now = seen;
    restMs = Math.max(lookEveryMs, restFactor * (performance.now() - asked));
  }
}

/**
 * One look at a broadcast for all who listen to it: who asks while another look is under way, or soon after it, is told what
 * that one found. Looking is the most that a listener costs.
 */
export class SharedLooks<Seen> {
  readonly #clock: () => number;
  readonly #last = new Map<string, { seen: Promise<Seen>; freshUntil: number }>();

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  look(id: string, find: () => Promise<Seen>): Promise<Seen> {
    const now = this.#clock();
    const known = this.#last.get(id);
    if (known && now < known.freshUntil) return known.seen;
    for (const [other, { freshUntil }] of this.#last) if (freshUntil <= now) this.#last.delete(other);
    const seen = find();
    const look = { seen, freshUntil: Number.POSITIVE_INFINITY };
    this.#last.set(id, look);
    const found = () => {
      // A little less than the rest between two looks of one listener, so that its own next one is a new one.
      look.freshUntil = this.#clock() + 0.9 * Math.max(lookEveryMs, restFactor * (this.#clock() - now));
    };
    const failed = () => {
      look.freshUntil = 0;
    };
    seen.then(found, failed);
    return seen;
  }
}

/** What is on the wire of a cancelled one still ends. */
const hasEnded = ({ finishedAt }: Broadcast): boolean => finishedAt !== undefined;
