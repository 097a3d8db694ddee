import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Broadcast } from '../../src/schemas/broadcast.ts';
import type { Scripted } from '../../src/simulator/faults.ts';
import { htmlPage } from '../../src/simulator/pages.ts';
import { fields } from '../routes/outcomes.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';

const operation = 'sendTemplateMessagesV2';
const page = { status: 403, body: htmlPage('403 Forbidden'), contentType: 'text/html', process: false };
const refusing = (error: string): Scripted => ({
  status: 200,
  body: { result: false, error, receivers: [] },
  process: false,
});

let service: Service;
let keys = 0;
beforeAll(async () => {
  service = await startService({ settings: { GROUP_MAX_BROADCAST: '20' } });
  // Nothing is read any more that a rule would meet.
  await service.ask('GET', '/v1/templates');
});
afterEach(() => service.simulator.reset());
afterAll(() => service.close());

const numbers = (n: number) => Array.from({ length: n }, (_, at) => String(14155561000 + at));
const timeout = 20_000;

async function start(recipients: readonly string[], statusOf = (_at: number) => 'shipped'): Promise<string> {
  const json = {
    template: 'order_update',
    broadcastName: 'sale',
    recipients: recipients.map((to, at) => ({
      to,
      parameters: { customer_name: 'Asha', order_id: `A-${at}`, order_status: statusOf(at) },
    })),
  };
  keys += 1;
  const started = await service.ask('POST', '/v1/broadcasts', { json, headers: { 'idempotency-key': `key-${keys}` } });
  expect(started.status).toBe(202);
  return String(fields(started.json).id);
}
const read = async (id: string) => (await service.ask('GET', `/v1/broadcasts/${id}`)).json as Broadcast;
const steer = (id: string, verb: string) => service.ask('POST', `/v1/broadcasts/${id}/${verb}`);
const become = async (id: string, status: Broadcast['status']) => {
  await expect.poll(async () => (await read(id)).status, { timeout }).toBe(status);
  await expect.poll(async () => (await read(id)).counts.sending, { timeout }).toBe(0);
  return read(id);
};
const calls = () => service.simulator.ledger.of(operation);
const arrived = () => calls().flatMap(({ processed, recipients }) => (processed ? recipients : []));

describe('a value that the edge refuses', () => {
  it.each([
    ['one of three', 3, (at: number) => at === 1],
    ['one of twenty', 20, (at: number) => at === 13],
    ['the first four of twenty, side by side', 20, (at: number) => at < 4],
    ['both ends of twenty', 20, (at: number) => at < 3 || at === 19],
    ['one in each of three groups', 60, (at: number) => at % 20 === 7],
  ])('costs nobody else: %s', async (_name, n, isPoison) => {
    service.simulator.rule(({ text }) => (text.includes('<script>') ? page : undefined));
    const id = await start(numbers(n), (at) => (isPoison(at) ? '<script>' : 'shipped'));
    const { counts, rejections } = await become(id, 'done');
    const poison = numbers(n).filter((_, at) => isPoison(at));
    expect(counts).toMatchObject({ accepted: n - poison.length, rejected: poison.length, unknown: 0, queued: 0 });
    expect(rejections).toEqual({ edge: poison.length });
    expect(arrived().toSorted()).toEqual(numbers(n).filter((number) => !poison.includes(number)));
  });
});

