import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** As compose.yaml and a careful cluster run it. Docker gives a read-only container no /tmp, so neither does this. */
const hardened = [
  '--read-only',
  '--read-only-tmpfs=false',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  '--memory=256m',
  '--memory-swap=256m',
];

export async function podman(...args: string[]): Promise<string> {
  const { stdout } = await exec('podman', args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

export async function compose(folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await exec('podman-compose', args, { cwd: folder });
  return stdout.trim();
}

/** A hardened container of the image; what comes after the options are the words for its entry point. */
export async function start(name: string, options: readonly string[], words: readonly string[] = []): Promise<void> {
  await podman('run', '--detach', '--name', name, ...hardened, ...options, 'wati-bff', ...words);
}

/** Ends it as an orchestrator does: SIGTERM, and after ten seconds no mercy. */
export async function stop(name: string): Promise<{ exitCode: number; ms: number }> {
  const begun = performance.now();
  await podman('stop', '--time', '10', name);
  const ms = Math.round(performance.now() - begun);
  return { exitCode: Number(await podman('inspect', '--format', '{{.State.ExitCode}}', name)), ms };
}

/** Milliseconds until the address answers 200. */
export async function untilReady(url: string): Promise<number> {
  const begun = performance.now();
  while (performance.now() - begun < 20_000) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.text();
    if (answer?.ok) return Math.round(performance.now() - begun);
    await sleep(5);
  }
  throw new Error(`${url} is not ready after 20 s`);
}

/** Resident megabytes of pid 1: now, and at most so far. */
export async function memory(name: string): Promise<{ now: number; most: number }> {
  const status = await podman('exec', name, 'cat', '/proc/1/status');
  const read = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: read('VmRSS'), most: read('VmHWM') };
}

/** Two consecutive free ports: the sandbox takes one for itself and the next for its gateway. */
export async function freePorts(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
