import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from './samples.ts';

/** The first message of a PostgreSQL client that requests TLS. */
const SSL_REQUEST = Buffer.from('0000000804d2162f', 'hex');

let server: Server;
let heard: Buffer[];

/** A server without TLS, like a database without a certificate, or an attacker in between. */
beforeEach(async () => {
  heard = [];
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard.push(bytes);
      if (bytes.equals(SSL_REQUEST)) socket.write('N');
      else socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

function portOf(): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

const opened = (tls?: 'require' | 'off', query = '') =>
  openStore(`postgres://bff:pass-of-nobody@127.0.0.1:${portOf()}/bff${query}`, {
    ...OPTIONS,
    ...(tls && { tls }),
  });

test.each(['', '?sslmode=verify-full'])('with TLS nothing is said to a server that has none (%s)', async (query) => {
  await expect(opened('require', query)).rejects.toThrow(/SSL/);
  expect(heard.length).toBeGreaterThan(0);
  for (const bytes of heard) expect(bytes).toEqual(SSL_REQUEST);
});

test.each(['off', undefined] as const)('without it (%s) the user is named at once', async (tls) => {
  await expect(opened(tls)).rejects.toThrow();
  expect(String(heard[0])).toContain('bff');
});
