import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { readAllowedHosts } from '../../src/webhooks/allowed-hosts.ts';
import { createDestinations } from '../../src/webhooks/destination.ts';
import { limitLookups } from '../../src/webhooks/lookups.ts';
import { retryAfterMs } from '../../src/webhooks/retry-after.ts';
import { createEndpointSecrets, deriveSecret } from '../../src/webhooks/secret.ts';
import { createWebhookSender } from '../../src/webhooks/sender.ts';
import { openWebhookAgent } from '../../src/webhooks/webhook-agent.ts';
import { startReceiver } from './receiver.ts';
import { endpointAt, otherSigningKey, signingKey } from './samples.ts';

const event = {
  id: 'evt_3jX0aZ',
  text: '{"id":"evt_3jX0aZ","type":"message.delivered","data":{"text":"caf\u00e9 \ud83d\ude00"}}',
};
const never = new AbortController().signal;

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeAll(async () => {
  receiver = await startReceiver();
});
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer((_, response) => void response.writeHead(204).end());
});
afterAll(() => receiver.close());

function open({ keys = [signingKey], timeoutMs = 10_000, names = {} as Record<string, string[]>, own = 0 } = {}) {
  const { port } = receiver;
  const lookups: string[] = [];
  const destinations = createDestinations({
    allowed: readAllowedHosts(
      `http://127.0.0.1:${port},http://hooks.test:${port},http://other.test:${port},http://127.0.0.1:1`,
    ).hosts,
    lookup: async (hostname) => {
      lookups.push(hostname);
      return (names[hostname] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    },
    isOwnListener: (_, at) => at === own,
  });
  const sender = createWebhookSender({
    secrets: createEndpointSecrets(() => keys),
    destinations,
    agent: openWebhookAgent(destinations),
    version: '1.2.3',
    timeoutMs,
    now: Date.now,
    receiversNow: Date.now,
  });
  return { sender, lookups, names, url: (host: string, path = '/') => `http://${host}:${port}${path}` };
}

describe('a signature', () => {
  it('is one that svix, standardwebhooks and node:crypto find right, over the bytes that were sent', async () => {
    const { sender, url } = open();
    const endpoint = endpointAt(url('127.0.0.1', '/hook?x=1'));
    expect(await sender.send(endpoint, event, 3, never)).toEqual({ status: 204, durationMs: expect.any(Number) });
    const [got] = receiver.received;
    if (!got) throw new Error('nothing came');
    const headers = Object.fromEntries(Object.entries(got.headers).map(([name, value]) => [name, String(value)]));
    const secret = deriveSecret(Buffer.from(signingKey, 'base64'), endpoint.id, 1);
    expect(got.path).toBe('/hook?x=1');
    expect(got.body.toString()).toBe(event.text);
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(event.text)),
      'user-agent': 'wati-bff/1.2.3',
      'wati-bff-attempt': '3',
      'webhook-id': event.id,
    });
    // Throws where it is wrong.
    new SvixWebhook(secret).verify(got.body, headers);
    expect(() => new SvixWebhook(secret).verify(`${event.text} `, headers)).toThrow();
    expect(new StandardWebhook(secret).verify(got.body, headers)).toEqual(JSON.parse(event.text));
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const signed = Buffer.concat([Buffer.from(`${event.id}.${headers['webhook-timestamp']}.`), got.body]);
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
    await sender.close();
  });

  it.each([
    ['one key', [signingKey], { secretVersion: 2 }, ['2a']],
    ['a rotation', [signingKey], { secretVersion: 2, previousSecretUntil: Date.now() + 60_000 }, ['2a', '1a']],
    ['an overlap that is over', [signingKey], { secretVersion: 2, previousSecretUntil: Date.now() - 1 }, ['2a']],
    ['a change of the key', [otherSigningKey, signingKey], { secretVersion: 1 }, ['1b', '1a']],
    [
      'both at once',
      [otherSigningKey, signingKey],
      { secretVersion: 3, previousSecretUntil: Date.now() + 60_000 },
      ['3b', '2b', '3a', '2a'],
    ],
  ] as const)('is there for each secret in force: %s', async (_, keys, versions, expected) => {
    const { sender, url } = open({ keys: [...keys] });
    const endpoint = endpointAt(url('127.0.0.1'), versions);
    await sender.send(endpoint, event, 1, never);
    const headers = receiver.received[0]?.headers ?? {};
    const at = Number(headers['webhook-timestamp']);
    const secretOf = (name: string) => {
      const key = name.endsWith('b') ? otherSigningKey : signingKey;
      return deriveSecret(Buffer.from(key, 'base64'), endpoint.id, Number(name[0]));
    };
    const signatures = expected.map((name) =>
      new SvixWebhook(secretOf(name)).sign(event.id, new Date(at * 1000), event.text),
    );
    expect(headers['webhook-signature']).toBe(signatures.join(' '));
    await sender.close();
  });

  it('differs by endpoint, version and key', () => {
    const key = Buffer.from(signingKey, 'base64');
    const secrets = [
      deriveSecret(key, 'a', 1),
      deriveSecret(key, 'a', 2),
      deriveSecret(key, 'b', 1),
      deriveSecret(Buffer.from(otherSigningKey, 'base64'), 'a', 1),
    ];
    expect(new Set(secrets).size).toBe(4);
    for (const secret of secrets) expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  });
});

