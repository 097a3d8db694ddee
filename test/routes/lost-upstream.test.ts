import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { goodRequest, type Operation, operationsOf } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';
import { formHeaders, formOf } from './sending.ts';

/** What a program says of itself and no caller has a use for. */
const internals =
  /UND_ERR|HPE_|ERR_|Parser|SocketError|TypeError|\(Error\)|\bE(CONN|PIPE|NOTFOUND|AI_|TIMEDOUT|HOST|NET|PROTO)/;

const faults: [name: string, meet: ((socket: Socket) => void) | undefined, words: string][] = [
  ['refuses connections', undefined, 'could not be reached: it takes no connections'],
  ['ends without an answer', (socket) => socket.end(), 'ended the connection before its answer was complete'],
  ['resets', (socket) => socket.resetAndDestroy(), 'ended the connection before its answer was complete'],
  ['answers garbage', (socket) => socket.end('\u0001\u0002 hello\r\n\r\n'), 'answered something that is not HTTP'],
  [
    'breaks its answer off',
    (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"result":'),
    'ended the connection before its answer was complete',
  ],
];

const reads = [
  'listContacts',
  'getContact',
  'listConversationMessages',
  'listTemplates',
  'getTemplate',
  'getMedia',
  'listConnections',
  'getConnection',
];

describe.concurrent('an upstream that', () => {
  it.each(faults)(
    '%s is reported in plain words on every route, and by its code in the log',
    async (_name, meet, words) => {
      const { service, close } = await start(meet);
      const calling = operationsOf().filter(({ connection, path }) => connection || path.startsWith('/v1/connections'));
      expect(calling.length).toBeGreaterThan(20);
      const told = await Promise.all(
        calling.map(async (operation, at) => ({ operation, answer: await ask(service, operation, at) })),
      );
      for (const { operation, answer } of told) {
        expect(answer?.text ?? '', operation.id).not.toMatch(internals);
        if (!reads.includes(operation.id)) continue;
        const side = operation.path.startsWith('/v1/connections') ? "Maton's API for connections" : 'the gateway';
        expect(answer?.json, operation.id).toMatchObject({
          type: problem('upstream-unavailable'),
          status: 503,
          detail: `${side} ${words}`,
        });
      }
      const codes = service
        .logs()
        .map(({ error }) => JSON.stringify(error ?? '').match(/UND_ERR|HTTPParser|HPE_|ECONN/)?.[0]);
      expect(codes.filter(Boolean).length).toBeGreaterThan(reads.length);
      await close();
    },
  );
});

async function start(meet: ((socket: Socket) => void) | undefined) {
  const server = meet && createServer((socket) => socket.on('error', () => {}).once('data', () => meet(socket)));
  await new Promise<void>((resolve) => (server ? server.listen(0, '127.0.0.1', resolve) : resolve()));
  const address = `http://127.0.0.1:${server ? (server.address() as AddressInfo).port : 9}`;
  const service = await startService({
    settings: {
      MATON_CONNECTION_ID: seededConnection,
      MATON_GATEWAY_URL: address,
      MATON_CONTROL_URL: address,
      NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
    },
  });
  const close = async () => {
    await service.close();
    server?.close();
  };
  return { service, close };
}

/** Undefined where an answer that had begun broke off, which a native call passes on. */
async function ask(service: Service, operation: Operation, at: number) {
  const { id, method, form } = operation;
  const { path, query, headers, body } = goodRequest(operation);
  const isNative = path.startsWith('/v1/native/');
  const native = `/v1/native/api/v1/chatbots${method === 'POST' ? '/start' : ''}`;
  const answer = service.ask(method, `${isNative ? native : path}${query.length > 0 ? `?${query.join('&')}` : ''}`, {
    headers: { ...headers, ...(form && formHeaders), 'idempotency-key': `${id}-${at}` },
    ...(body !== undefined && { json: body }),
    ...(form && { body: formOf('Phone\r\n14155551000\r\n', 'text/csv', 'a.csv') }),
  });
  return isNative ? answer.catch(() => undefined) : answer;
}
