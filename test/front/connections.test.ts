import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { AddressLimit } from '../../src/http/address-limit.ts';
import { watchConnections } from '../../src/http/connections.ts';
import { remoteKey } from '../../src/http/remote-address.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listener(max: number, perAddress: number) {
  let now = 0;
  const server = createServer((request, response) => {
    if (request.url === '/slow') return;
    response.end('well');
  });
  const connections = watchConnections(server, { max, perAddress, checkEveryMs: 3_600_000, clock: () => now });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  ends.push(() => {
    connections.close();
    server.close();
    server.closeAllConnections();
  });
  const open = (from: string): Socket => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    ends.push(() => socket.destroy());
    return socket.on('error', () => {});
  };
  return {
    connections,
    open,
    later: (ms: number) => {
      now += ms;
      connections.sweep();
    },
    ask: (socket: Socket, path: string) =>
      new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true)).once('close', () => resolve(false));
        socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      }),
  };
}

describe('the connections of one address', () => {
  it('leave capacity for those of others, however many it opens', async () => {
    const { connections, open, ask } = await listener(20, 75);
    // Those that have been answered are not closed for a new one.
    for (let n = 0; n < 15; n += 1) expect(await ask(open('127.0.0.2'), '/')).toBe(true);
    for (let n = 0; n < 25; n += 1) open('127.0.0.2');
    await expect.poll(() => connections.refused.address).toBe(25);
    expect(connections.open).toBe(15);
    expect(await ask(open('127.0.0.1'), '/')).toBe(true);
  });

  it('are closed if they are silent, for a connection with a request, of the same address and of others', async () => {
    const { connections, open, ask } = await listener(20, 75);
    for (let n = 0; n < 40; n += 1) open('127.0.0.2');
    await expect.poll(() => connections.refused.silent).toBe(25);
    for (const from of ['127.0.0.2', '127.0.0.1', '127.0.0.3']) expect(await ask(open(from), '/'), from).toBe(true);
    expect(connections.refused).toMatchObject({ full: 0, address: 0 });
    expect(connections.open).toBeLessThanOrEqual(20);
  });

  it('are closed after two seconds of silence if nearly all are in use, and not otherwise', async () => {
    const { connections, open, later, ask } = await listener(20, 75);
    const silent = Array.from({ length: 5 }, () => open('127.0.0.2'));
    await expect.poll(() => connections.open).toBe(5);
    later(60_000);
    expect(connections.refused.silent).toBe(0);
    const letters = open('127.0.0.2');
    letters.write('GET / HT');
    const kept = open('127.0.0.2');
    expect(await ask(kept, '/')).toBe(true);
    const busy = open('127.0.0.2');
    busy.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
    for (let n = 0; n < 5; n += 1) silent.push(open('127.0.0.2'));
    await expect.poll(() => connections.open).toBe(13);
    // The oldest go, until there is room again.
    later(1);
    expect([connections.open, connections.refused.silent]).toEqual([11, 2]);
    letters.write('TP/1.1');
    for (const path of ['/slow', '/slow', '/slow', '/slow'])
      open('127.0.0.2').write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await expect.poll(() => connections.open).toBe(15);
    later(2_000);
    expect([connections.open, connections.refused.silent]).toEqual([11, 6]);
    await expect.poll(() => letters.destroyed).toBe(true);
    expect(busy.destroyed).toBe(false);
  });
});

describe('an address', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    [undefined, 'unknown'],
  ])('%s counts as %s', (remoteAddress, key) => {
    expect(remoteKey({ remoteAddress })).toBe(key);
  });

  it('may send a limited rate of requests without a key, with a burst of two seconds, independent of other addresses', () => {
    let now = 0;
    const limit = new AddressLimit({ perSecond: 50, clock: () => now });
    const taken = (remoteAddress: string, count: number) =>
      Array.from({ length: count }, () => limit.take({ remoteAddress })).filter((waitMs) => waitMs === 0).length;
    expect(taken('10.0.0.1', 1_000)).toBe(100);
    expect(limit.refused).toBe(900);
    expect(taken('10.0.0.2', 100)).toBe(100);
    now += 1_000;
    expect(taken('10.0.0.1', 1_000)).toBe(50);
  });

  it('is forgotten after ten thousand newer ones', () => {
    const limit = new AddressLimit({ perSecond: 1, clock: () => 0 });
    const take = (n: number) => limit.take({ remoteAddress: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` });
    for (let n = 0; n < 3; n += 1) take(0);
    expect(take(0)).toBeGreaterThan(0);
    for (let n = 1; n <= 10_000; n += 1) take(n);
    expect(take(0)).toBe(0);
  });
});
