import { connect, type Socket } from 'node:net';
import Fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { lingeringClose } from '../../plugins/lingering-close.ts';
import { started } from '../sandbox/helper.ts';
import { allKey, type Service, startService } from '../support/service.ts';

/*
 * A caller that sends all it has before it reads, as PHP, Ruby and Java do, and that is answered at its first line. Bytes
 * that are not read cause a reset when the connection is closed, and a reset discards the answer.
 */
let service: Service;
beforeAll(async () => {
  service = await startService({ settings: { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' } });
});
afterAll(() => service.close());

const megabytes = 4;
const chunk = Buffer.alloc(64 * 1024, 'x');

interface Wrong {
  line: string;
  headers: readonly string[];
  status: number;
}

const bearer = `Authorization: Bearer ${allKey}`;
const json = 'Content-Type: application/json';
const form = 'Content-Type: multipart/form-data; boundary=b';
const to = '14155551000';
const wrongs: Record<string, Wrong> = {
  'no key': { line: 'POST /v1/messages/text', headers: [json], status: 401 },
  'no key for an upload': { line: `POST /v1/messages/file?to=${to}`, headers: [form], status: 401 },
  'an unknown path': { line: 'POST /v1/nothing', headers: [bearer, json], status: 404 },
  'a method that is not taken': { line: 'PUT /v1/messages/text', headers: [bearer, json], status: 405 },
  'a body that is too large': { line: 'POST /v1/messages/text', headers: [bearer, json], status: 413 },
  'another type': { line: 'POST /v1/messages/text', headers: [bearer, 'Content-Type: text/csv'], status: 415 },
  'a coded body': { line: 'POST /v1/messages/text', headers: [bearer, json, 'Content-Encoding: gzip'], status: 415 },
  'a coded upload': {
    line: `POST /v1/messages/file?to=${to}`,
    headers: [bearer, form, 'Content-Encoding: br'],
    status: 415,
  },
  'an upload that is no form': { line: `POST /v1/messages/file?to=${to}`, headers: [bearer, json], status: 415 },
  'a form without its boundary': { line: `POST /v1/messages/file?to=${to}`, headers: [bearer, form], status: 400 },
  'no recipient': { line: 'POST /v1/messages/file', headers: [bearer, form], status: 400 },
  'two Hosts': { line: 'POST /v1/messages/text', headers: ['Host: b', bearer, json], status: 400 },
  'two lengths': { line: 'POST /v1/messages/text', headers: ['Content-Length: 7', bearer, json], status: 400 },
  'a path that cannot be decoded': { line: 'POST /v1/%ff', headers: [bearer, json], status: 400 },
};

/** Writes everything, and only then reads to the end of the connection, or of the answer. */
async function sendAllThenRead(socket: Socket, head: string, chunked: boolean): Promise<string> {
  const failure: { error?: Error } = {};
  socket.on('error', (error) => {
    failure.error = error;
  });
  const write = (bytes: string | Buffer) =>
    new Promise<void>((resolve) => {
      if (socket.destroyed || !socket.writable) return resolve();
      socket.write(bytes, () => resolve());
    });
  await write(head);
  for (let sent = 0; sent < megabytes * 1024 * 1024; sent += chunk.length) {
    if (chunked) await write(`${chunk.length.toString(16)}\r\n`);
    await write(chunk);
    if (chunked) await write('\r\n');
  }
  if (chunked) await write('0\r\n\r\n');
  let text = '';
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.on('data', (bytes) => {
      text = (text + bytes.toString('latin1')).replace('HTTP/1.1 100 Continue\r\n\r\n', '');
      const [head = '', body] = text.split('\r\n\r\n', 2);
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
      if (body !== undefined && body.length >= length) resolve();
    });
    if (socket.destroyed) resolve();
    socket.resume();
  });
  expect(failure.error).toBeUndefined();
  socket.destroy();
  return text;
}

const open = (url = service.url) =>
  connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true }).pause();

