import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allKey, type Service, startService } from './helper.ts';

/*
 * What a caller, or a proxy in between, may do to the bounds of requests (delivery.md 1, Parser). Each trick is followed by
 * an honest request on the same connection. Either the trick has one answer and the honest one the next, or the trick is
 * refused and the connection ends: nobody gets an answer that is not his, and nothing hidden in a body is ever carried out.
 */
let service: Service;
beforeAll(async () => {
  service = await startService({ settings: { CONNECTIONS_MAX: '20' } });
});
afterAll(() => service.close());

const message = '{"to":"14155551000","text":"Hello"}';
const size = `Content-Length: ${message.length}`;
const chunked = 'Transfer-Encoding: chunked';
const inChunks = `${message.length.toString(16)}\r\n${message}\r\n0\r\n\r\n`;
const hidden = 'GET /health/live HTTP/1.1\r\nHost: a\r\nx-request-id: hidden\r\n\r\n';

const honest = 'GET /health/live HTTP/1.1\r\nHost: a\r\nx-request-id: honest\r\n\r\n';

const get = (...lines: string[]) => line('GET /health/live HTTP/1.1', 'Host: a', ...lines);
const line = (...lines: string[]) => `${[...lines, 'x-request-id: trick'].join('\r\n')}\r\n\r\n`;
const post = (lines: string[], body: string) =>
  line(
    'POST /v1/messages/text HTTP/1.1',
    'Host: a',
    `Authorization: Bearer ${allKey}`,
    'Content-Type: application/json',
    ...lines,
  ) + body;
const target = (text: string, host = 'a') => line(`GET ${text} HTTP/1.1`, `Host: ${host}`);

