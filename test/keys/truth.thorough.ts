import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededConnection } from '../routes/outcomes.ts';
import { sendingTo } from '../routes/sending.ts';
import { isRecord } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { encodings } from './encodings.ts';

const key = 'mtn_live-7Qz.4fK1~Xp9sT2vB8wR6yU3';
const forms = Object.entries(encodings);

describe('the outcome of a send, if the answer quotes the key', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection }, simulator: { key } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  const send = () => service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } });

  it.each(forms)('stays true: %s', async (_name, encode) => {
    const quote = encode(key);
    const rows: [number, string, number, object][] = [
      [200, `{"result":true,"message":{"whatsappMessageId":"wamid.1","text":"${quote}"}}`, 201, { status: 'accepted' }],
      [200, `{"result":true,"message":{"whatsappMessageId":"${quote}"}}`, 201, { status: 'accepted' }],
      [200, `{"result":false,"info":"${quote}"}`, 422, { outcome: 'rejected', type: problem('upstream-rejected') }],
      [200, `{"result":false,"ticketStatus":"EXPIRED","info":"${quote}"}`, 409, { outcome: 'rejected' }],
      [400, `{"message":"${quote}"}`, 422, { outcome: 'rejected' }],
      [404, quote, 422, { outcome: 'rejected', type: problem('recipient-invalid') }],
      [401, `{"message":"invalid key ${quote}"}`, 502, { outcome: 'rejected', type: problem('upstream-unauthorized') }],
      [500, `{"message":"${quote}"}`, 202, { status: 'unknown' }],
      [200, `<html>${quote}</html>`, 202, { status: 'unknown' }],
    ];
    for (const [status, body, wanted, said] of rows) {
      service.simulator.script('sendSessionMessage', { status, body, process: status === 200 });
      const answer = await send();
      expect(answer, `${status} ${body}`).toMatchObject({ status: wanted, json: said });
      const { headers } = answer;
      const kept = await service.ask('GET', String(headers.location));
      for (const text of [answer.text, kept.text]) {
        expect(text).not.toContain(quote);
        expect(text).not.toContain('wamid.1');
        if (wanted === 422) expect(text).toContain('is left out');
      }
    }
  });

  it('stays true for each receiver of a group', async () => {
    const receivers = `[{"waId":"14155551000","errors":["${key}"]}]`;
    service.simulator.script('sendTemplateMessagesV2', { body: `{"result":true,"receivers":${receivers}}` });
    const subject = sendingTo(() => '14155551000').find(({ name }) => name === 'template');
    const answer = await service.ask('POST', subject?.path ?? '', subject?.ask);
    expect(answer).toMatchObject({ status: 422, json: { outcome: 'rejected' } });
    expect(answer.text).not.toContain(key);
  });

  it('is a 502 for a read, whatever the status, and a refusal of credentials as before', async () => {
    for (const status of [200, 400, 404, 409, 422]) {
      service.simulator.script('getContacts', { status, body: `{"message":"invalid api key ${key}"}` });
      const answer = await service.ask('GET', '/v1/contacts');
      expect(answer.json).toMatchObject({
        type: problem('upstream-invalid'),
        status: 502,
        detail: 'the answer of the upstream held a credential of this service, and is withheld',
        upstream: { status },
      });
      expect(answer.json).not.toHaveProperty('upstream.detail');
    }
    service.simulator.script('getContacts', { status: 401, body: `invalid api key ${key}` });
    expect((await service.ask('GET', '/v1/contacts')).json).toMatchObject({ type: problem('upstream-unauthorized') });
  });
});

