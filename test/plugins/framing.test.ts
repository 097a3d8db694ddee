import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { say } from '../support/raw-http.ts';
import { behindUpgrade, framingTricks, honestRequest, wording } from '../support/request-smuggling-cases.ts';
import { allKey, type Service, startService } from '../support/service.ts';

/*
 * Each trick is followed by an honest request on the same connection. Either the trick has one answer and the honest one the
 * next, or the trick is refused and the connection ends: no client gets an answer that belongs to another, and nothing hidden in a
 * body is ever carried out. `.ci/framing` tries the same through proxies.
 */
let service: Service;
beforeAll(async () => {
  service = await startService({ settings: { CONNECTIONS_MAX: '20' } });
});
afterAll(() => service.close());

const marks = { key: allKey, to: '14155551000', id: 'trick' };
const tricks = [...framingTricks(marks), ...behindUpgrade(marks)];
const honest = honestRequest('honest');
const { message, line, get, post, target } = wording(marks);
const size = `Content-Length: ${message.length}`;

describe('the limits of requests', () => {
  it.each(tricks)('hold against %s', async (_name, bytes, outcome) => {
    const before = service.simulator.ledger.sendsTo('14155551000').length;
    // A refused connection is read to its end, so that a second answer would be seen.
    const closes = typeof outcome === 'string';
    const status = outcome === 'refused' ? 400 : Number.parseInt(String(outcome), 10);
    const { answers, ended } = await say(service.url, bytes + honest, closes ? 9 : 2);
    if (closes) {
      expect(answers.map(({ status }) => (status === 431 ? 400 : status))).toEqual([status]);
      expect(answers[0]?.id).not.toBe('honest');
      expect(ended).toBe(true);
    } else {
      expect(answers.map(({ status, id }) => ({ status, id }))).toEqual([
        { status, id: 'trick' },
        { status: 200, id: 'honest' },
      ]);
    }
    const sent = service.simulator.ledger.sendsTo('14155551000').length - before;
    expect(sent).toBe(status === 201 ? 1 : 0);
  });

  it('are tried in at least 140 ways', () => expect(tricks.length).toBeGreaterThanOrEqual(140));

  it('close a CONNECT unanswered', async () => {
    const { answers, ended } = await say(service.url, `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${honest}`, 9);
    expect({ answers, ended }).toEqual({ answers: [], ended: true });
  });

  it('do not bypass the key: an unknown path in absolute form is a 401 as well', async () => {
    const { answers } = await say(service.url, target('http://a/v1/nothing'), 1);
    expect(answers.map(({ status }) => status)).toEqual([401]);
  });
});

describe('what cannot be read', () => {
  const stray = 'stray bytes\0\r\n\r\n';
  it.each([
    ['at once', () => {}],
    ['while it is on its way', () => service.simulator.script('sendSessionMessage', { delayMs: 300 })],
  ])('behind a whole message leaves that its answer, and ends the connection: %s', async (_name, arrange) => {
    arrange();
    const before = service.simulator.ledger.sendsTo('14155551000').length;
    const { answers, ended } = await say(service.url, post([size], message) + stray + honest, 9);
    expect(answers.map(({ status, id }) => ({ status, id }))).toEqual([{ status: 201, id: 'trick' }]);
    expect(answers[0]?.headers).toMatch(/^connection: close$/im);
    expect(ended).toBe(true);
    expect(service.simulator.ledger.sendsTo('14155551000').length - before).toBe(1);
  });
});

