import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** What the kernel says of a process. Linux only; elsewhere everything is NaN and the table shows a dash. */

/** A tick of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Node runs on. */
const tickUs = 10_000;

/** User and system time so far, µs, all threads. */
export function cpuUs(pid: number): number {
  // The name may hold spaces: the fields are counted from behind its parenthesis; utime and stime are 14 and 15.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

/** Resident memory, MB. */
export function rssMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1]) / 1024;
}

/** Open files, sockets among them. */
export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export const has = (program: string, versionFlag: string): boolean =>
  spawnSync(program, [versionFlag], { stdio: 'ignore' }).error === undefined;

const canPin = availableParallelism() > 1 && has('taskset', '--version');

/** What is measured stands alone on core 0; the load and the upstream share core 1. */
export const pinned = (core: 0 | 1 | undefined, command: string[]): string[] =>
  canPin && core !== undefined ? ['taskset', '-c', String(core), ...command] : command;

/** Moves this process, the load generator, to core 1. False where processes cannot be pinned. */
export function pinSelf(): boolean {
  if (canPin) execFileSync('taskset', ['-a', '-c', '-p', '1', String(process.pid)], { stdio: 'ignore' });
  return canPin;
}