describe('an attempt', () => {
  it.each([200, 201, 202, 204, 299])('has succeeded with %i', async (status) => {
    receiver.answer((_, response) => void response.writeHead(status).end());
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toEqual({
      status,
      durationMs: expect.any(Number),
    });
    await sender.close();
  });

  it.each([
    [301, 'answered 301: redirects are not followed'],
    [307, 'answered 307: redirects are not followed'],
    [400, 'answered 400'],
    [404, 'answered 404'],
    [410, 'answered 410'],
    [500, 'answered 500'],
  ])('has failed with %i, and nothing else is asked', async (status, error) => {
    receiver.answer(
      (_, response) => void response.writeHead(status, { location: `http://127.0.0.1:${receiver.port}/else` }).end(),
    );
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toEqual({
      status,
      durationMs: expect.any(Number),
      error,
    });
    expect(receiver.received).toHaveLength(1);
    await sender.close();
  });

  it('tells how long the receiver wants to rest', async () => {
    receiver.answer((_, response) => void response.writeHead(503, { 'retry-after': '120' }).end());
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({
      status: 503,
      retryAfterMs: 120_000,
    });
    await sender.close();
  });

  it('ends when its time is over, without an answer', async () => {
    receiver.answer(() => {});
    const { sender, url } = open({ timeoutMs: 100 });
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toEqual({
      durationMs: expect.any(Number),
      error: 'no answer within 0.1 s',
    });
    await sender.close();
  });

  it('ends when it is given up', async () => {
    const stop = new AbortController();
    receiver.answer(() => stop.abort());
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, stop.signal)).toMatchObject({
      error: 'the attempt was given up here',
    });
    await sender.close();
  });

  it('does not wait for the rest of an answer for long', async () => {
    receiver.answer((_, response) => void response.writeHead(202).write('a'));
    const { sender, url } = open({ timeoutMs: 200 });
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({ status: 202 });
    await sender.close();
  });

  it('does not read a long answer, and has succeeded by its status', async () => {
    let written = 0;
    let closed = false;
    receiver.answer((_, response) => {
      response.on('close', () => {
        closed = true;
      });
      response.writeHead(200);
      const write = () => {
        while (!closed && response.write(Buffer.alloc(65_536))) written += 65_536;
        if (!closed) response.once('drain', write);
      };
      write();
    });
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({ status: 200 });
    await vi.waitFor(() => expect(closed).toBe(true), 5_000);
    expect(written).toBeLessThan(16 * 1024 * 1024);
    await sender.close();
  });

  it('uses connections again', async () => {
    receiver.answer((_, response) => void response.writeHead(200).end('thanks'));
    const { sender, url } = open();
    const before = receiver.connections();
    for (let number = 1; number <= 20; number += 1)
      await sender.send(endpointAt(url('127.0.0.1')), event, number, never);
    // One is free again a turn after its answer.
    expect(receiver.connections() - before).toBeLessThanOrEqual(2);
    await sender.close();
  });

  it('is described by what went wrong', async () => {
    receiver.answer((request) => request.socket.destroy());
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({
      error: 'the receiver ended the connection without an answer',
    });
    receiver.answer((request) => request.socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({
      error: 'the receiver answered something that is not HTTP',
    });
    expect(await sender.send(endpointAt('http://127.0.0.1:1/'), event, 1, never)).toMatchObject({
      error: 'the receiver takes no connections there',
    });
    expect(await sender.send(endpointAt(`https://127.0.0.1:${receiver.port}/`), event, 1, never)).toMatchObject({
      error: expect.stringMatching(/^no trusted TLS/),
    });
    await sender.close();
  });

  it('is not made without a key to sign with', async () => {
    const { sender, url } = open({ keys: [] });
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({
      error: expect.stringContaining('EVENTS_SIGNING_KEY'),
    });
    expect(receiver.received).toHaveLength(0);
    await sender.close();
  });
});

