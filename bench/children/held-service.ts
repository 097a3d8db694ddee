import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * The service, with a watch on its event loop: after SIGUSR2 it writes the longest hold since the previous one, in ms, to the file
 * that is its first argument.
 */
const [, , file = ''] = process.argv;
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on('SIGUSR2', () => {
  writeFileSync(file, String(delay.max / 1e6));
  delay.reset();
});
await import('../../src/bin/server.ts');