/** The first answer where the honest request gets its own; `refused`: one 400 and the end of the connection. */
const tricks: [name: string, bytes: string, outcome: number | 'refused'][] = [
  ['nothing odd', get(), 200],
  ['a message with its length', post([size], message), 201],
  ['a message in chunks', post([chunked], inChunks), 201],
  ['empty lines in front', `\r\n\r\n${get()}`, 200],
  ['a GET with a body', get(`Content-Length: ${hidden.length}`) + hidden, 200],
  ['a GET with a body in chunks', `${get(chunked)}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`, 200],
  ['a small chunk extension', post([chunked], `${message.length.toString(16)};a=b\r\n${message}\r\n0\r\n\r\n`), 201],
  ['a trailer', post([chunked], inChunks.replace(/\r\n$/, 'X-One: a\r\n\r\n')), 201],
  ['two spaces in the request line', get().replace('GET ', 'GET  '), 200],
  ['a chunk size in capitals', post([chunked], inChunks.toUpperCase().replace(message.toUpperCase(), message)), 201],
  ['leading zeros in a chunk size', post([chunked], `000${inChunks}`), 201],
  ['Connection: Content-Length', post([size, 'Connection: Content-Length'], message), 201],
  ['a header called __proto__', get('__proto__: x'), 200],
  ['X-HTTP-Method-Override', get('X-HTTP-Method-Override: DELETE'), 200],
  ['Proxy-Connection', get('Proxy-Connection: keep-alive'), 200],
  ['a target on this host', target('http://a/health/live'), 200],
  ['a target on this host, in capitals', target('HTTP://A/health/live'), 200],
  ['a Host with a port', target('/health/live', 'a:3000'), 200],
  ['an IPv6 Host', target('/health/live', '[::1]:3000'), 200],

  ['two Hosts', get('Host: b'), 'refused'],
  ['two equal Hosts', get('Host: a'), 'refused'],
  ['two Hosts, one in capitals', get('HOST: b'), 'refused'],
  ['a second Host behind a hundred headers', get(...lots(100), 'Host: b'), 'refused'],
  ['a second Host behind a thousand headers', get(...lots(1_100), 'Host: b'), 'refused'],
  ['a list of Hosts', target('/health/live', 'a, b'), 'refused'],
  ['a Host with a path', target('/health/live', 'a/b'), 'refused'],
  ['a Host with a user', target('/health/live', 'a@b'), 'refused'],
  ['no Host', line('GET /health/live HTTP/1.1'), 'refused'],
  ['a target on another host', target('http://b/health/live'), 'refused'],
  ['a target on another port', target('http://a:81/health/live'), 'refused'],
  ['a target with a user', target('http://a@b/health/live'), 'refused'],
  ['a target of another scheme', target('ftp://a/health/live'), 'refused'],
  ['a target without a slash', target('health/live'), 'refused'],
  ['the target *', line('OPTIONS * HTTP/1.1', 'Host: a'), 'refused'],
  ['an address of a route that cannot be decoded, with two Hosts', target('/%ff', 'a\r\nHost: b'), 'refused'],

  ['a length and chunks', post([size, chunked], inChunks), 'refused'],
  ['chunks and a length', post([chunked, size], inChunks), 'refused'],
  ['a length of 0 and chunks', post(['Content-Length: 0', chunked], `0\r\n\r\n${hidden}`), 'refused'],
  ['two lengths', post([size, 'Content-Length: 0'], message), 'refused'],
  ['two equal lengths', post([size, size], message), 'refused'],
  ['a list of lengths', post([`${size}, ${message.length}`], message), 'refused'],
  ['a length with a sign', post([`Content-Length: +${message.length}`], message), 'refused'],
  ['a negative length', post(['Content-Length: -1'], message), 'refused'],
  ['a hexadecimal length', post([`Content-Length: 0x${message.length.toString(16)}`], message), 'refused'],
  ['a length with a fraction', post([`${size}.0`], message), 'refused'],
  ['an empty length', post(['Content-Length:'], message), 'refused'],
  ['a length beyond 64 bits', post(['Content-Length: 18446744073709551617'], message), 'refused'],
  ['a space before the colon of the length', post([`Content-Length : ${message.length}`], message), 'refused'],
  ['a vertical tab in the length', post([`Content-Length: \v${message.length}`], message), 'refused'],

  ['Transfer-Encoding: xchunked', post(['Transfer-Encoding: xchunked'], inChunks), 'refused'],
  ['Transfer-Encoding: CHUNKED', post(['Transfer-Encoding: CHUNKED'], inChunks), 'refused'],
  ['Transfer-Encoding: identity', post(['Transfer-Encoding: identity'], message), 'refused'],
  ['Transfer-Encoding: identity, chunked', post(['Transfer-Encoding: identity, chunked'], inChunks), 'refused'],
  ['Transfer-Encoding: gzip, chunked', post(['Transfer-Encoding: gzip, chunked'], inChunks), 'refused'],
  ['Transfer-Encoding: chunked, identity', post(['Transfer-Encoding: chunked, identity'], inChunks), 'refused'],
  ['Transfer-Encoding: chunked, chunked', post(['Transfer-Encoding: chunked, chunked'], inChunks), 'refused'],
  ['chunked twice', post([chunked, chunked], inChunks), 'refused'],
  ['chunked and then identity', post([chunked, 'Transfer-Encoding: identity'], inChunks), 'refused'],
  ['identity and then chunked', post(['Transfer-Encoding: identity', chunked], inChunks), 'refused'],
  ['a quoted chunked', post(['Transfer-Encoding: "chunked"'], inChunks), 'refused'],
  ['chunked with a parameter', post(['Transfer-Encoding: chunked;q=1'], inChunks), 'refused'],
  ['a comma before chunked', post(['Transfer-Encoding: ,chunked'], inChunks), 'refused'],
  ['a vertical tab before chunked', post(['Transfer-Encoding: \vchunked'], inChunks), 'refused'],
  ['a space before the colon of chunked', post(['Transfer-Encoding : chunked'], inChunks), 'refused'],
  ['chunked on a line of its own', post(['Transfer-Encoding:', ' chunked'], inChunks), 'refused'],
  ['an empty Transfer-Encoding', post(['Transfer-Encoding:'], message), 'refused'],
  ['an empty Transfer-Encoding and a length', post(['Transfer-Encoding:', size], message), 'refused'],
  ['chunked in HTTP/1.0', post([chunked], inChunks).replace('HTTP/1.1', 'HTTP/1.0'), 'refused'],

  ['a chunk size with a sign', post([chunked], `+${inChunks}`), 'refused'],
  ['a chunk size with 0x', post([chunked], `0x${inChunks}`), 'refused'],
  ['a negative chunk size', post([chunked], `-${inChunks}`), 'refused'],
  ['a chunk size beyond 64 bits', post([chunked], `10000000000000000${inChunks}`), 'refused'],
  ['an empty chunk size', post([chunked], `\r\n${message}\r\n0\r\n\r\n`), 'refused'],
  ['a chunk that is longer than it says', post([chunked], `1\r\n${message}\r\n0\r\n\r\n`), 'refused'],
  ['a chunk that ends in LF', post([chunked], inChunks.replace(`${message}\r\n`, `${message}\n`)), 'refused'],
  ['a chunk size that ends in LF', post([chunked], inChunks.replace('\r\n', '\n')), 'refused'],
  ['a chunk size that ends in CR', post([chunked], inChunks.replace('\r\n', '\r')), 'refused'],
  ['a length in the trailers', post([chunked], inChunks.replace(/\r\n$/, 'Content-Length: 9\r\n\r\n')), 'refused'],
  ['a line break in a chunk extension', post([chunked], inChunks.replace('\r\n', ';a\nb\r\n')), 'refused'],

  ['Upgrade: websocket', get('Connection: Upgrade', 'Upgrade: websocket'), 'refused'],
  ['Upgrade: h2c', get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA'), 'refused'],
  ['Upgrade without Connection', get('Upgrade: h2c'), 'refused'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'refused'],
  ['HTTP/2.0 in the request line', get().replace('HTTP/1.1', 'HTTP/2.0'), 'refused'],
  ['HTTP/1.2', get().replace('HTTP/1.1', 'HTTP/1.2'), 'refused'],
  ['HTTP/1.10', get().replace('HTTP/1.1', 'HTTP/1.10'), 'refused'],
  ['http/1.1', get().replace('HTTP/1.1', 'http/1.1'), 'refused'],
  ['no version', 'GET /health/live\r\n\r\n', 'refused'],
  ['a method that nobody knows', get().replace('GET', 'GOT'), 'refused'],
  ['a method in small letters', get().replace('GET', 'get'), 'refused'],
  ['a tab in the request line', get().replace('GET ', 'GET\t'), 'refused'],

  ['a folded header', get('X-One: a', ' b'), 'refused'],
  ['a header without a colon', get('X-One'), 'refused'],
  ['a header without a name', get(': a'), 'refused'],
  ['a space in a name', get('X One: a'), 'refused'],
  ['a space before the first name', line('GET /health/live HTTP/1.1', ' Host: a'), 'refused'],
  ['a NUL in a value', get('X-One: a\0b'), 'refused'],
  ['a NUL in a name', get('X-\0ne: a'), 'refused'],
  ['a bare CR in a value', get('X-One: a\rHost: b'), 'refused'],
  ['a bare LF after a header', get('X-One: a\nX-Two: b'), 'refused'],
  ['bare LFs alone', get().replaceAll('\r\n', '\n'), 'refused'],
  ['more than a hundred headers', get(...lots(120)), 'refused'],
  ['more than 16 KB of headers', get(`X-One: ${'a'.repeat(20_000)}`), 'refused'],
];

function lots(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `a${n}:1`);
}

