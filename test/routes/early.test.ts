import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { allKey, type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

describe('a native answer that comes before the end of the body', () => {
  let service: Service;
  let gateway: Server;
  const start = async (answer: RequestListener) => {
    gateway = createServer(answer);
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    const { port } = gateway.address() as AddressInfo;
    const MATON_GATEWAY_URL = `http://127.0.0.1:${port}`;
    const NATIVE_PATHS = 'POST /api/v1/chatbots/start';
    service = await startService({
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, MATON_GATEWAY_URL, NATIVE_PATHS },
    });
  };
  afterEach(async () => {
    await service.close();
    gateway.closeAllConnections();
    gateway.close();
  });

  it.each<[string, RequestListener]>([
    [
      'is under way',
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).write('half'),
    ],
    ['is complete', (_request, response) => void response.end('whole')],
  ])('is the only one where it %s and the body goes on with what cannot be read', async (_name, answer) => {
    await start(answer);
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    let seen = '';
    const ended = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
    const begun = new Promise<void>((resolve) => {
      socket.on('data', (bytes) => {
        seen += bytes.toString();
        if (/half|whole/.test(seen)) resolve();
      });
    });
    const head = `POST /v1/native/api/v1/chatbots/start HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${allKey}`;
    socket.write(`${head}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    await begun;
    socket.write('no chunk\r\n\r\n');
    await ended;
    expect(seen.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  });
});
