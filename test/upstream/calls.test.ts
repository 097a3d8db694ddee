import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { RateLimiter } from '../../src/rate-limit/types.ts';
import { createConversations } from '../../src/upstream/conversations.ts';
import { type Dispatchers, openDispatchers } from '../../src/upstream/dispatchers.ts';
import { createStreams } from '../../src/upstream/streaming.ts';
import { createTransport } from '../../src/upstream/transport.ts';
import type { Call } from '../../src/upstream/types.ts';

let server: Server | undefined;
let dispatchers: Dispatchers | undefined;
afterEach(async () => {
  await dispatchers?.close();
  server?.close();
});

async function upstream(onConnection: (socket: Socket) => void): Promise<Dispatchers> {
  server = createServer((socket) => onConnection(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  dispatchers = openDispatchers(`http://127.0.0.1:${port}`, `http://127.0.0.1:${port}`);
  return dispatchers;
}

const read: Call = { operation: 'getContacts', host: 'gateway', method: 'GET', path: '/contacts' };
const base = { key: () => 'key', timeoutMs: 2_000, userAgent: 'wati-bff/test' };
const paced = (rateLimiter: Partial<RateLimiter>): RateLimiter => ({
  acquire: async () => {},
  isPermitValid: () => true,
  expectedWaitMs: () => 0,
  reportTooManyRequests: () => {},
  ...rateLimiter,
});

test.each<[string, Partial<Call>]>([
  ['reads', {}],
  ['sends', { method: 'POST', sends: true }],
  ['control calls', { host: 'control' }],
])('%s that had their turn are all on the wire, whatever the upstream does', async (_what, more) => {
  let asked = 0;
  const silent = await upstream((socket) => socket.once('data', () => (asked += 1)));
  const transport = createTransport({ ...base, dispatchers: silent });
  const calls = Array.from({ length: 150 }, () => transport.execute({ ...read, ...more }));
  await expect.poll(() => asked).toBe(150);
  await silent.close();
  await Promise.all(calls);
});

test('a read is not delayed by downloads, however long they take', async () => {
  let downloads = 0;
  const slow = await upstream((socket) =>
    socket.once('data', (bytes) => {
      const download = bytes.toString().startsWith('GET /wati/media');
      if (download) downloads += 1;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${download ? 100 : 2}\r\n\r\n{}`);
    }),
  );
  const streams = createStreams({ ...base, dispatchers: slow, headersTimeoutMs: 20_000, totalTimeoutMs: 20_000 });
  const media = { operation: 'getMedia', method: 'GET', path: '/media' };
  const opened = Array.from({ length: 600 }, () => streams.open({ connection: 'one' }, media));
  await expect.poll(() => downloads, { timeout: 15_000 }).toBeGreaterThan(511);
  const transport = createTransport({ ...base, dispatchers: slow });
  expect(await transport.execute(read)).toMatchObject({ kind: 'answered', status: 200 });
  await slow.close();
  for (const answer of await Promise.all(opened)) if (answer.kind === 'answered') answer.body.destroy();
});

test('a 429 whose body is cut off slows calls down like any other', async () => {
  const broken = await upstream((socket) =>
    socket.once('data', () => {
      socket.end('HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 100\r\n\r\nslow');
    }),
  );
  const refused: unknown[] = [];
  const rateLimiter = paced({
    reportTooManyRequests: (group, retryAfterMs) => void refused.push([group, retryAfterMs]),
  });
  const transport = createTransport({ ...base, dispatchers: broken, rateLimiter });
  expect(await transport.execute(read)).toMatchObject({ kind: 'failed', status: 429 });
  expect(refused).toEqual([[undefined, 7_000]]);
});

test('a permit is granted early enough for the call to be made', async () => {
  const silent = await upstream(() => {});
  const left: number[] = [];
  const rateLimiter = paced({
    acquire: async ({ deadline }) => {
      left.push(deadline - performance.now());
      throw new Error('too late');
    },
  });
  const transport = createTransport({ ...base, timeoutMs: 20_000, dispatchers: silent, rateLimiter });
  for (const timeoutMs of [20_000, 1_000]) await transport.execute(read, timeoutMs);
  expect(left.map((ms) => Math.round(ms / 100) * 100)).toEqual([15_000, 500]);
});

test('a history that contains only the reason why there is none', async () => {
  const { history } = createConversations({
    get: async () => ({ info: "Can't find Contact" }),
    write: async () => ({}),
  });
  const asked = history({ connection: 'one' }, '14155551000', { pageNumber: 1, pageSize: 10 });
  await expect(asked).rejects.toMatchObject({ slug: 'not-found' });
});