describe('a connection', () => {
  it('is made to the address that was checked, by one look-up', async () => {
    const { sender, url, lookups } = open({ names: { 'hooks.test': ['127.0.0.1'] } });
    expect(await sender.send(endpointAt(url('hooks.test')), event, 1, never)).toMatchObject({ status: 204 });
    expect(lookups).toEqual(['hooks.test']);
    expect(receiver.received[0]?.headers.host).toBe(`hooks.test:${receiver.port}`);
    await sender.close();
  });

  it.each([
    ['169.254.169.254', 'metadata'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['127.0.0.2', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['fe80::1', 'link-local'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
  ])('is refused where a name has changed its address to %s', async (address, rule) => {
    const { sender, url, names } = open({ names: { 'hooks.test': ['127.0.0.1'] } });
    const endpoint = endpointAt(url('hooks.test'));
    receiver.answer((_, response) => void response.writeHead(204, { connection: 'close' }).end());
    expect(await sender.send(endpoint, event, 1, never)).toMatchObject({ status: 204 });
    for (const addresses of [[address], ['127.0.0.1', address]]) {
      names['hooks.test'] = addresses;
      const refused = await sender.send(endpoint, event, 2, never);
      expect(refused).toEqual({
        durationMs: expect.any(Number),
        refused: rule,
        error: expect.stringContaining(`(rule: ${rule})`),
      });
      expect(refused.error).not.toContain(address);
    }
    expect(receiver.received).toHaveLength(1);
    await sender.close();
  });

  it.each([
    ['http://169.254.169.254/', 'host'],
    ['http://127.0.0.1:22/', 'port'],
    ['http://elsewhere.test/', 'host'],
    ['file:///etc/passwd', 'scheme'],
  ])('is refused where the list has lost %s since', async (address, rule) => {
    const { sender } = open();
    expect(await sender.send(endpointAt(address), event, 1, never)).toMatchObject({ refused: rule });
    await sender.close();
  });

  it('is refused to a listener of our own, by literal and by name', async () => {
    const { sender, url } = open({ own: receiver.port, names: { 'hooks.test': ['127.0.0.1'] } });
    for (const host of ['127.0.0.1', 'hooks.test']) {
      expect(await sender.send(endpointAt(url(host)), event, 1, never)).toMatchObject({ refused: 'own-listener' });
    }
    expect(receiver.received).toHaveLength(0);
    await sender.close();
  });

  it('is tried again where a name cannot be resolved', async () => {
    const { sender, url } = open();
    const failed = await sender.send(endpointAt(url('other.test')), event, 1, never);
    expect(failed).toEqual({ durationMs: expect.any(Number), error: 'its host cannot be resolved (rule: name)' });
    await sender.close();
  });

  it('goes through no proxy of the environment', async () => {
    const proxies = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    for (const name of proxies) vi.stubEnv(name, name.startsWith('NODE') ? '1' : 'http://127.0.0.1:1');
    const { sender, url } = open();
    expect(await sender.send(endpointAt(url('127.0.0.1')), event, 1, never)).toMatchObject({ status: 204 });
    vi.unstubAllEnvs();
    await sender.close();
  });
});

it.each([
  ['0', 0],
  ['120', 120_000],
  ['999999', 3_600_000],
  ['99999999999999999999999', 3_600_000],
  ['Mon, 30 Nov 2026 10:05:00 GMT', 300_000],
  ['Monday, 30-Nov-26 10:05:00 GMT', 300_000],
  ['Tue, 01 Dec 2026 10:05:00 GMT', 3_600_000],
  ['Mon, 30 Nov 2026 09:00:00 GMT', 0],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['', undefined],
  ['9'.repeat(65), undefined],
  [undefined, undefined],
  [['1', '2'], undefined],
])('reads Retry-After: %s', (value, expected) => {
  expect(retryAfterMs(value, Date.parse('2026-11-30T10:00:00Z'))).toBe(expected);
});

it('looks up two names at once and each of them once', async () => {
  let active = 0;
  let most = 0;
  const asked: string[] = [];
  const lookup = limitLookups(async (hostname) => {
    asked.push(hostname);
    active += 1;
    most = Math.max(most, active);
    await sleep(5);
    active -= 1;
    if (hostname === 'c') throw new Error('no such name');
    return [{ address: '10.0.0.1', family: 4 }];
  });
  const results = await Promise.allSettled(['a', 'b', 'a', 'c', 'd', 'b', 'e'].map(lookup));
  expect(results.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ]);
  expect(asked).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(most).toBe(2);
  await lookup('a');
  expect(asked).toHaveLength(6);
});

it('leaves a name alone for a while that was slow', async () => {
  let asked = 0;
  const resolve = async () => {
    asked += 1;
    await sleep(5);
    return [{ address: '10.0.0.1', family: 4 }];
  };
  const patient = limitLookups(resolve, { slowMs: 60_000 });
  for (let time = 0; time < 3; time += 1) await patient('a');
  expect(asked).toBe(3);
  const hasty = limitLookups(resolve, { slowMs: 1, restMs: 60_000 });
  await hasty('a');
  await expect(hasty('a')).rejects.toThrow('slow');
  await hasty('b');
  expect(asked).toBe(5);
});

it('does not let names that nobody answers for hold up a known one, nor the next ones when they are over', async () => {
  const held: (() => void)[] = [];
  const asked: string[] = [];
  const lookup = limitLookups(
    (hostname) => {
      asked.push(hostname);
      const found = [{ address: '10.0.0.1', family: 4 }];
      if (!hostname.startsWith('dead')) return Promise.resolve(found);
      return new Promise((resolve) => held.push(() => resolve(found)));
    },
    { slowMs: 40 },
  );
  await lookup('known');
  const dead = Array.from({ length: 100 }, (_, place) => lookup(`dead${place}`));
  const outcomes = Promise.allSettled(dead);
  expect(await lookup('known')).toHaveLength(1);
  expect(asked).toEqual(['known', 'dead0', 'dead1', 'known']);
  await sleep(50);
  for (const end of held) end();
  const fulfilled = (await outcomes).map(({ status }) => status).filter((status) => status === 'fulfilled');
  expect([fulfilled.length, asked.length]).toEqual([2, 4]);
  expect(await lookup('new')).toHaveLength(1);
});