describe('an answer that comes before the body has', () => {
  const ways = [
    ['Connection: close', ['Connection: close'], false],
    ['Connection: keep-alive', [], false],
    ['chunks', ['Connection: close'], true],
    ['Expect: 100-continue, and does not wait', ['Expect: 100-continue'], false],
    ['Upgrade', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA'], false],
  ] as const;
  it.each(Object.entries(wrongs))('reaches a client that sends all of it first, with %s', async (_name, wrong) => {
    await Promise.all(
      ways.map(async ([way, more, chunked]) => {
        const size = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${megabytes * 1024 * 1024}`;
        const head = [`${wrong.line} HTTP/1.1`, 'Host: a', ...wrong.headers, size, ...more].join('\r\n');
        const text = await sendAllThenRead(open(), `${head}\r\n\r\n`, chunked);
        // By whichever fault was seen first.
        expect([`HTTP/1.1 ${wrong.status}`, 'HTTP/1.1 413'], way).toContain(text.slice(0, 12));
        expect(text, way).toContain('application/problem+json');
        expect(text.match(/HTTP\/1\.1 /g), way).toHaveLength(1);
        expect(text, way).toMatch(/^connection: close\r$/im);
      }),
    );
  });

  it('reaches such a client in the sandbox as well, and after its reset', async () => {
    const { sandbox, reset } = await started();
    const head = ['POST /v1/messages/text HTTP/1.1', 'Host: a', json, `Content-Length: ${megabytes * 1024 * 1024}`];
    const ways = ['Connection: close', 'Connection: keep-alive', 'Content-Length: 7', 'Connection: close'];
    for (const way of ways) {
      const text = await sendAllThenRead(open(sandbox.url), `${[...head, way].join('\r\n')}\r\n\r\n`, false);
      expect(text, way).toMatch(/^HTTP\/1\.1 40[01] [\s\S]*application\/problem\+json/);
      await reset();
    }
  });

  it('keeps the connection open for the next request if the body is short', async () => {
    const socket = open();
    let text = '';
    socket.resume().on('data', (bytes) => {
      text += bytes;
    });
    const head = ['POST /v1/messages/text HTTP/1.1', 'Host: a', json, 'Content-Length: 9'].join('\r\n');
    for (const count of [1, 2, 3]) {
      socket.write(`${head}\r\n\r\n{"to":""}`);
      await vi.waitFor(() => expect(text.match(/HTTP\/1\.1 401 /g)).toHaveLength(count), 5_000);
    }
    socket.destroy();
  });

  it('closes the connection if its client waited for 100 Continue', async () => {
    const socket = open();
    const head = ['POST /v1/messages/text HTTP/1.1', 'Host: a', json, 'Content-Length: 9', 'Expect: 100-continue'];
    const answer = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())));
    socket.resume().write(`${head.join('\r\n')}\r\n\r\n`);
    expect(await answer).toMatch(/^HTTP\/1\.1 401 [\s\S]*^connection: close\r$/im);
    const ended = new Promise((resolve) => socket.once('end', resolve));
    await ended;
    socket.destroy();
  });
});

describe('the rest of a body is read after its early answer', () => {
  const unbounded = { silentMs: 60_000, timeoutMs: 60_000, bytesMax: Number.POSITIVE_INFINITY, checkEveryMs: 5 };
  it.each([
    ['until it has said nothing for a while', { silentMs: 20 }, 0],
    ['for so long, however slowly it sends', { timeoutMs: 40 }, 1],
    ['for so many bytes, however fast it sends', { bytesMax: 512 * 1024 }, 64 * 1024],
  ])('%s', async (_name, limit, bytes) => {
    const app = Fastify();
    await app.register(lingeringClose, { ...unbounded, ...limit });
    app.post('/', { onRequest: async (_request, reply) => reply.code(401).send('no') }, () => '');
    const closed = new Promise((resolve) => {
      app.server.on('connection', (other) => other.once('close', resolve));
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = new URL(app.listeningOrigin);
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    socket
      .on('error', () => {})
      .on('data', (data) => {
        text += data;
      });
    const go = () => {
      if (bytes > 0 && socket.writable) socket.write(Buffer.alloc(bytes), () => setTimeout(go, 1));
    };
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 999999999\r\n\r\n', go);
    await closed;
    socket.destroy();
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
    await app.close();
  });
});