describe('a key in a streamed body', () => {
  let service: Service;
  let gateway: Server;
  let answer: RequestListener = () => {};
  beforeAll(async () => {
    gateway = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    const { port } = gateway.address() as AddressInfo;
    service = await startService({
      settings: {
        MATON_CONNECTION_ID: seededConnection,
        MATON_GATEWAY_URL: `http://127.0.0.1:${port}`,
        NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
      },
      simulator: { key },
    });
  });
  afterAll(async () => {
    await service.close();
    gateway.closeAllConnections();
    gateway.close();
  });

  const routes: [string, string][] = [
    ['GET', '/v1/media?path=data/a.png'],
    ['GET', '/v1/native/api/v1/chatbots'],
    ['POST', '/v1/native/api/v1/chatbots/start'],
  ];

  it.each(routes)('%s %s: at its beginning it is a 502', async (method, path) => {
    for (const [name, encode] of forms) {
      for (const type of ['image/png', 'text/plain', 'application/json']) {
        answer = (_request, response) => response.writeHead(200, { 'content-type': type }).end(`"${encode(key)}"`);
        const told = await service.ask(method, path);
        expect(told.json, name).toMatchObject({ type: problem('upstream-invalid'), status: 502 });
        if (method === 'POST') expect(told.json).toMatchObject({ outcome: 'unknown', retryable: false });
      }
    }
  });

  it.each(routes)(
    '%s %s: a refusal that quotes it, or is cut off, counts as one of the credentials',
    async (method, path) => {
      for (const status of [401, 403]) {
        for (const name of ['body', 'header', 'end']) {
          answer = (_request, response) => {
            response.writeHead(status, { 'content-type': 'text/plain', ...(name === 'header' && { 'x-key': key }) });
            if (name === 'end') response.write('Not available in your', () => response.destroy());
            else response.end(name === 'body' ? `${key} is not allowed` : 'Operators may not do this');
          };
          const told = await service.ask(method, path);
          expect(told.json, name).toMatchObject({ type: problem('upstream-unauthorized'), upstream: { status } });
          if (method === 'POST') expect(told.json).toMatchObject({ outcome: 'rejected' });
        }
      }
    },
  );

  it.each(routes)('%s %s: later on the answer is aborted before it', async (method, path) => {
    const head = 'x'.repeat(200_000);
    for (const quote of [
      key,
      key.toUpperCase(),
      Buffer.from(key).toString('base64'),
      encodings['escaped as JSON']?.(key),
    ]) {
      answer = (_request, response) => {
        response.writeHead(200, { 'content-type': 'image/png' });
        response.write(`${head}${quote?.slice(0, 24)}`);
        setTimeout(() => response.end(`${quote?.slice(24)}${head}`), 20);
      };
      const got = await readAll(service, method, path);
      expect(got.isWhole).toBe(false);
      expect(got.text.toLowerCase()).not.toContain(
        String(quote)
          .toLowerCase()
          .slice(0, String(quote).length / 2),
      );
    }
  });

  it('is found in compressed bodies', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-encoding': 'gzip' }).end(gzipSync(`a ${key}`));
    };
    expect((await service.ask('GET', '/v1/media?path=data/a.png')).status).toBe(502);
    const whole = gzipSync('The small print.');
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-encoding': 'gzip' }).end(whole);
    };
    expect((await readAll(service, 'GET', '/v1/media?path=data/a.png')).text).toBe('The small print.');
  });

  it('is not seen where there is none: every byte arrives', async () => {
    const bytes = Buffer.from(Array.from({ length: 700_001 }, (_, at) => (at * 7 + (at >> 5)) % 256));
    answer = (_request, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(bytes);
    for (const [method, path] of routes) {
      const got = await fetch(`${service.url}${path}`, {
        method,
        headers: { authorization: 'Bearer test-key-with-every-scope' },
      });
      expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytes)).toBe(0);
    }
  });

  it('passes valid headers on, and no other', async () => {
    answer = (_request, response) =>
      response
        .writeHead(200, { 'content-type': 'text/html\u00e9', 'content-disposition': 'x; y', 'retry-after': '7' })
        .end('x');
    const { status, headers } = await service.ask('GET', '/v1/native/api/v1/chatbots');
    expect([status, headers['content-disposition'], headers['retry-after']]).toEqual([200, undefined, '7']);
    expect(String(headers['content-type'])).not.toContain('html');
  });
});

async function readAll({ url }: Service, method: string, path: string) {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: 'Bearer test-key-with-every-scope' },
  });
  let text = '';
  try {
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString('latin1');
    return { text, isWhole: true };
  } catch (error) {
    expect(isRecord(error) || error instanceof Error).toBe(true);
    return { text, isWhole: false };
  }
}
