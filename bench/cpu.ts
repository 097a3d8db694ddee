import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** What the kernel says of a process. Linux only; elsewhere everything is NaN and the table shows a dash. */

/** A tick of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Node runs on. */
const tickUs = 10_000;

/** From the state on: the name before it may hold spaces. */
const statOf = (pid: number): string[] => read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];

/** User and system time so far, µs, all threads. */
export function cpuUs(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

export const parentOf = (pid: number): number => Number(statOf(pid)[1]);

const childrenOf = (pid: number): number[] =>
  read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);

/** The same with its children, those that have ended as well. */
export function familyCpuUs(pid: number): number {
  const fields = statOf(pid);
  const ended = (Number(fields[13]) + Number(fields[14])) * tickUs;
  return childrenOf(pid).reduce((sum, child) => sum + (cpuUs(child) || 0), cpuUs(pid) + ended);
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
  if (canPin) pin(process.pid, 1);
  return canPin;
}

function pin(pid: number, core: 0 | 1): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}

/** Moves a process and its children; those that it starts later follow it. */
export function pinFamily(pid: number, core: 0 | 1): void {
  for (const each of [pid, ...childrenOf(pid)]) pin(each, core);
}

const cpuGroups = '/sys/fs/cgroup/cpu';
const periodUs = 20_000;

/** Gives a process no more than this share of a core, by a control group (version 1; needs root). Returns what removes the group again. */
export function limitCpu(pid: number, share: number): () => void {
  const group = `${cpuGroups}/wati-bff-bench-${pid}`;
  mkdirSync(group);
  writeFileSync(`${group}/cpu.cfs_period_us`, String(periodUs));
  writeFileSync(`${group}/cpu.cfs_quota_us`, String(Math.round(share * periodUs)));
  writeFileSync(`${group}/cgroup.procs`, String(pid));
  return () => {
    for (const left of read(`${group}/cgroup.procs`).split('\n').filter(Boolean))
      writeFileSync(`${cpuGroups}/cgroup.procs`, left);
    rmdirSync(group);
  };
}