describe('a refusal that concerns all recipients', () => {
  it.each<[string, Scripted, RegExp]>([
    ['an edge that refuses everything', page, /tried alone.*HTML/s],
    ['a value that no template takes', refusing('Check your template, it cannot have typos or blank text'), /typos/],
    ['no credits', refusing('Insufficient credits to send this message'), /credits.*Insufficient/s],
    [
      'a plan without it',
      { status: 403, body: { message: 'This feature is not available in your plan' } },
      /in your plan/,
    ],
    [
      'a quota',
      { status: 429, body: { message: 'Monthly API call quota exceeded.' }, headers: { 'retry-after': '3600' } },
      /Monthly/,
    ],
    ['a paused template', refusing('(#132015) Template is paused'), /template.*paused/is],
    [
      'a route that is gone',
      { status: 404, body: { message: 'No HTTP resource was found that matches' } },
      /No HTTP resource/,
    ],
    ['a redirect', { status: 307, headers: { location: 'https://elsewhere.example/' } }, /307/],
    ['a turn that never comes', { status: 421 }, /could not go out/],
  ])('pauses a broadcast, loses nobody, and goes on when it is resumed: %s', async (_name, answer, reason) => {
    service.simulator.rule((request) => (request.operation === operation ? answer : undefined));
    const id = await start(numbers(50));
    const paused = await become(id, 'paused');
    expect(paused).toMatchObject({ pausedBy: 'service', pauseReason: expect.stringMatching(reason) });
    expect(paused.counts).toMatchObject({ total: 50, queued: 50, rejected: 0, notSent: 0 });
    const spent = calls().length;
    expect(spent).toBeLessThan(60);
    // Refused once more, it waits again; nothing was sent meanwhile.
    expect(await steer(id, 'resume')).toMatchObject({ status: 200, json: { status: 'running' } });
    await become(id, 'paused');
    expect(arrived()).toEqual([]);
    service.simulator.rule();
    expect((await steer(id, 'resume')).status).toBe(200);
    const { counts } = await become(id, 'done');
    expect(counts.accepted + counts.rejected).toBe(50);
    expect(arrived().length).toBe(counts.accepted);
    expect(new Set(arrived()).size).toBe(counts.accepted);
    expect(counts.rejected).toBeLessThan(20);
  });

  it('is fixed in time, and every recipient is sent to, once', async () => {
    service.simulator.rule((request) => (request.operation === operation ? page : undefined));
    const id = await start(numbers(50));
    await become(id, 'paused');
    service.simulator.rule();
    await steer(id, 'resume');
    expect((await become(id, 'done')).counts).toMatchObject({ accepted: 50, rejected: 0 });
    expect(arrived().toSorted()).toEqual(numbers(50));
  });

  it('pauses where the credits run out: the recipients after that wait', async () => {
    const body = {
      result: true,
      receivers: numbers(10).map((waId, at) => ({
        waId,
        isValidWhatsAppNumber: true,
        errors: at < 4 ? [] : ['Insufficient credits to send this message'],
      })),
    };
    service.simulator.script(operation, { status: 200, body, process: false });
    const id = await start(numbers(10));
    const { counts, pausedBy } = await become(id, 'paused');
    expect([pausedBy, counts.accepted, counts.queued]).toEqual(['service', 4, 6]);
    await steer(id, 'resume');
    expect((await become(id, 'done')).counts).toMatchObject({ accepted: 10 });
    expect(arrived().toSorted()).toEqual(numbers(10).slice(4));
  });

  it('is shown to operators in the list, the readiness and the metrics, and an operator may resume the broadcast', async () => {
    service.simulator.rule((request) =>
      request.operation === operation ? refusing('Insufficient credits') : undefined,
    );
    const id = await start(numbers(5));
    await become(id, 'paused');
    const { json } = await service.ask('GET', '/v1/operations/broadcasts?status=paused');
    expect((json as { data: Broadcast[] }).data).toContainEqual(expect.objectContaining({ id, pausedBy: 'service' }));
    await expect
      .poll(async () => (await service.ask('GET', '/health/ready')).json, { timeout })
      .toMatchObject({
        status: 'ready',
        broadcasts: 'held',
      });
    expect((await service.ask('GET', '/metrics')).text).toMatch(/wati_bff_broadcasts\{status="held"\} 1\n/);
    expect(service.logs()).toContainEqual(
      expect.objectContaining({ msg: 'broadcast paused by the service', broadcastId: id }),
    );
    service.simulator.rule();
    await service.ask('POST', `/v1/operations/broadcasts/${id}/resume`);
    expect((await become(id, 'done')).counts).toMatchObject({ accepted: 5 });
    expect(await steer(id, 'resume')).toMatchObject({ status: 409 });
  });

  it('can be cancelled while it is paused', async () => {
    service.simulator.rule((request) => (request.operation === operation ? page : undefined));
    const id = await start(numbers(30));
    await become(id, 'paused');
    expect(await steer(id, 'cancel')).toMatchObject({ status: 200, json: { status: 'cancelled' } });
    await expect.poll(async () => (await read(id)).finishedAt, { timeout }).toBeDefined();
    expect((await read(id)).counts).toMatchObject({ cancelled: 30 });
  });

  it('is answered to a single send with no Retry-After', async () => {
    service.simulator.rule((request) =>
      request.operation === operation
        ? { status: 429, body: { message: 'Monthly quota exceeded' }, headers: { 'retry-after': '3600' } }
        : undefined,
    );
    const json = {
      to: '14155551000',
      template: 'order_update',
      parameters: { customer_name: 'A', order_id: 'b', order_status: 'c' },
      broadcastName: 'x',
    };
    const sent = await service.ask('POST', '/v1/messages/template', { json });
    expect(sent).toMatchObject({
      status: 429,
      json: {
        type: problem('quota-spent'),
        outcome: 'rejected',
        retryable: false,
        upstream: { detail: 'Monthly quota exceeded' },
      },
    });
    expect(calls()).toHaveLength(1);
    // Others do not have to wait for an hour, or for a minute.
    service.simulator.rule();
    expect((await service.ask('POST', '/v1/messages/template', { json })).status).toBe(201);
  });
});
