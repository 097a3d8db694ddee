import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { listen } from '../../src/http/listen.ts';

const opened = async (port = 0) => {
  const app = Fastify().get('/', async () => 'hello');
  await listen(app, { host: '127.0.0.1', port, backlog: 4_096 });
  return { app, port: (app.server.address() as AddressInfo).port };
};

describe('the listener of the service', () => {
  it.runIf(process.platform === 'linux')('takes several connections in one turn of the event loop', async () => {
    const { app, port } = await opened();
    let taken = 0;
    app.server.on('connection', () => {
      taken += 1;
    });
    const sockets: Socket[] = Array.from({ length: 160 }, () => connect(port, '127.0.0.1'));
    let turns = 0;
    while (taken < sockets.length) {
      await nextTurn();
      turns += 1;
    }
    // One each would be 160 and more.
    expect(turns).toBeLessThan(80);
    for (const socket of sockets) socket.destroy();
    await app.close();
  });

  it('answers over every connection, and closes when all of them have ended', async () => {
    const { app, port } = await opened();
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
        return answer.text();
      }),
    );
    expect(new Set(answers)).toEqual(new Set(['hello']));
    const late = await Promise.all(
      Array.from({ length: 20 }, async () => {
        // What the kernel still keeps for a listener is reset as it closes.
        const socket = connect(port, '127.0.0.1').on('error', () => {});
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n');
        await once(socket, 'connect');
        return socket;
      }),
    );
    const closed = app.close();
    const refused = async () => {
      const socket = connect(port, '127.0.0.1');
      const [event] = await Promise.race([
        once(socket, 'error').then(() => ['refused']),
        once(socket, 'connect').then(() => ['taken']),
      ]);
      socket.destroy();
      return event;
    };
    await expect.poll(refused).toBe('refused');
    for (const socket of late) socket.destroy();
    await closed;
  });

  it('takes no port that another one has, and shares its own with nobody', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(opened(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.close();
    await once(other, 'close');
    const first = await opened(port);
    await expect(opened(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await first.app.close();
  });
});
