import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { freePorts, memory, podman, start, untilReady } from './podman.ts';
import { attackMs, p99Max } from './serving.ts';

const key = 'sandbox-key-of-nobody';
const sockets: Socket[] = [];
let port = 0;
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await podman('rm', '--force', '--time', '0', 'attacked');
});

const open = (bytes: string): void => {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  // What comes back is not read.
  socket.pause();
  socket.write(bytes);
  sockets.push(socket);
};

/** What is done over and over, by who may cost the service nothing. */
const attacks: [name: string, once: () => void][] = [
  [
    '64 KB of requests for a document, sent ahead',
    () => open('GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_500)),
  ],
  [
    '64 KB of reads with a key, sent ahead',
    () => open(`GET /v1/contacts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`.repeat(800)),
  ],
  [
    'bodies that are announced and not finished',
    () => {
      const head = `Host: a\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nIdempotency-Key: a`;
      open(`POST /v1/broadcasts HTTP/1.1\r\n${head}\r\nContent-Length: 8388608\r\n\r\n${'x'.repeat(60_000)}`);
      open(`POST /v1/messages/text HTTP/1.1\r\n${head}\r\nContent-Length: 65536\r\n\r\n${'x'.repeat(60_000)}`);
    },
  ],
  ['connections that say nothing', () => open('')],
];

it.each(attacks)('lives in 256 MB through %s, and answers others', async (name, once) => {
  port = await freePorts();
  const ports = `127.0.0.1:${port}-${port + 1}:${port}-${port + 1}`;
  await start('attacked', ['--publish', ports, '--env', `PORT=${port}`, '--env', 'CONNECTIONS_MAX=1000'], ['sandbox']);
  await untilReady(`http://127.0.0.1:${port}/health/ready`);
  const waited: number[] = [];
  const end = performance.now() + attackMs;
  while (performance.now() < end) {
    for (let n = 0; n < 5; n += 1) once();
    for (const socket of sockets.splice(0, Math.max(0, sockets.length - 400))) socket.destroy();
    const begun = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/health/live`);
    await answer.text();
    expect(answer.status).toBe(200);
    waited.push(performance.now() - begun);
    await sleep(50);
  }
  const { most } = await memory('attacked');
  const p99 = waited.toSorted((a, b) => a - b)[Math.floor(waited.length * 0.99)] ?? 0;
  console.log(`${name}: ${most} MB at most, health p99 ${Math.round(p99)} ms of ${waited.length}`);
  expect(most).toBeLessThan(256);
  expect(p99).toBeLessThan(p99Max);
});
