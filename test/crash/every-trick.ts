import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { createCaller } from '../../bench/open-load.ts';

/** Input of the thread: address, key and duration. */
export interface Attack {
  readonly url: string;
  readonly key: string;
  readonly ms: number;
}

/** Answers by trick and status; 0: the connection broke off. */
export type Told = Record<string, Record<number, number>>;

/** Maximum number of the attacker's sockets. Beyond it, the oldest are closed. */
const socketsMax = 600;

/** Tries every trick at once, in a thread of its own, so that it does not affect the measurement of the other caller. */
async function attack({ url, key, ms }: Attack): Promise<Told> {
  const end = performance.now() + ms;
  const { hostname, port } = new URL(url);
  const caller = createCaller(url, key);
  const stranger = createCaller(url, 'a-key-that-is-nobodys-at-all');
  const told: Told = {};
  const sockets: Socket[] = [];

  const open = (bytes: string): Socket => {
    const socket = connect(Number(port), hostname).on('error', () => {});
    // What comes back is not read.
    socket.pause();
    socket.write(bytes);
    sockets.push(socket);
    for (const old of sockets.splice(0, Math.max(0, sockets.length - socketsMax))) old.destroy();
    return socket;
  };
  const head = (method: string, path: string, lines = '') =>
    `${method} ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n${lines}\r\n`;
  const trickle = (path: string, lines: string, type: string) => {
    const form = `--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: ${type}\r\n\r\n`;
    const socket = open(
      head('POST', path, `Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 50000000\r\n${lines}`) +
        form,
    );
    const timer = setInterval(() => socket.write('14155551000\r\n'.repeat(140)), 100);
    socket.on('close', () => clearInterval(timer));
  };
  /** `count` at once, each again when it was answered. */
  const lanes = (name: string, count: number, one: (at: number) => Promise<{ status: number }>) => {
    const seen: Record<number, number> = {};
    told[name] = seen;
    let asked = 0;
    const lane = async () => {
      while (performance.now() < end) {
        const { status } = await one(asked++);
        seen[status] = (seen[status] ?? 0) + 1;
        await sleep(20);
      }
    };
    return Promise.all(Array.from({ length: count }, lane));
  };
  const every = async (pauseMs: number, once: (at: number) => void) => {
    for (let at = 0; performance.now() < end; at += 1) {
      once(at);
      await sleep(pauseMs);
    }
  };
  const get = (path: string, headers: Record<string, string> = {}) => caller.ask('GET', path, { headers });
  const json = { 'content-type': 'application/json' };
  const numberOf = (at: number) => `1213${String(at % 1_000_000).padStart(6, '0')}5`;
  const filters = [
    'since=2099-01-01T00:00:00Z',
    'status=rejected',
    'status=unknown&since=2020-01-01T00:00:00Z',
    'to=14155559999',
    'limit=100',
    'cursor=AAAA',
    `recipient=${'9'.repeat(3_000)}`,
  ];
  const csvOf = (at: number, rows: number) => {
    const numbers = Array.from({ length: rows }, (_, row) => `91981${String(at * rows + row).padStart(7, '0')}`);
    return `--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\nPhone\n${numbers.join('\n')}\n\r\n--x--\r\n`;
  };

  await Promise.all([
    lanes('reads', 10, (at) => get(`/v1/contacts?page=${at + 1}&pageSize=100`)),
    lanes('histories', 5, (at) => get(`/v1/conversations/${numberOf(at)}/messages`)),
    lanes('lists', 5, (at) => get(`/v1/messages?${filters[at % filters.length]}`)),
    lanes('broadcasts', 3, () => get('/v1/broadcasts?limit=100')),
    lanes('sends', 10, (at) =>
      caller.ask('POST', '/v1/messages/text', {
        headers: { ...json, 'idempotency-key': `k-${at}`, ...(at % 2 === 0 && { prefer: 'respond-async' }) },
        body: JSON.stringify({ to: numberOf(at), text: 'a' }),
      }),
    ),
    lanes('imports', 1, (at) =>
      caller.ask('POST', `/v1/broadcasts/import?template=welcome&broadcastName=b${at}`, {
        headers: { 'content-type': 'multipart/form-data; boundary=x', 'idempotency-key': `i-${at}` },
        body: csvOf(at, 5_000),
      }),
    ),
    lanes('streams', 5, async () => {
      const { body } = await get('/v1/broadcasts?limit=1');
      const id = /"id":"([^"]+)"/.exec(body)?.[1];
      if (id) open(head('GET', `/v1/broadcasts/${id}/events`, 'Accept: text/event-stream\r\n'));
      await sleep(100);
      return { status: id ? 200 : 404 };
    }),
    lanes('bad keys', 5, (at) => stranger.ask('GET', at % 2 === 0 ? '/v1/contacts' : '/openapi.json')),
    lanes('huge headers', 3, (at) =>
      get('/v1/contacts', at % 2 === 0 ? { priority: 'x'.repeat(15_000) } : { 'x-a': 'x'.repeat(60_000) }),
    ),
    every(500, () => open(head('GET', '/v1/contacts').repeat(600))),
    every(500, () => open('GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000))),
    every(200, () => {
      const lines = 'Content-Type: application/json\r\nIdempotency-Key: a\r\n';
      open(`${head('POST', '/v1/broadcasts', `${lines}Content-Length: 8388608\r\n`)}${'x'.repeat(60_000)}`);
      open(`${head('POST', '/v1/messages/text', `${lines}Content-Length: 65000\r\n`)}${'x'.repeat(60_000)}`);
    }),
    every(500, (at) => {
      trickle(`/v1/messages/file?to=${numberOf(at)}`, '', 'text/plain');
      const path = `/v1/broadcasts/import?template=welcome&broadcastName=slow${at}`;
      trickle(path, `Idempotency-Key: s-${at}\r\n`, 'text/csv');
    }),
    every(50, () => void open('')),
  ]);
  for (const socket of sockets) socket.destroy();
  caller.close();
  stranger.close();
  return told;
}

parentPort?.postMessage(await attack(workerData));
