import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { SharedPolls } from '../../src/broadcasts/progress-events.ts';
import { connection, fileTo, multipartType, pdf, pdfForm } from '../routes/files-helper.ts';
import { isRecord } from '../support/json.ts';
import { allKey, hasty, type Service, startService } from '../support/service.ts';
import { form } from '../upload/multipart-helper.ts';

const otherKey = 'key-of-another-caller-who-asks';
let service: Service;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await service.close();
});

const start = async (settings: Record<string, string> = {}) => {
  service = await startService({
    settings: { ...connection, ...settings },
    callers: [{ name: 'other', key: otherKey, scopes: ['*'] }],
  });
};

/** Sends the head of a request, and as much of its body as is given; resolves with what comes back first. */
function begin(head: string[], body = '', key = allKey) {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => {});
  sockets.push(socket);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.write(`${[...head, 'Host: a', `Authorization: Bearer ${key}`].join('\r\n')}\r\n\r\n${body}`);
  return { socket, status: () => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text: () => text };
}

const poolUsed = async (pool: string) => {
  const { text } = await service.ask('GET', '/metrics');
  return Number(new RegExp(`^wati_bff_pool_used\\{pool="${pool}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
};

describe('bodies that are announced and not sent', () => {
  it('reserve no more than one caller’s share, are refused before 100 Continue, and leave capacity for others', async () => {
    await start();
    const head = ['Content-Type: application/json', 'Expect: 100-continue', 'Idempotency-Key: k'];
    const large = () => begin(['POST /v1/broadcasts HTTP/1.1', ...head, 'Content-Length: 8388608']);
    const first = [large(), large()];
    await expect.poll(() => first.map(({ status }) => status())).toEqual([100, 100]);
    const more = Array.from({ length: 5 }, large);
    await expect.poll(() => more.map(({ status }) => status())).toEqual(Array(5).fill(429));
    for (const { text } of more) expect(text()).toMatch(/^retry-after: 2\r$/im);
    expect(await poolUsed('bodies')).toBe(16 * 1024 * 1024);
    const send = { json: { to: '14155551000', text: 'Hello' }, key: otherKey };
    expect((await service.ask('POST', '/v1/messages/text', send)).status).toBe(201);
    for (const { socket } of first) socket.destroy();
    await expect.poll(() => poolUsed('bodies')).toBe(0);
  });

  it('reserve little if the content is small, with Content-Length or in chunks', async () => {
    await start();
    const text = (...lines: string[]) =>
      begin(['POST /v1/messages/text HTTP/1.1', 'Content-Type: application/json', 'Expect: 100-continue', ...lines]);
    const tooLarge = text('Content-Length: 1048576');
    await expect.poll(tooLarge.status).toBe(413);
    const chunked = text('Transfer-Encoding: chunked');
    await expect.poll(chunked.status).toBe(100);
    expect(await poolUsed('bodies')).toBe(64 * 1024);
  });

  it('release their bytes once they are read, while the send continues', async () => {
    await start(hasty.settings);
    service.simulator.script('sendSessionMessage', { fault: 'hang' });
    const sent = service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } });
    await expect.poll(() => service.simulator.ledger.of('sendSessionMessage').length).toBe(1);
    expect(await poolUsed('bodies')).toBe(0);
    await sent;
  });
});

describe('uploads of one caller', () => {
  it('leave capacity for the file of another caller, and release it', async () => {
    await start({ UPLOADS_MAX: '8' });
    const slow = (n: number) => {
      const lines = [`Content-Type: ${multipartType}`, 'Content-Length: 50000000'];
      return begin(
        [`POST ${fileTo(`1415555100${n}`)} HTTP/1.1`, ...lines],
        pdfForm(pdf(1_000)).subarray(0, 200).toString(),
      );
    };
    const all = Array.from({ length: 8 }, (_, n) => slow(n));
    await expect.poll(() => all.filter(({ status }) => status() === 429).length).toBe(4);
    const answer = await service.ask('POST', fileTo('14155551009'), {
      body: form(),
      headers: { 'content-type': multipartType },
      key: otherKey,
    });
    expect(answer.status).toBe(201);
    for (const { socket } of all) socket.destroy();
    await expect.poll(() => poolUsed('uploads')).toBe(0);
  });
});

describe('event streams of one caller', () => {
  it('are half of all at most, and one poll serves all listeners of the same broadcast', async () => {
    await start();
    // So many that some wait when it is paused: else it is over as soon as the first call is answered, and so are its streams.
    const parameters = { customer_name: 'A', order_id: 'B', order_status: 'C' };
    const recipients = Array.from({ length: 2_000 }, (_, n) => ({ to: `${14155551000 + n}`, parameters }));
    const { json } = await service.ask('POST', '/v1/broadcasts', {
      json: { template: 'order_update', broadcastName: 'sale', recipients },
      headers: { 'idempotency-key': 'streams' },
    });
    const id = isRecord(json) ? String(json.id) : '';
    expect((await service.ask('POST', `/v1/broadcasts/${id}/pause`)).status).toBe(200);
    const streams = Array.from({ length: 140 }, () => begin([`GET /v1/broadcasts/${id}/events HTTP/1.1`]));
    await expect.poll(() => streams.filter(({ status }) => status() > 0).length, { timeout: 20_000 }).toBe(140);
    expect(streams.filter(({ status }) => status() === 200)).toHaveLength(128);
    expect(streams.filter(({ status }) => status() === 429)).toHaveLength(12);
    for (const { socket } of streams) socket.destroy();
    await expect.poll(() => poolUsed('event-streams')).toBe(0);
  });

  it('share a poll that is in progress, or is younger than a second', async () => {
    await start();
    let now = 0;
    let looks = 0;
    const shared = new SharedPolls<number>(() => now);
    const look = (id = 'a') =>
      shared.poll(id, async () => {
        looks += 1;
        return looks;
      });
    expect(await Promise.all(Array.from({ length: 50 }, () => look()))).toEqual(Array(50).fill(1));
    expect(await look('b')).toBe(2);
    now = 800;
    expect(await look()).toBe(1);
    now = 1_000;
    expect(await look()).toBe(3);
    const failing = () => shared.poll('c', () => Promise.reject(new Error('gone')));
    await expect(failing()).rejects.toThrow('gone');
    expect(await shared.poll('c', async () => 7)).toBe(7);
  });
});

describe('the capacity for sends', () => {
  it('is left to another caller while one floods the service', async () => {
    await start({ MATON_RATE_PER_SECOND: '10', SEND_WAIT_MS: '60000' });
    const text = (n: number, key: string) =>
      service.ask('POST', '/v1/messages/text', {
        json: { to: '14155551000', text: `Hello ${n}` },
        headers: { prefer: 'respond-async' },
        key,
      });
    expect((await text(0, otherKey)).status).toBe(202);
    const flood = await Promise.all(Array.from({ length: 600 }, (_, n) => text(n, allKey)));
    const taken = flood.filter(({ status }) => status === 202).length;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThan(400);
    expect((await text(1, otherKey)).status).toBe(202);
  });
});
