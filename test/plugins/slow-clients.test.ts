import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { slowClients } from '../../plugins/slow-clients.ts';

const graceMs = 200;
const part = Buffer.alloc(64 * 1024, 'a');
const parts = 400;
/** For those who are cut off, and for those who must not be, however slow this machine is. */
const strict = Fastify();
const patient = Fastify();
beforeAll(async () => {
  await serve(strict, graceMs);
  await serve(patient, 30_000);
});
afterAll(() => Promise.all([strict.close(), patient.close()]));

async function serve(app: FastifyInstance, grace: number): Promise<void> {
  await app.register(slowClients, { graceMs: grace, bytesPerSecondMin: 64 * 1024, checkEveryMs: 50 });
  // Far more than the kernel takes for somebody who does not read.
  app.get('/stream', (_request, reply) => reply.send(Readable.from(Array.from({ length: parts }, () => part))));
  app.get('/whole', (_request, reply) => reply.send(Buffer.concat(Array.from({ length: parts }, () => part))));
  app.get('/events', (_request, reply) => {
    reply.hijack();
    reply.raw.write('HTTP/1.1 200 OK\r\n\r\n');
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
}

/** `ended` is what the service sees: a client that does not read does not hear of a reset either. */
async function ask(app: FastifyInstance, path: string): Promise<{ socket: Socket; ended: Promise<number> }> {
  const accepted = once(app.server, 'connection');
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {});
  const [theirs] = (await accepted) as [Socket];
  const begun = performance.now();
  const ended = new Promise<number>((resolve) => theirs.once('close', () => resolve(performance.now() - begun)));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  return { socket, ended };
}

it.each(['/stream', '/whole'])('cuts off who takes %s a little at a time', async (path) => {
  const { socket, ended } = await ask(strict, path);
  const reading = setInterval(() => socket.read(100), 20);
  expect(await ended).toBeGreaterThanOrEqual(graceMs);
  clearInterval(reading);
  socket.destroy();
});

it.each(['/stream', '/whole'])('lets everybody take %s who takes it', async (path) => {
  const { socket, ended } = await ask(patient, path);
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  await Promise.all([ended, once(socket, 'close')]);
  expect(bytes).toBeGreaterThanOrEqual(parts * part.length);
});

it('does not disconnect a client for which nothing is pending', async () => {
  const { socket, ended } = await ask(strict, '/events');
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  for (let n = 0; n < 3; n++) {
    const slow = await ask(strict, '/stream');
    await slow.ended;
    slow.socket.destroy();
  }
  expect(isOver).toBe(false);
  socket.destroy();
  await ended;
});
