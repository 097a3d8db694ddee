import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { allKey, type Service, startService } from '../support/service.ts';
import { askFor, seededConnection } from './outcomes.ts';
import { fileSubject } from './sending.ts';

const png = '/v1/media?path=data/images/a.png';
const read = '/v1/native/api/v1/chatbots';
const change = '/v1/native/api/v1/chatbots/start';

describe('an answer that is cut off after its head', () => {
  let service: Service;
  let gateway: Server;
  const start = async (answer: RequestListener, settings: Record<string, string> = {}) => {
    gateway = createServer(answer);
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    const { port } = gateway.address() as AddressInfo;
    service = await startService({
      settings: {
        DOCS: 'off',
        MATON_CONNECTION_ID: seededConnection,
        MATON_GATEWAY_URL: `http://127.0.0.1:${port}`,
        NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
        ...settings,
      },
    });
  };
  afterEach(async () => {
    await service.close();
    gateway.closeAllConnections();
    gateway.close();
  });

  const cutAfter =
    (bytes: string, type: string): RequestListener =>
    (_request, response) => {
      response.writeHead(200, { 'content-type': type, 'content-length': '1000', 'content-encoding': 'gzip' });
      response.flushHeaders();
      if (bytes !== '') response.write(bytes);
      setTimeout(() => response.socket?.resetAndDestroy(), 50);
    };
  const lost = { type: problem('upstream-unavailable'), status: 503, retryable: true };

  it.each([
    ['a file', png, 'image/png', lost],
    ['a file of text', png, 'text/plain', lost],
    ['a native read', read, 'application/json', lost],
    ['a native change', change, 'application/json', { ...lost, retryable: false, outcome: 'unknown' }],
  ])('before its first byte is a problem: %s', async (_name, path, type, problem) => {
    await start(cutAfter('', type));
    const answer = await service.ask(path === change ? 'POST' : 'GET', path);
    expect(answer).toMatchObject({ status: 503, json: problem });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    for (const name of ['content-encoding', 'content-disposition']) expect(answer.headers[name]).toBeUndefined();
    if (path !== change) expect(answer.json).not.toHaveProperty('outcome');
  });

  it.each([
    ['a file', png],
    ['a native read', read],
  ])('in the middle breaks off: %s', async (_name, path) => {
    let cut = () => {};
    await start((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-length': '1000' });
      response.write('half'.repeat(200));
      cut = () => response.socket?.resetAndDestroy();
    });
    const answer = await fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${allKey}` } });
    const reader = answer.body?.getReader();
    expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    cut();
    await expect(reader?.read()).rejects.toThrow();
  });

  it.each([
    ['a file', 'GET', png, {}],
    ['a native read', 'GET', read, {}],
    ['a native change', 'POST', change, { outcome: 'unknown', retryable: false }],
  ])('by its silence is a 504 in the end: %s', async (_name, method, path, more) => {
    await start(
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'image/png' });
        response.flushHeaders();
      },
      { UPLOAD_TIMEOUT_MS: '300' },
    );
    const answer = await service.ask(method, path);
    expect(answer).toMatchObject({ status: 504, json: { type: problem('upstream-timeout'), ...more } });
  });

  it.each([
    [204, ''],
    [200, ''],
    [200, 'whole'],
  ])('comes through where it does not: %i %j', async (status, body) => {
    await start((_request, response) => {
      response.writeHead(status, { 'content-type': 'image/png' });
      response.end(body);
    });
    for (const path of [read, ...(status === 200 ? [png] : [])]) {
      const answer = await service.ask('GET', path);
      expect([answer.status, answer.text]).toEqual([status, body]);
    }
  });

  it('is classified by its status: a 429 was not sent, and has its Retry-After', async () => {
    await start((request, response) => {
      request.resume().once('end', () => {
        response.writeHead(429, { 'content-length': '1000', 'retry-after': '7' });
        response.write('{');
        setTimeout(() => response.socket?.resetAndDestroy(), 50);
      });
    });
    const answer = await askFor(service, fileSubject('14155551000'));
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '7' }, json: { outcome: 'not_sent' } });
  });

  it('is closed if it is a failure that does not end', async () => {
    const closed = Promise.withResolvers<void>();
    await start((_request, response) => {
      response.writeHead(500, { 'content-type': 'text/html' });
      response.write('<html>'.padEnd(200_000, 'x'));
      response.once('close', () => closed.resolve());
    });
    expect(await service.ask('GET', png)).toMatchObject({ status: 503, json: { upstream: { status: 500 } } });
    const late = new Promise((_, reject) => setTimeout(reject, 20_000, new Error('the connection is still open')));
    await Promise.race([closed.promise, late]);
  });
});