describe('a client with Expect', () => {
  it.each(['a-cookie', 'x-100-continue', '100-continue, a-cookie'])('%s hears of it as of any fault', async (what) => {
    const bytes = post([size, `Expect: ${what}`], message) + honest;
    const before = service.simulator.ledger.sendsTo('14155551000').length;
    const { answers, ended } = await say(service.url, bytes, 9);
    expect(answers.map(({ status, id }) => ({ status, id }))).toEqual([{ status: 400, id: 'trick' }]);
    expect(answers[0]?.headers).toMatch(/^content-type: application\/problem\+json/im);
    expect(ended).toBe(true);
    expect(service.simulator.ledger.sendsTo('14155551000').length - before).toBe(0);
  });

  it('gets 100 Continue, and HTTP/1.0 does not', async () => {
    const { answers } = await say(service.url, post([size, 'Expect: 100-Continue'], message), 2);
    expect(answers.map(({ status }) => status)).toEqual([100, 201]);
    const old = get('Expect: a-cookie').replace('HTTP/1.1', 'HTTP/1.0');
    expect((await say(service.url, old, 1)).answers.map(({ status }) => status)).toEqual([200]);
    const asking = post([size, 'Expect: 100-continue'], message).replace('HTTP/1.1', 'HTTP/1.0');
    expect((await say(service.url, asking, 2)).answers.map(({ status }) => status)).toEqual([201]);
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
    const { answers } = await say(service.url, bytes, 1);
    for (const header of guarded) expect(answers[0]?.headers.toLowerCase()).toContain(header);
  });

  it('allows nothing to pages of other origins', async () => {
    for (const bytes of [
      get('Origin: https://evil.example'),
      line(
        'OPTIONS /v1/contacts HTTP/1.1',
        'Host: a',
        'Origin: https://evil.example',
        'Access-Control-Request-Method: GET',
      ),
    ])
      expect((await say(service.url, bytes, 1)).answers[0]?.headers).not.toMatch(/access-control/i);
  });
});

it('accepts at most the configured number of connections, and new ones once others have closed', async () => {
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
  await expect.poll(async () => (await say(service.url, honest, 1)).answers.length).toBe(1);
});

it('does not process a request that arrives completely after its client was told that it was too slow', async () => {
  const slow = await startService({ settings: { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' } });
  slow.app.server.headersTimeout = 200;
  const closed = new Promise<void>((resolve) =>
    slow.app.server.once('connection', (accepted) => accepted.once('close', () => resolve())),
  );
  const bytes = post([size], message);
  const socket = connect({ port: Number(new URL(slow.url).port), host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  let told = '';
  socket.on('data', (chunk) => {
    if (told === '') socket.end(bytes.slice(20));
    told += chunk;
  });
  socket.write(bytes.slice(0, 20));
  await expect.poll(() => told).toMatch(/^HTTP\/1\.1 400 /);
  // Whatever of it was processed would reach the simulator before a message that comes after its connection has ended.
  await closed;
  const later = await slow.ask('POST', '/v1/messages/text', { json: { to: '14155551002', text: 'later' } });
  expect(later.status).toBe(201);
  expect(slow.simulator.ledger.entries.filter(({ recipients }) => recipients.length > 0)).toMatchObject([
    { recipients: ['14155551002'] },
  ]);
  expect(told.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  socket.destroy();
  await slow.close();
});

describe('a request to upgrade the protocol', () => {
  const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA';
  const ask = (tail: string) => say(service.url, `GET /v1/templates HTTP/1.1\r\nHost: a\r\n${tail}`, 9);

  it('does not split a request that follows it: its body is never read as a request', async () => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    socket.on('error', () => {});
    let text = '';
    const ended = new Promise((resolve) => socket.once('close', resolve));
    // The other half comes as soon as the first answer does, when the parser would take it for a beginning.
    socket.on('data', (bytes) => {
      text += bytes;
      if (socket.writable) socket.write(honestRequest('smuggled'));
    });
    socket.write(`${get(...upgrade.split('\r\n'))}POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n`);
    await ended;
    expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 200']);
    expect(text).not.toContain('smuggled');
    expect(text).toMatch(/^connection: close\r$/im);
  });

  it('changes nothing else about an answer, and is never answered 101', async () => {
    for (const tail of [`${upgrade}\r\n\r\n`, `Authorization: Bearer ${allKey}\r\n${upgrade}\r\n\r\n`]) {
      const { answers, ended } = await ask(tail);
      expect(answers.map(({ status }) => status)).toEqual([tail.startsWith('Auth') ? 200 : 401]);
      expect(ended).toBe(true);
    }
  });
});
