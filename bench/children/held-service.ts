import { writeFileSync } from 'node:fs';

/**
 * The service, with a watch on its event loop: after SIGWINCH, for which the service has no use, it writes the longest holds since
 * the previous one, in ms, to the file that is its first argument: by the clock, and on the CPU, which other programs do not affect.
 */
const [, , file = ''] = process.argv;
const cpuMs = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};
let [lastMs, lastCpuMs] = [performance.now(), cpuMs()];
let [clock, cpu] = [0, 0];
setInterval(() => {
  const [nowMs, nowCpuMs] = [performance.now(), cpuMs()];
  clock = Math.max(clock, nowMs - lastMs);
  cpu = Math.max(cpu, nowCpuMs - lastCpuMs);
  [lastMs, lastCpuMs] = [nowMs, nowCpuMs];
}, 1).unref();
process.on('SIGWINCH', () => {
  writeFileSync(file, JSON.stringify({ clock, cpu }));
  [clock, cpu] = [0, 0];
});
await import('../../src/bin/server.ts');
