import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/**
 * Loaded into the service (`--import`): on SIGWINCH it writes the longest turn of the event loop since the signal before, in ms of CPU
 * time of its thread, which other programs on the machine do not affect.
 */
const file = process.env.LONGEST_HOLD_FILE;
if (isMainThread && file !== undefined) {
  let longest = 0;
  let last = cpuMs();
  setInterval(() => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1).unref();
  process.on('SIGWINCH', () => {
    writeFileSync(file, String(longest));
    longest = 0;
  });
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
