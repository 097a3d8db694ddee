import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * The service, with a watch on its event loop: after SIGWINCH, for which the service has no use, it writes the longest hold since
 * the previous one, in ms, to the file that is its first argument.
 */
const [, , file = ''] = process.argv;
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on('SIGWINCH', () => {
  writeFileSync(file, String(delay.max / 1e6));
  delay.reset();
});
await import('../../src/bin/server.ts');
