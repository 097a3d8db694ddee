import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Returns the command before `node` that kills the process at its n-th durable write. */
export const killedAtFsync = (nth: number): string[] => [
  'strace',
  ...['-f', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync'],
  ...['-e', `inject=fsync,fdatasync:signal=SIGKILL:when=${nth}`],
];

/** Makes these system calls of the process fail. Resolves once they do, with a function that ends it. */
export async function failing(pid: number, inject: string): Promise<() => Promise<void>> {
  const calls = inject.split(':')[0];
  const strace = spawn(
    'strace',
    ['-f', '-p', String(pid), '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${inject}`],
    {
      stdio: 'ignore',
    },
  );
  while (/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) await sleep(10);
  await sleep(300);
  return async () => {
    strace.kill('SIGINT');
    await once(strace, 'exit');
  };
}
