import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Loaded into the service (`--import`): on SIGWINCH it writes the longest delay of the event loop since the signal before, ms. */
const file = process.env.LONGEST_HOLD_FILE;
if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('SIGWINCH', () => {
    writeFileSync(file, String(delay.max / 1e6));
    delay.reset();
  });
}
