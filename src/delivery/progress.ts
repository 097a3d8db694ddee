import type { Broadcast } from '../schemas/broadcast.ts';
import { sleep } from './patience.ts';

const lookEveryMs = 1_000;
/** Something has to be said now and then, or what stands between takes the line for dead. */
const silenceMaxMs = 15_000;
/** A count may be long in a large database: looking takes at most a tenth of the time. */
const restFactor = 10;

/** The events of one listener (WHATWG, server-sent events), until the broadcast has ended or `closing`. */
export async function* streamProgress(
  first: Broadcast,
  look: () => Promise<Broadcast>,
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
    now = await look();
    restMs = Math.max(lookEveryMs, restFactor * (performance.now() - asked));
  }
}

/** What is on the wire of a cancelled one still ends. */
const hasEnded = ({ finishedAt }: Broadcast): boolean => finishedAt !== undefined;