interface Answer {
  status: number;
  id: string | undefined;
  headers: string;
}

/** Whatever comes back until the connection ends, or as much as was asked for. */
function say(bytes: string, enough: number): Promise<{ answers: Answer[]; ended: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    let text = '';
    const finish = (ended: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answers: answersIn(text), ended });
    };
    const timer = setTimeout(finish, 10_000, false);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (answersIn(text).length >= enough) finish(false);
    });
    // A reset may follow the answer to what was not read.
    socket.on('error', () => {});
    socket.on('close', () => finish(true));
    socket.write(bytes, 'latin1');
  });
}

function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let rest = text; ; ) {
    const end = rest.indexOf('\r\n\r\n');
    const headers = rest.slice(0, end);
    const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? 0);
    if (end === -1 || rest.length < end + 4 + length) return answers;
    const id = /^x-request-id: (\S+)$/im.exec(headers)?.[1];
    answers.push({ status: Number(headers.split(' ')[1]), id, headers });
    rest = rest.slice(end + 4 + length);
  }
}

describe('the bounds of requests', () => {
  it.each(tricks)('hold against %s', async (_name, bytes, outcome) => {
    const before = service.simulator.ledger.sendsTo('14155551000').length;
    // A refused connection is read to its end, so that a second answer would be seen.
    const { answers, ended } = await say(bytes + honest, outcome === 'refused' ? 9 : 2);
    if (outcome === 'refused') {
      expect(answers.map(({ status }) => (status === 431 ? 400 : status))).toEqual([400]);
      expect(answers[0]?.id).not.toBe('honest');
      expect(ended).toBe(true);
    } else {
      expect(answers.map(({ status, id }) => ({ status, id }))).toEqual([
        { status: outcome, id: 'trick' },
        { status: 200, id: 'honest' },
      ]);
    }
    const sent = service.simulator.ledger.sendsTo('14155551000').length - before;
    expect(sent).toBe(outcome === 201 ? 1 : 0);
  });

  it('are tried in at least a hundred ways', () => expect(tricks.length).toBeGreaterThanOrEqual(100));

  it('end a CONNECT without a word', async () => {
    const { answers, ended } = await say(`CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${honest}`, 9);
    expect({ answers, ended }).toEqual({ answers: [], ended: true });
  });

  it('are no way around the key: an unknown path in absolute form is a 401 as well', async () => {
    const { answers } = await say(target('http://a/v1/nothing'), 1);
    expect(answers.map(({ status }) => status)).toEqual([401]);
  });
});

