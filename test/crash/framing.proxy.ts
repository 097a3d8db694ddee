import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, say } from '../support/raw-http.ts';
import { framingTricks, honestRequest } from '../support/request-smuggling-cases.ts';
import { allKey, type Service, startService } from '../support/service.ts';
import { aBalancer } from './balancer.ts';
import { freePort } from './service.ts';

/*
 * A proxy and the service may read the same bytes differently. If the proxy shares its connections, an extra request would shift
 * the answers of the next caller.
 */
let service: Service;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wati-bff-framing-'));
  service = await startService();
});
afterAll(async () => {
  await service.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Hop {
  url: string;
  close(): Promise<void>;
}

const portOf = ({ url }: { url: string }) => Number(new URL(url).port);

const haproxy = (change?: (config: string) => string) => () => aBalancer(folder, [portOf(service)], change);

const reusing = (config: string) =>
  config.replace('option http-server-close', 'option http-keep-alive\n  http-reuse always');

async function nginx(): Promise<Hop> {
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream service { server 127.0.0.1:${portOf(service)}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }
  }
}`,
  );
  const child = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', file], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  while ((await say(url, honestRequest('first'), 1)).answers[0]?.status !== 200) {
    if (child.exitCode !== null) throw new Error('nginx did not start');
    await sleep(50);
  }
  return {
    url,
    close: async () => {
      child.kill();
      await ended;
    },
  };
}

const direct = async (): Promise<Hop> => ({ url: service.url, close: async () => {} });

const lanes = 6;

it.each([
  ['nothing in between', direct, 1],
  ['haproxy with ops/haproxy.cfg', haproxy(), 2],
  ['haproxy that shares its connections', haproxy(reusing), 3],
  ['nginx that shares its connections', nginx, 4],
])('with %s, each request has one answer, its own', async (name, open, seed) => {
  const hop = await open();
  try {
    // Four times, so that tricks meet on shared connections.
    const count = framingTricks({ key: allKey, to: '', id: '' }).length * 4;
    const faults: string[] = [];
    const seen = new Map<string, number>();
    let next = 0;
    const lane = async () => {
      for (let n = next++; n < count; n = next++) {
        // Ends in 5, unlike any simulated recipient of the sandbox.
        const to = `14${seed}5${String(n).padStart(6, '0')}5`;
        service.simulator.tenant.receive(to, 'Hello', Date.now());
        const tricks = framingTricks({ key: allKey, to, id: `trick${n}` });
        const [what = '', bytes = ''] = tricks[n % tricks.length] ?? [];
        const [{ answers, ended }, other] = await Promise.all([
          say(hop.url, bytes + honestRequest(`honest${n}`, 'Connection: close'), 9),
          // Another caller, at the same time.
          say(hop.url, honestRequest(`other${n}`), 1),
        ]);
        const sent = service.simulator.ledger.sendsTo(to).length;
        const wrong = faultsOf(answers, ended, n, sent);
        const [theirs] = other.answers;
        if (theirs?.status !== 200 || theirs.id !== `other${n}`)
          wrong.push(`another caller got ${theirs?.status} ${theirs?.id}`);
        for (const fault of wrong)
          faults.push(`${what}: ${fault}; ${JSON.stringify(answers.map(({ status, id }) => [status, id]))}`);
        const kind = answers.map(({ status }) => status).join(' then ') || 'closed without a word';
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    console.log(`${name}: ${count} tricks, ${faults.length} faults; ${JSON.stringify(Object.fromEntries(seen))}`);
    expect(faults).toEqual([]);
  } finally {
    await hop.close();
  }
});

/** Returns the violations, whether the proxy or the service answered. */
function faultsOf(answers: readonly Answer[], ended: boolean, n: number, sent: number): string[] {
  const faults: string[] = [];
  const [first, second] = answers;
  if (!ended) faults.push('it hung');
  if (answers.length > 2) faults.push(`${answers.length} answers to two requests`);
  if (first?.id === `honest${n}`) faults.push('its answer is that of the request behind it');
  // haproxy truncates a length beyond 64 bits, and then refuses the rest as an invalid request.
  if (second && second.id !== `honest${n}` && !(second.status === 400 && second.id === undefined))
    faults.push('the request behind it has an answer that is not its own');
  if (second?.id === `honest${n}` && second.status !== 200) faults.push('the request behind it was refused');
  for (const { status, headers } of answers) {
    if (status === 500 || (status >= 502 && status <= 504)) faults.push(`a ${status}`);
    if (/hidden/.test(headers)) faults.push('what was hidden in it was answered');
  }
  if (sent !== (first?.status === 201 ? 1 : 0)) faults.push(`${sent} were sent`);
  return faults;
}
