import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oneAtATime } from '../../src/http/one-at-a-time.ts';
import { goodRequest, operationsOf } from '../support/operations.ts';
import { say } from '../support/raw-http.ts';
import { allKey, type Service, startService } from '../support/service.ts';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

describe('requests of one connection', () => {
  const open: { path: string; response: ServerResponse }[] = [];
  let cut = 0;
  const server = createServer(
    oneAtATime(
      ({ url = '' }, response) => open.push({ path: url, response }),
      () => {
        cut += 1;
      },
    ),
  );
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => server.close());

  const send = (bytes: string): Socket => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(bytes);
    return socket;
  };
  const paths = () => open.map(({ path }) => path);

  it('are processed one after the other, each after the answer to the previous one', async () => {
    open.length = 0;
    let seen = '';
    const socket = send(['/1', '/2', '/3'].map(get).join(''));
    socket.on('data', (chunk) => {
      seen += chunk.toString();
    });
    for (const [at, path] of ['/1', '/2', '/3'].entries()) {
      await expect.poll(paths).toEqual(['/1', '/2', '/3'].slice(0, at + 1));
      open[at]?.response.end(`[${path}]`);
      await expect.poll(() => seen).toContain(`[${path}]`);
    }
    socket.write(get('/4'));
    await expect.poll(() => paths().at(-1)).toBe('/4');
    socket.destroy();
  });

  it('wait while other connections continue', async () => {
    open.length = 0;
    const first = send(get('/slow') + get('/behind'));
    await expect.poll(paths).toEqual(['/slow']);
    const second = send(get('/other'));
    await expect.poll(paths).toEqual(['/slow', '/other']);
    first.destroy();
    second.destroy();
  });

  it('are not processed after an answer that closes the connection, nor after their client has disconnected', async () => {
    open.length = 0;
    const told = send(get('/last') + get('/behind'));
    await expect.poll(paths).toEqual(['/last']);
    const closed = new Promise((resolve) => told.once('close', resolve));
    told.resume();
    open[0]?.response.setHeader('connection', 'close').end();
    await closed;
    const gone = send(get('/gone') + get('/behind'));
    await expect.poll(paths).toEqual(['/last', '/gone']);
    const answered = new Promise((resolve) => open[1]?.response.once('close', resolve));
    gone.destroy();
    await answered;
    expect(paths()).toEqual(['/last', '/gone']);
  });

  it('close their connection if more of them wait than clients send ahead', async () => {
    open.length = 0;
    const before = cut;
    const socket = send(get('/flood').repeat(2_000));
    await new Promise((resolve) => socket.once('close', resolve));
    expect([paths(), cut - before]).toEqual([['/flood'], 1]);
  });
});

describe('64 KB of one request, sent ahead and not read', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { DOCS: 'on' } });
  });
  afterAll(() => service.close());

  it('are answered once, whatever they request, and other connections are served', async () => {
    const documents = ['/openapi.json', '/openapi.yaml', '/docs', '/docs/json', '/docs/static/swagger-ui-bundle.js'];
    const bodies = operationsOf().map((operation) => ({ ...goodRequest(operation), method: operation.method }));
    const asked = [...documents.map((path) => ({ method: 'GET', path })), ...bodies];
    let floods = 0;
    for (const key of [undefined, allKey]) {
      for (const { method, path } of asked) {
        const lines = [`${method} ${path} HTTP/1.1`, 'Host: a', ...(key ? [`Authorization: Bearer ${key}`] : [])];
        const request = `${lines.join('\r\n')}\r\n\r\n`;
        const accepted = once(service.app.server, 'connection');
        const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => {});
        const [theirs] = (await accepted) as [Socket];
        const closed = once(theirs, 'close');
        socket.write(request.repeat(Math.floor(65_536 / request.length)));
        await closed;
        socket.destroy();
        floods += 1;
        expect((await service.ask('GET', '/health/live', { key: null })).status, path).toBe(200);
      }
    }
    const metrics = (await service.ask('GET', '/metrics')).text;
    expect(metrics).toContain(`wati_bff_connections_refused_total{reason="pipelined"} ${floods}`);
    // One of each flood was handed on; the lines of the others were never made.
    const handedOn = service.logs().filter(({ msg, route }) => msg === 'request' && route !== '/health/live');
    expect(handedOn.length).toBeLessThanOrEqual(floods + 1);
  });

  it('take no more memory than one answer: the same bytes are sent to all', async () => {
    const { answers } = await say(service.url, get('/openapi.json').repeat(10), 10);
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const before = process.memoryUsage().arrayBuffers;
    const sockets = Array.from({ length: 50 }, () => connect(Number(new URL(service.url).port), '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => {}).write(get('/docs/static/swagger-ui-bundle.js'));
    await expect.poll(() => service.app.server.listening).toBe(true);
    expect((await service.ask('GET', '/health/live', { key: null })).status).toBe(200);
    // Fifty copies of it would be 84 MB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024);
    for (const socket of sockets) socket.destroy();
  });
});
