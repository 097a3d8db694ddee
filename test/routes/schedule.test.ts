import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

let service: Service;
let store: Store;
/** The wall clock of the service and its store; it stands still until it is moved. */
let now = Date.UTC(2026, 10, 2, 9);
beforeAll(async () => {
  store = await openStore('memory:', { ...OPTIONS, wallClock: () => now });
  service = await startService({ store, seams: { now: () => now } });
});
afterAll(() => service.close());

let recipient = 14_155_551_000;
let to: string;
beforeEach(() => {
  recipient += 1;
  to = String(recipient);
});

const at = (ms: number) => new Date(now + ms).toISOString();
const bodyOf = ({ json }: Answer) => json as Record<string, unknown> & { id: string };
const read = async (id: string) => bodyOf(await service.ask('GET', `/v1/messages/${id}`));
const sentTo = (number: string) => service.simulator.ledger.sendsTo(number).length;
const move = (ms: number) => {
  now += ms;
};
const text = (more: object, headers: Record<string, string> = {}) =>
  service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello', ...more }, headers });

describe('a message with sendAt', () => {
  test('is queued until then, and goes out at that time', async () => {
    const answer = await text({ sendAt: at(minuteMs) });
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/v1/messages/${bodyOf(answer).id}`);
    expect(answer.json).toMatchObject({ status: 'queued', attempts: 0, sendAt: at(minuteMs) });
    const { id } = bodyOf(answer);
    expect(await read(id)).toEqual(answer.json);
    const listed = await service.ask('GET', `/v1/messages?status=queued&to=${to}`);
    expect(listed.json).toMatchObject({ data: [{ id }] });
    expect(sentTo(to)).toBe(0);
    move(minuteMs);
    await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe('accepted');
    expect(sentTo(to)).toBe(1);
  });

  test('that has passed goes out at once, and its answer waits for the outcome', async () => {
    const answer = await text({ sendAt: at(-dayMs) });
    expect(answer).toMatchObject({ status: 201, json: { status: 'accepted', sendAt: at(-dayMs) } });
  });

  test('is cancelled, once and for all', async () => {
    const { id } = bodyOf(await text({ sendAt: at(minuteMs) }));
    const cancelled = await service.ask('POST', `/v1/messages/${id}/cancel`);
    expect(cancelled).toMatchObject({
      status: 200,
      json: { id, status: 'cancelled', failure: { code: 'cancelled', detail: 'its caller cancelled it' } },
    });
    expect(await service.ask('POST', `/v1/messages/${id}/cancel`)).toMatchObject({ status: 200, json: cancelled.json });
    move(2 * minuteMs);
    const { id: next } = bodyOf(await text({ to: String(++recipient), sendAt: at(1) }));
    move(1);
    await expect.poll(async () => (await read(next)).status, { timeout: 10_000 }).toBe('accepted');
    expect(sentTo(to)).toBe(0);
  });

  test('is answered from its record under its key, and never twice', async () => {
    const headers = { 'idempotency-key': `later-${to}` };
    const sendAt = at(minuteMs);
    const first = await text({ sendAt }, headers);
    const again = await text({ sendAt }, headers);
    expect(again).toMatchObject({ status: 202, json: first.json, headers: { 'idempotency-replayed': 'true' } });
    for (const other of [{}, { sendAt: at(2 * minuteMs) }, { sendAt, notAfter: at(dayMs) }]) {
      expect(await text(other, headers)).toMatchObject({
        status: 422,
        json: { type: expect.stringMatching(/idempotency-mismatch$/) },
      });
    }
    move(minuteMs);
    await expect.poll(() => sentTo(to), { timeout: 10_000 }).toBe(1);
    await expect.poll(async () => (await text({ sendAt }, headers)).status, { timeout: 10_000 }).toBe(201);
    expect(sentTo(to)).toBe(1);
  });
});
