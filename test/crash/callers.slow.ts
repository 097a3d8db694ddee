import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';
import { rssMb } from '../../bench/cpu.ts';
import { atRate, percentile } from '../../bench/open-load.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aPlace, callerKey } from './service.ts';

/**
 * `CONNECTIONS=1000 .ci/slow` opens that many connections, one mode after another, on an otherwise idle machine. By default there are
 * fewer, all modes run at once, and figures that other programs can affect are printed and not checked.
 */
const given = process.env.CONNECTIONS;
const connections = Number(given ?? 100);
const perSecond = 200;
const closedWithinS = given === undefined ? 40 : 35;
const liveSeconds = closedWithinS + connections / perSecond + 3;
const livePerSecond = 50;

/** slowhttptest writes this header unchanged, so it can contain the key. Without a key, the service never waits for a body. */
const withKey = (header: string) => `${header}\r\nAuthorization: Bearer ${callerKey}`;
const modes: { name: string; path: string; options: string[] }[] = [
  { name: 'slow headers', path: '/v1/contacts', options: ['-H', '-i', '5'] },
  {
    name: 'slow bodies',
    path: '/v1/messages/text',
    options: ['-B', '-i', '5', '-s', '8192', '-f', withKey('application/json')],
  },
  { name: 'many ranges', path: '/openapi.json', options: ['-R', '-a', '1', '-b', '1500'] },
  {
    name: 'slow reads',
    path: '/docs/static/swagger-ui-bundle.js',
    options: ['-X', '-n', '5', '-z', '16', '-w', '10', '-y', '512'],
  },
];
/** Differs from the address of slowhttptest, which is 127.0.0.1. */
const liveAddress = '127.0.0.2';

const rounds = given === undefined ? [modes] : modes.map((mode) => [mode]);
test.each(rounds.map((attacks) => ({ names: attacks.map(({ name }) => name).join(', '), attacks })))(
  `$names, ${connections} connections each: others hardly notice, and all are closed within ${closedWithinS} s`,
  async ({ names, attacks }) => {
    const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
    const place = aPlace(simulator);
    const agent = new Agent({ connections: 64, localAddress: liveAddress });
    try {
      const service = await place.start({ settings: { STORE_URL: 'memory:' } });
      const port = Number(new URL(service.url).port);
      const live = await liveTraffic(agent, service.url);
      await live.during(2);
      live.forget();
      await live.during(5);
      const p99Before = percentile(live.waits, 0.99);
      live.forget();
      await lagOf(service.url);

      const watch = watchConnections(port, service.pid());
      const running = attacks.map(({ path, options }) => slowhttptest(service.url + path, options));
      await live.during(liveSeconds);
      const lag = await lagOf(service.url);
      const { most, longestS, open, memoryMb } = await watch.end();
      for (const { child } of running) child.kill('SIGINT');
      await Promise.all(running.map(({ ended }) => ended));

      const p99 = percentile(live.waits, 0.99);
      console.log(
        `${names}: at most ${most} open at once, each closed within ${longestS.toFixed(1)} s, ${open} left; ` +
          `${live.waits.length} others, p50 ${percentile(live.waits, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms (${p99Before.toFixed(0)} ms before), ${live.failed.length} failed; ${lag}; ${memoryMb.toFixed(0)} MB at most`,
      );
      expect(live.failed).toEqual([]);
      // The service ignores ranges, and answers these requests like any other.
      if (attacks.some(({ path }) => path !== '/openapi.json')) expect(most).toBeGreaterThan(connections * 0.8);
      expect(longestS).toBeLessThanOrEqual(closedWithinS);
      expect(open).toBe(0);
      if (given !== undefined) expect(p99).toBeLessThan(200);
      expect(service.alive).toBe(true);
    } finally {
      await agent.destroy();
      await place.close();
      await simulator.close();
    }
  },
);

/** Alternates reads and sends at a steady rate, without waiting for answers. */
async function liveTraffic(agent: Agent, url: string) {
  const waits: number[] = [];
  const failed: string[] = [];
  const headers = { authorization: `Bearer ${callerKey}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ to: '14155551000', text: 'Hello' });
  const one = async (n: number) => {
    const begun = performance.now();
    try {
      const answer =
        n % 2 === 0
          ? await request(`${url}/v1/contacts?pageSize=10`, { headers, dispatcher: agent })
          : await request(`${url}/v1/messages/text`, { method: 'POST', headers, body, dispatcher: agent });
      await answer.body.dump();
      if (answer.statusCode >= 300) failed.push(String(answer.statusCode));
    } catch (error) {
      failed.push(String(error));
    }
    waits.push(performance.now() - begun);
  };
  return {
    waits,
    failed,
    forget: () => {
      waits.length = 0;
    },
    during: (seconds: number) => atRate(livePerSecond, seconds, one),
  };
}

/** Returns the delay of the service's event loop since the last call; the rest of a wait is caused by the machine. */
async function lagOf(url: string): Promise<string> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${callerKey}` } });
  const text = await answer.text();
  const ms = (name: string) =>
    (Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(text)?.[1]) * 1000).toFixed(0);
  return `event loop late p99 ${ms('p99')} ms, max ${ms('max')} ms`;
}

function slowhttptest(url: string, options: string[]) {
  const child = spawn(
    'slowhttptest',
    ['-c', String(connections), '-r', String(perSecond), '-l', '120', '-v', '0', '-u', url, ...options],
    {
      stdio: 'ignore',
    },
  );
  return { child, ended: once(child, 'exit') };
}

/** Measures how long connections from 127.0.0.1 stay open, by the kernel, and what the process uses meanwhile. */
function watchConnections(port: number, pid: number) {
  const since = new Map<string, number>();
  let [most, longestMs, memoryMb, over] = [0, 0, 0, false];
  const watching = (async () => {
    while (!over) {
      const now = performance.now();
      const open = new Set(clientsOf(port));
      most = Math.max(most, open.size);
      memoryMb = Math.max(memoryMb, rssMb(pid));
      for (const client of open) {
        const begun = since.get(client) ?? now;
        since.set(client, begun);
        longestMs = Math.max(longestMs, now - begun);
      }
      for (const client of since.keys()) if (!open.has(client)) since.delete(client);
      await sleep(500);
    }
  })();
  return {
    end: async () => {
      over = true;
      await watching;
      // slowhttptest itself looks once a second whether the service still answers.
      const open = [...since.values()].filter((begun) => performance.now() - begun > 5_000);
      return { most, longestS: longestMs / 1000, open: open.length, memoryMb };
    },
  };
}

const loopback = '0100007F';
/** Socket states that the process still holds: established, or closed only by the other side. */
const held = new Set(['01', '08']);

function clientsOf(port: number): string[] {
  const own = `${loopback}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, local, remote = '', state = ''] = line.trim().split(/\s+/);
      return local === own && remote.startsWith(loopback) && held.has(state) ? [remote] : [];
    });
}
