import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './service.ts';

export interface Balancer {
  url: string;
  /** Returns the log of haproxy: a line for each request, and changes of its servers. */
  log(): string;
  /** Returns how often haproxy put the replica on this port back into service. */
  timesUp(port: number): number;
  close(): Promise<void>;
}

/** Starts haproxy with ops/haproxy.cfg, or a `change` of it, in front of these ports instead of the addresses of `wati-bff`. */
export async function aBalancer(
  folder: string,
  replicas: readonly number[],
  change = (config: string) => config,
): Promise<Balancer> {
  const port = await freePort();
  const servers = replicas.map((replica) => `  server replica${replica} 127.0.0.1:${replica}`).join('\n');
  const config = change(readFileSync('ops/haproxy.cfg', 'utf8'))
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replaceAll(/^ {2}server-template .*$/gm, servers);
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, config);
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
  }
  const url = `http://127.0.0.1:${port}`;
  while (!(await isReady(url))) {
    if (child.exitCode !== null) throw new Error(`haproxy did not start: ${log}`);
    await sleep(50);
  }
  return {
    url,
    log: () => log,
    timesUp: (replica) => log.split(`Server ready/replica${replica} is UP`).length - 1,
    close: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
  await answer?.text();
  return answer?.ok === true;
}