describe('every answer', () => {
  const guarded = [
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    "content-security-policy: default-src 'none'",
  ];
  it.each([
    ['a 200', get()],
    ['a 404', target('/nothing')],
    ['a 401', target('/v1/contacts')],
    ['what cannot be routed', target('/%ff')],
    ['what the guard refuses', get('Host: b')],
    ['what the parser refuses', post([size, size], message)],
  ])('tells browsers to keep and guess nothing: %s', async (_name, bytes) => {
    const { answers } = await say(bytes, 1);
    for (const header of guarded) expect(answers[0]?.headers.toLowerCase()).toContain(header);
  });

  it('opens nothing to pages of other origins', async () => {
    for (const bytes of [
      get('Origin: https://evil.example'),
      line(
        'OPTIONS /v1/contacts HTTP/1.1',
        'Host: a',
        'Origin: https://evil.example',
        'Access-Control-Request-Method: GET',
      ),
    ])
      expect((await say(bytes, 1)).answers[0]?.headers).not.toMatch(/access-control/i);
  });
});

it('takes no more connections than it is told, and new ones once others have gone', async () => {
  const { port } = new URL(service.url);
  const open = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      const answered = new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true));
        socket.once('close', () => resolve(false));
      });
      socket.write(honest);
      return { socket, served: await answered };
    }),
  );
  const served = open.filter((each) => each.served);
  expect(served.length).toBeGreaterThan(0);
  expect(served.length).toBeLessThanOrEqual(20);
  for (const { socket } of open) socket.destroy();
  await expect.poll(async () => (await say(honest, 1)).answers.length).toBe(1);
});

it('does not act on a request that comes in whole after its caller was told that it was too slow', async () => {
  const slow = await startService({ settings: { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' } });
  slow.app.server.headersTimeout = 200;
  const bytes = post([size], message);
  const socket = connect({ port: Number(new URL(slow.url).port), host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  let told = '';
  socket.on('data', (chunk) => {
    if (told === '') socket.write(bytes.slice(20));
    told += chunk;
  });
  socket.write(bytes.slice(0, 20));
  await expect.poll(() => told, { timeout: 5_000 }).toMatch(/^HTTP\/1\.1 400 /);
  await new Promise((resume) => setTimeout(resume, 500));
  expect(slow.simulator.ledger.entries).toEqual([]);
  expect(told.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  socket.destroy();
  await slow.close();
});
