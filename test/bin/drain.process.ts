import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { aPlace, callerKey, type Place, type Service } from '../crash/service.ts';
import { fileTo, openRequest, pdf, pdfForm } from '../routes/files-helper.ts';
import { problem } from '../support/problem-type.ts';
import { allKey, startService } from '../support/service.ts';

/*
 * How an instance shuts down, with real processes and real signals. Each test has a recipient, a service
 * and a store of its own.
 */
let simulator: Simulator;
const places: Place[] = [];
beforeAll(async () => {
  simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY, lateMs: 1_500 });
});
afterAll(async () => {
  await Promise.all(places.map((place) => place.close()));
  await simulator.close();
});

function newPlace(): Place {
  const place = aPlace(simulator);
  places.push(place);
  return place;
}

const headers = { authorization: `Bearer ${callerKey}` };

interface Answer {
  status: number;
  connection: unknown;
  json: Record<string, unknown>;
}

/** Over a connection of its own by default. */
async function ask(url: string, path: string, more: { json?: object; async?: true; agent?: Agent } = {}) {
  const dispatcher = more.agent ?? new Agent();
  const answer = await request(`${url}${path}`, {
    method: more.json ? 'POST' : 'GET',
    headers: {
      ...headers,
      ...(more.json && { 'content-type': 'application/json' }),
      ...(more.async && { prefer: 'respond-async' }),
    },
    ...(more.json && { body: JSON.stringify(more.json) }),
    dispatcher,
  });
  const json = (await answer.body.json()) as Record<string, unknown>;
  if (!more.agent) void dispatcher.close();
  const told: Answer = { status: answer.statusCode, connection: answer.headers.connection, json };
  return told;
}

const text = (url: string, to: string, more: { async?: true; agent?: Agent } = {}) =>
  ask(url, '/v1/messages/text', { json: { to, text: 'Your parcel is on its way.' }, ...more });

/** What became of the one message to this recipient, in the next life of the service. */
async function recordOf(place: Place, to: string) {
  const next = await place.start();
  const { json } = await ask(next.url, `/v1/messages?to=${to}`);
  await next.kill();
  const [found, ...more] = json.data as Record<string, unknown>[];
  expect(more).toEqual([]);
  return found;
}

function terminate(service: Service) {
  const begun = performance.now();
  process.kill(service.pid(), 'SIGTERM');
  return service.ended.then((code) => ({ code, ms: performance.now() - begun }));
}

/** A file to this recipient of which all but the last bytes are in, and WATI has begun to hear of it. */
async function nearlyIn(service: Service, to: string) {
  const body = pdfForm(pdf(300_000));
  const upload = openRequest(service, {
    path: fileTo(to),
    key: callerKey,
    headers: { 'content-length': String(body.length) },
  });
  await upload.write(body.subarray(0, -20));
  await soon(() => simulator.ledger.sendsTo(to).length === 1);
  return { upload, rest: body.subarray(-20) };
}

const soon = async (holds: () => boolean) => {
  for (let tries = 0; tries < 500 && !holds(); tries++) await sleep(10);
  expect(holds()).toBe(true);
};

describe('on SIGTERM, while callers continue', () => {
  it('is not ready at once, serves new connections for the delay, then refuses them', async () => {
    const service = await newPlace().start({ settings: { DRAIN_DELAY_MS: '2500' } });
    const kept = new Agent({ connections: 1, pipelining: 1 });
    expect(await ask(service.url, '/health/ready', { agent: kept })).toMatchObject({
      status: 200,
      connection: 'keep-alive',
    });
    // Under way when the signal comes, and answered before and after the listener is gone.
    simulator.tenant.receive('14155559105', 'Hello', Date.now());
    const before = text(service.url, '14155550302');
    await soon(() => simulator.ledger.sendsTo('14155550302').length === 1);

    const ended = terminate(service);
    await sleep(100);
    expect(await ask(service.url, '/health/ready')).toMatchObject({ status: 503, json: { status: 'draining' } });
    expect(await ask(service.url, '/v1/contacts', { agent: kept })).toMatchObject({ status: 200, connection: 'close' });
    expect(await text(service.url, '14155559105')).toMatchObject({ status: 201, connection: 'close' });
    expect(await before).toMatchObject({ status: 201, connection: 'close' });
    // Reset: it waited in the kernel's queue as the listener closed.
    const refused = async () => {
      for (;;) await ask(service.url, '/health/live');
    };
    await expect(refused()).rejects.toThrow(/ECONNREFUSED|ECONNRESET|closed/);
    const { code, ms } = await ended;
    expect(code).toBe(0);
    expect(ms).toBeGreaterThan(2_450);
    // Long before the time-out: nothing hung.
    expect(ms).toBeLessThan(15_000);
    await kept.close();
  });

  it('loses no request of a load that goes on for the delay, over connections that are kept', async () => {
    const service = await newPlace().start({ settings: { DRAIN_DELAY_MS: '3000' } });
    const agent = new Agent({ connections: 8, pipelining: 1, keepAliveTimeout: 60_000 });
    const answers: number[] = [];
    const recipients: string[] = [];
    let over = false;
    const worker = async (n: number) => {
      for (let i = 0; !over; i++) {
        const to = `1500${n}${String(i).padStart(5, '0')}5`;
        simulator.tenant.receive(to, 'Hello', Date.now());
        recipients.push(to);
        const { status } =
          i % 2 ? await ask(service.url, '/v1/contacts', { agent }) : await text(service.url, to, { agent });
        answers.push(status - (i % 2 ? 0 : 1));
        await sleep(n);
      }
    };
    const workers = Array.from({ length: 8 }, (_, n) => worker(n + 1));
    await sleep(300);
    const atSignal = answers.length;
    const ended = terminate(service);
    await sleep(1_500);
    over = true;
    await Promise.all(workers);
    expect(answers.length - atSignal).toBeGreaterThan(8);
    expect(answers.filter((status) => status !== 200)).toEqual([]);
    expect(await ended).toMatchObject({ code: 0 });
    const twice = recipients.filter((to) => simulator.ledger.sendsTo(to).length > 1);
    expect(twice).toEqual([]);
    await agent.close();
  });
});

