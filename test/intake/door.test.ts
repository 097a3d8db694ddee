import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fixedTokens } from '../../src/intake/tokens.ts';
import { say } from '../support/raw-http.ts';
import { behindUpgrade, framingTricks, honestTo } from '../support/request-smuggling-cases.ts';
import { connectionId, delivered, entryOf, held, memorySink, startDoor, token } from './door.ts';

type Door = Awaited<ReturnType<typeof startDoor>>;
const doors: Door[] = [];
const opened = async (...options: Parameters<typeof startDoor>) => {
  const door = await startDoor(...options);
  doors.push(door);
  return door;
};
afterEach(async () => {
  for (const door of doors.splice(0)) {
    await door.intake.close();
    // Nothing of an address is ever written down, whatever the level of the log is.
    expect(door.log()).not.toMatch(/wati\/|tQ0bWJ3n|A text that nobody/);
  }
});

const right = `/wati/${token}`;
const told = ({ status, text }: { status: number; text: string }) => ({ status, said: JSON.parse(text) });

describe('a webhook with the right token', () => {
  it('is answered 200 once it is recorded, by path or by query, and repeats as duplicates', async () => {
    const { post, ask, memory, counts } = await opened({ now: () => 1_700_000_000_000 });
    const commit = held();
    memory.state.hold = commit.promise;
    const answer = post(delivered('1'));
    await expect.poll(memory.asked).toBe(1);
    expect(memory.rows.size).toBe(0);
    commit.letGo();
    expect(told(await answer)).toEqual({ status: 200, said: { received: 1 } });
    const byQuery = { method: 'POST', path: `/wati?a=b&token=${token}`, body: JSON.stringify(delivered('1')) };
    expect(told(await ask(byQuery))).toEqual({ status: 200, said: { received: 0, duplicates: 1 } });
    const [row] = memory.rows.values();
    expect(row).toEqual({
      key: expect.stringMatching(/^[0-9a-f]{64}$/),
      connectionId,
      receivedAtMs: 1_700_000_000_000,
      body: JSON.stringify(delivered('1')),
    });
    expect(counts).toEqual({ 'sentmessagedelivered new': 1, 'sentmessagedelivered duplicate': 1 });
  });

  const two = [delivered('1'), delivered('2')];
  it.each<[string, unknown, object]>([
    ['an array', two, { received: 2 }],
    ['messages', { messages: two }, { received: 2 }],
    ['data that is a list', { data: two }, { received: 2 }],
    ['data that is one event', { data: delivered('1') }, { received: 1 }],
    ['wrappers in an array', [{ data: delivered('1') }, { messages: two }], { received: 2, duplicates: 1 }],
    ['arrays in an array', [two], { received: 2 }],
    ['an event with data of its own', { eventType: 'message', data: 'data/images/a.jpg' }, { received: 1 }],
    ['an event with messages of its own', { eventType: 'message', messages: two }, { received: 1 }],
    ['a name that nobody knows', { eventType: 'threadUpdate' }, { received: 1 }],
    ['no name at all', { statuses: [{ id: '1' }] }, { received: 1 }],
    ['the same event twice', [delivered('1'), delivered('1')], { received: 1, duplicates: 1 }],
    ['what is no event among others', [1, null, 'x', delivered('1')], { received: 1, ignored: 3 }],
    ['an array of none', [], { received: 0 }],
    ['a number', 7, { received: 0, ignored: 1 }],
    ['null', null, { received: 0, ignored: 1 }],
    [
      'a thousand and two events',
      Array.from({ length: 1_002 }, (_, n) => delivered(`${n}`)),
      { received: 1_000, ignored: 2 },
    ],
  ])('may hold %s', async (_name, body, said) => {
    const { post, memory } = await opened();
    expect(told(await post(body))).toEqual({ status: 200, said });
    expect(memory.rows.size).toBe('received' in said ? said.received : 0);
    expect(memory.asked()).toBe(memory.rows.size > 0 ? 1 : 0);
  });

  it.each(['eventType', 'EVENTTYPE', 'event_type', 'Event_Type'])('is known by its name in %s', async (field) => {
    const { post, counts } = await opened();
    await post({ [field]: 'message', data: delivered('1') });
    expect(counts).toEqual({ 'message new': 1 });
  });

  const fields = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`field${n}`, n]));
  const wide = { ...delivered('1'), ...fields };
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  it.each<[string, string | Buffer, Record<string, string>, object]>([
    ['behind a byte order mark', `\uFEFF ${JSON.stringify(delivered('1'))}\r\n`, {}, { received: 1 }],
    ['of another type', JSON.stringify(delivered('1')), { 'content-type': 'text/plain' }, { received: 1 }],
    ['of a type that is none', JSON.stringify(delivered('1')), { 'content-type': 'json; ;' }, { received: 1 }],
    ['without anything', '', {}, { received: 0, ignored: 1 }],
    ['that breaks off', '{"eventType":"mess', {}, { received: 0, ignored: 1 }],
    ['of bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x7b]), {}, { received: 0, ignored: 1 }],
    [
      'that is packed',
      Buffer.from([0x1f, 0x8b, 0x08, 0x00]),
      { 'content-encoding': 'gzip' },
      { received: 0, ignored: 1 },
    ],
    ['that is a form', 'eventType=message', {}, { received: 0, ignored: 1 }],
    ['nested a hundred thousand times', deep, {}, { received: 0, ignored: 1 }],
    ['with a member nested as deeply', `[{"eventType":"message","text":${deep}}]`, {}, { received: 0, ignored: 1 }],
    ['with twenty thousand fields', JSON.stringify(wide), {}, { received: 0, ignored: 1 }],
    ['with a member as wide', JSON.stringify([wide, delivered('1')]), {}, { received: 1, ignored: 1 }],
    ['with as wide an event in it', JSON.stringify({ data: wide }), {}, { received: 0, ignored: 1 }],
    ['with names of JavaScript', '{"__proto__":{"eventType":"message"},"constructor":1}', {}, { received: 1 }],
  ])('is a 200 with a body %s: a repeat would not mend it', async (_name, body, headers, said) => {
    const { ask } = await opened();
    expect(told(await ask({ method: 'POST', path: right, body, headers }))).toEqual({ status: 200, said });
  });

  it('is counted and logged without its content if it cannot be parsed, one line for many', async () => {
    let now = 1_000;
    const { ask, counts, log } = await opened({ now: () => now });
    const broken = { method: 'POST', path: right, body: 'A text that nobody else reads' };
    for (let n = 0; n < 5; n += 1) await ask(broken);
    now = 12_000;
    await ask(broken);
    expect(counts).toEqual({ 'other unparsed': 6 });
    const lines = log()
      .split('\n')
      .filter((line) => line.includes('a webhook was not read'));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'warn', token: 'acme', connection: connectionId, why: 'no-json' },
      { left: 4 },
    ]);
  });

  it('may be too long: it gets a 200 at once, and no row is recorded', async () => {
    const { ask, url, memory, counts } = await opened({ config: { INTAKE_MAX_BYTES: 2_000 } });
    const long = JSON.stringify({ ...delivered('1'), text: 'x'.repeat(3_000) });
    expect(told(await ask({ method: 'POST', path: right, body: long }))).toEqual({
      status: 200,
      said: { received: 0, ignored: 1 },
    });
    for (const length of ['Content-Length: 9000000', 'Transfer-Encoding: chunked\r\n\r\nBB8']) {
      const start = `POST ${right} HTTP/1.1\r\nHost: a\r\n${length}\r\n\r\n`.replace('BB8\r\n\r\n', `BB8\r\n${long}`);
      const { answers } = await say(url, start, 1);
      expect(answers.map(({ status, headers }) => [status, /^connection: close$/im.test(headers)])).toEqual([
        [200, true],
      ]);
    }
    expect(memory.rows.size).toBe(0);
    expect(counts).toEqual({ 'other unparsed': 3 });
    expect(told(await ask({ method: 'POST', path: right, body: JSON.stringify(delivered('1')) })).status).toBe(200);
  });

  it('that is sent too slowly is a 400, and one that is cut off leaves no row', async () => {
    const { url, memory, intake } = await opened({ server: { bodyTimeoutMs: 30 } });
    const begun = `POST ${right} HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n{"eventType":`;
    const { answers, ended } = await say(url, begun, 9);
    expect({ statuses: answers.map(({ status }) => status), ended }).toEqual({ statuses: [400], ended: true });
    await say(url, `${begun}\0\0`, 9);
    await expect.poll(() => intake.bodies.used).toBe(0);
    expect(memory.asked()).toBe(0);
  });

  it('gets 100 Continue if it asks for it, and only with the right token', async () => {
    const { url } = await opened();
    const body = JSON.stringify(delivered('1'));
    const asking = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`;
    expect((await say(url, asking(right) + body, 2)).answers.map(({ status }) => status)).toEqual([100, 200]);
    expect((await say(url, asking('/wati/x'), 9)).answers.map(({ status }) => status)).toEqual([404]);
  });
});

describe('a request without a valid token', () => {
  const wrong: [method: string, path: string][] = [
    ['POST', '/wati/wrong'],
    ['POST', `/wati/${token}x`],
    ['POST', `/wati/${token}/`],
    ['POST', `/wati/${token.toLowerCase()}`],
    ['POST', `/wati/${token}/more`],
    ['POST', `/wati/${'x'.repeat(10_000)}`],
    ['POST', '/wati'],
    ['POST', '/wati/'],
    ['POST', '/wati?token='],
    ['POST', `/wati?token=${token}x`],
    ['POST', `/wati?Token=${token}`],
    ['POST', `/WATI/${token}`],
    ['POST', `/other/${token}`],
    ['POST', `/wati%2f${token}`],
    ['POST', '/'],
    ['GET', '/'],
    ['GET', '/wati/wrong'],
    ['GET', '/%ff'],
    ['GET', '/health/live'],
    ['GET', '/health/ready'],
    ['GET', '/metrics'],
    ['GET', '/docs'],
    ['GET', '/openapi.json'],
    ['GET', '/v1/messages'],
    ['GET', '/favicon.ico'],
    ['OPTIONS', '/v1/messages'],
  ];
  const right404: [method: string, path: string][] = [
    'HEAD',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'TRACE',
    'PROPFIND',
  ].map((method) => [method, right]);

  it('gets an empty 404 for each path and method, which reveals nothing', async () => {
    const { ask, badTokens, memory, url } = await opened({ server: { wrongPerSecond: 1_000 } });
    const answers = new Set<string>();
    for (const [method, path] of [...wrong, ...right404]) {
      const { status, text, headers } = await ask({
        method,
        path,
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      });
      expect({ status, text, of: `${method} ${path}` }).toEqual({ status: 404, text: '', of: `${method} ${path}` });
      // A HEAD has no body with a length.
      const { date: _, ...rest } = headers;
      if (method !== 'HEAD') answers.add(JSON.stringify(rest));
    }
    // One answer, whatever was asked for: no CORS, no Server, no hint of a method.
    expect([...answers].map((text) => Object.keys(JSON.parse(text)))).toEqual([
      [
        'cache-control',
        'content-security-policy',
        'cross-origin-resource-policy',
        'x-content-type-options',
        'content-length',
        'connection',
        'keep-alive',
      ],
    ]);
    expect(badTokens()).toBe(wrong.length);
    expect(memory.asked()).toBe(0);
    const { answers: raw } = await say(url, `POST /wati/x HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n{`, 1);
    expect(raw.map(({ status }) => status)).toEqual([404]);
  });

  it('is answered twenty times a second, and then closed unanswered, while the right token is served', async () => {
    let now = 0;
    const { url, post, badTokens } = await opened({ server: { clock: () => now } });
    const asked = (path: string) => say(url, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, 1);
    const flood = await Promise.all(Array.from({ length: 50 }, () => asked('/wati/wrong')));
    expect(flood.filter(({ answers }) => answers.length === 1)).toHaveLength(20);
    expect(flood.filter(({ answers, ended }) => answers.length === 0 && ended)).toHaveLength(30);
    expect((await post(delivered('1'))).status).toBe(200);
    expect((await asked(right)).answers).toHaveLength(1);
    expect(badTokens()).toBe(50);
    now = 1_000;
    expect((await asked('/')).answers.map(({ status }) => status)).toEqual([404]);
  });

  it('may open the address in a browser once it has one', async () => {
    const { ask } = await opened();
    expect(await ask({ method: 'GET', path: right })).toMatchObject({ status: 200, text: 'ok' });
    expect(await ask({ method: 'GET', path: `/wati?token=${token}` })).toMatchObject({ status: 200, text: 'ok' });
  });
});

describe('a store that fails', () => {
  const away = new Error('password of the database');

  it('is retried while the webhook waits, which is recorded as soon as the store works', async () => {
    const memory = memorySink();
    memory.state.failure = away;
    const { post, log } = await opened({ sink: memory.sink });
    const answers = Promise.all(['1', '2', '3'].map((id) => post(delivered(id))));
    await expect.poll(memory.asked).toBeGreaterThan(9);
    memory.state.failure = undefined;
    for (const answer of await answers) expect(told(answer)).toEqual({ status: 200, said: { received: 1 } });
    expect(log().match(/webhooks cannot be recorded/g)).toHaveLength(1);
    expect(log()).not.toContain(away.message);
  });

  it.each(['fails', 'hangs'])('is a 503 when the wait is over, which asks WATI to come again: it %s', async (how) => {
    const hold = held();
    const { post, memory, counts } = await opened({ config: { INTAKE_WAIT_MS: 40 } });
    if (how === 'fails') memory.state.failure = away;
    else memory.state.hold = hold.promise;
    const answer = await post(delivered('1'));
    expect({ status: answer.status, text: answer.text, after: answer.headers['retry-after'] }).toEqual({
      status: 503,
      text: '',
      after: '600',
    });
    expect(counts).toEqual({ 'sentmessagedelivered refused': 1 });
    memory.state.failure = undefined;
    hold.letGo();
    // Recorded after all, its repeat is a duplicate.
    const said = how === 'fails' ? { received: 1 } : { received: 0, duplicates: 1 };
    expect(told(await post(delivered('1')))).toEqual({ status: 200, said });
  });

  it('lets a limited number of webhooks wait: the next is refused before its body is read', async () => {
    const hold = held();
    const { post, memory, counts } = await opened({ config: { INTAKE_IN_FLIGHT_MAX: 2 } });
    memory.state.hold = hold.promise;
    const inside = ['1', '2'].map((id) => post(delivered(id)));
    await expect.poll(memory.asked).toBe(2);
    expect((await post(delivered('3'))).status).toBe(503);
    expect(counts).toEqual({ 'other refused': 1 });
    hold.letGo();
    for (const answer of await Promise.all(inside)) expect(answer.status).toBe(200);
    expect((await post(delivered('3'))).status).toBe(200);
  });

  it('uses no more memory than there is for bodies: a webhook without any is answered 503', async () => {
    const hold = held();
    const { post, memory, intake, counts } = await opened();
    memory.state.hold = hold.promise;
    const long = (id: string) => ({ ...delivered(id), text: 'x'.repeat(1_000_000) });
    const inside = Array.from({ length: 20 }, (_, n) => post(long(`${n}`)));
    // One token alone may have half of the 32 MiB.
    await expect.poll(() => counts['other refused']).toBeGreaterThanOrEqual(3);
    await expect.poll(memory.asked).toBeGreaterThanOrEqual(15);
    hold.letGo();
    const statuses = (await Promise.all(inside)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    await expect.poll(() => intake.bodies.used).toBe(0);
  });
});

it('answers webhooks while silent connections use up all places', async () => {
  const { post, url } = await opened();
  let cut = 0;
  const silent = Array.from({ length: 300 }, () =>
    connect(Number(new URL(url).port), '127.0.0.1')
      .on('error', () => {})
      .on('close', () => {
        cut += 1;
      }),
  );
  // 256 may be open; the oldest that said nothing make room.
  await expect.poll(() => cut).toBeGreaterThanOrEqual(44);
  expect((await post(delivered('1'))).status).toBe(200);
  for (const socket of silent) socket.destroy();
});

describe('a shutdown', () => {
  it('answers requests in progress, accepts no others, and does not wait for silent connections', async () => {
    const hold = held();
    const { post, memory, intake, url } = await opened();
    memory.state.hold = hold.promise;
    const inside = post(delivered('1'));
    const silent = say(url, '', 1);
    await expect.poll(memory.asked).toBe(1);
    const closed = intake.close();
    await expect(silent).resolves.toEqual({ answers: [], ended: true });
    await expect(post(delivered('2'))).rejects.toThrow(/ECONNREFUSED|closed/);
    hold.letGo();
    expect((await inside).status).toBe(200);
    await closed;
    expect(memory.rows.size).toBe(1);
  });

  it('fails to start on a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const { intake } = await opened();
    await expect(
      intake.listen({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 }),
    ).rejects.toThrow();
    other.close();
  });
});

describe('the limits of requests', () => {
  const marks = { key: 'none', to: '14155551000', id: 'trick', paths: { get: right, post: right } };
  const tricks = [...framingTricks(marks), ...behindUpgrade(marks)];
  const honest = honestTo(right, 'honest');
  let door: Door;
  beforeAll(async () => {
    door = await startDoor({
      tokens: fixedTokens([entryOf('acme', token)]),
      server: { wrongPerSecond: 1_000 },
    });
  });
  afterAll(() => door.intake.close());

  it.each(tricks)('hold on the public port against %s', async (name, bytes, outcome) => {
    const { rows } = door.memory;
    rows.clear();
    // A token stands in the address: there is no other key that could come too late.
    const expected = name === 'a key in the trailers' ? 201 : outcome;
    const closes = typeof expected === 'string';
    const status = expected === 'refused' ? 400 : Number.parseInt(String(expected), 10);
    const { answers, ended } = await say(door.url, bytes + honest, closes ? 9 : 2);
    const statuses = answers.map((answer) => (answer.status === 431 ? 400 : answer.status));
    expect({ statuses, ended: closes ? ended : false }).toEqual({
      statuses: [status === 201 ? 200 : status, ...(closes ? [] : [200])],
      ended: closes,
    });
    expect(rows.size).toBe(status === 201 ? 1 : 0);
  });
});