describe.concurrent('on SIGTERM', () => {
  it('is not delayed by idle connections', async () => {
    const service = await newPlace().start();
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    await once(socket, 'connect');
    await sleep(50);
    const { code, ms } = await terminate(service);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(3_000);
    socket.destroy();
  });

  it('receives the rest of a file that is being uploaded', async () => {
    const to = '14155551001';
    const service = await newPlace().start();
    const { upload, rest } = await nearlyIn(service, to);
    const ended = terminate(service);
    await sleep(500);
    await upload.write(rest);
    const { status, headers, json } = await upload.answer();
    expect({ status, connection: headers.connection, outcome: json.status }).toEqual({
      status: 201,
      connection: 'close',
      outcome: 'accepted',
    });
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('ends a file whose upload stalls as not_sent, and reports that', async () => {
    const to = '14155551002';
    const place = newPlace();
    const service = await place.start({ settings: { SHUTDOWN_TIMEOUT_MS: '3000' } });
    const { upload } = await nearlyIn(service, to);
    const ended = terminate(service);
    expect(await upload.answer()).toMatchObject({ status: 503, json: { outcome: 'not_sent' } });
    const { code, ms } = await ended;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(3_000);
    expect(simulator.ledger.sendsTo(to)).toMatchObject([{ complete: false, processed: false }]);
    expect(await recordOf(place, to)).toMatchObject({ status: 'not_sent' });
  });
});

describe.concurrent('a SIGTERM while sends are in progress', () => {
  it('records sends that hang as unknown, answers waiting clients, and exits with 0 in time', async () => {
    const place = newPlace();
    const service = await place.start({ settings: { SHUTDOWN_TIMEOUT_MS: '3000' } });
    const waits = text(service.url, '14155550301');
    expect(await text(service.url, '14255550301', { async: true })).toMatchObject({ status: 202 });
    await soon(() => ['14155550301', '14255550301'].every((to) => simulator.ledger.sendsTo(to).length === 1));
    const ended = terminate(service);
    expect(await waits).toMatchObject({ status: 202, connection: 'close', json: { status: 'unknown' } });
    const { code, ms } = await ended;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(3_000);
    for (const to of ['14155550301', '14255550301']) {
      expect(await recordOf(place, to)).toMatchObject({ status: 'unknown', attempts: 1 });
      expect(simulator.ledger.sendsTo(to)).toHaveLength(1);
    }
  });

  it('also waits for a send that hangs and has no waiting client', async () => {
    const to = '14455550301';
    const place = newPlace();
    const service = await place.start({ settings: { SHUTDOWN_TIMEOUT_MS: '2000' } });
    await text(service.url, to, { async: true });
    await soon(() => simulator.ledger.sendsTo(to).length === 1);
    const { code, ms } = await terminate(service);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(2_000);
    expect(await recordOf(place, to)).toMatchObject({
      status: 'unknown',
      failure: { detail: expect.stringContaining('the connection was lost') },
    });
  });

  it('leaves queued messages to the next process, which sends them once', async () => {
    const place = newPlace();
    const service = await place.start({ settings: { MATON_RATE_PER_SECOND: '1' } });
    const recipients = ['1', '2', '3', '4'].map((n) => `1610555200${n}`);
    for (const to of recipients) {
      simulator.tenant.receive(to, 'Hello', Date.now());
      await text(service.url, to, { async: true });
    }
    expect(await terminate(service)).toMatchObject({ code: 0 });
    const sentBefore = recipients.filter((to) => simulator.ledger.sendsTo(to).length === 1);
    expect(sentBefore.length).toBeLessThan(4);
    const next = await place.start();
    await soon(() => recipients.every((to) => simulator.ledger.sendsTo(to).length > 0));
    await sleep(200);
    for (const to of recipients) expect(simulator.ledger.sendsTo(to)).toHaveLength(1);
    await next.kill();
  });

  it('exits at once on a second signal, and sends that hung are unknown afterwards', async () => {
    const to = '14355550301';
    const place = newPlace();
    const service = await place.start({ settings: { DRAIN_DELAY_MS: '10000' } });
    const lost = text(service.url, to).catch(() => 'lost');
    await soon(() => simulator.ledger.sendsTo(to).length === 1);
    const ended = terminate(service);
    await sleep(300);
    expect(service.alive).toBe(true);
    process.kill(service.pid(), 'SIGTERM');
    expect((await ended).ms).toBeLessThan(1_500);
    expect(await lost).toBe('lost');
    expect(await recordOf(place, to)).toMatchObject({ status: 'unknown' });
    expect(simulator.ledger.sendsTo(to)).toHaveLength(1);
  });
});

it('refuses a request that is complete only when the time is nearly over', async () => {
  const service = await startService({ settings: { SHUTDOWN_TIMEOUT_MS: '4000' } });
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.write('GET /v1/contacts HTTP/1.1\r\nHost: 127.0.0.1\r\n');
  await sleep(100);
  const closed = service.close();
  await soon(() => service.logs().some(({ msg }) => String(msg).startsWith('time is nearly up')));
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString();
  });
  socket.write(`Authorization: Bearer ${allKey}\r\n\r\n`);
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1\.1 503 .*\r\nconnection: close\r\n/is);
  expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({
    type: problem('shutting-down'),
    retryable: true,
  });
  await closed;
});
