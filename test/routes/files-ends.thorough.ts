import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import { createUploads, type Uploads } from '../../src/upload/uploads.ts';
import { problem } from '../support/problem-type.ts';
import { hasty, type Service, startService } from '../support/service.ts';
import { form } from '../upload/multipart-helper.ts';
import { connection, fileTo, lastLine, MIB, openRequest, pdf, pdfForm, post } from './files-helper.ts';

const large = pdfForm(pdf(40 * MIB));
const html = '<!doctype html><title>Sorry</title>';
const withLength = (body: Buffer) => ({ headers: { 'content-length': String(body.length) } });

/** One upload at a time: a budget that is not given back shows in the next test at once. */
async function startTight(settings: Record<string, string> = {}): Promise<{ service: Service; uploads: Uploads }> {
  const uploads = createUploads({ openMax: 1, bytesPerSecondMin: 16_384 });
  return { service: await startService({ settings: { ...connection, ...settings }, seams: { uploads } }), uploads };
}

describe('an upload that is cut off', () => {
  let service: Service;
  let uploads: Uploads;
  beforeAll(async () => {
    ({ service, uploads } = await startTight());
  });
  beforeEach(async () => {
    await expect.poll(() => uploads.open).toBe(0);
    service.simulator.reset();
  });
  afterAll(() => service.close());
  const ledger = () => service.simulator.ledger.of('sendSessionFile');
  const gone = () => expect.poll(() => ledger().every(({ parts }) => parts !== undefined)).toBe(true);
  const nothingWhole = () => expect(ledger().filter(({ complete, processed }) => complete || processed)).toEqual([]);

  it.each([
    ['with a length', true, 8 * MIB],
    ['chunked', false, 8 * MIB],
    ['within the first bytes', true, 300],
  ])('because the caller hangs up half way (%s) is not sent', async (_, declared, bytes) => {
    const lines = service.logs().length;
    const request = openRequest(service, declared ? withLength(large) : {});
    if (!declared) request.socket.write(`${large.length.toString(16)}\r\n`);
    await request.write(large.subarray(0, bytes));
    if (bytes > 5000) await expect.poll(() => ledger().length).toBe(1);
    else await expect.poll(() => uploads.open).toBe(1);
    request.socket.destroy();
    await expect.poll(() => uploads.open).toBe(0);
    await gone();
    nothingWhole();
    await expect
      .poll(() =>
        service
          .logs()
          .slice(lines)
          .filter(({ msg }) => msg === 'request'),
      )
      .toMatchObject([{ route: '/v1/messages/file', outcome: 'not_sent' }]);
  });

  it.each([true, false])('after its last byte is completed, and sent once (reset: %s)', async (reset) => {
    const lines = service.logs().length;
    const answered = Promise.withResolvers<void>();
    service.simulator.script('sendSessionFile', { until: answered.promise });
    const body = pdfForm(pdf(100_000));
    const request = openRequest(service, withLength(body));
    await request.write(body);
    await expect.poll(() => ledger()[0]?.complete).toBe(true);
    if (reset) request.socket.resetAndDestroy();
    else request.socket.destroy();
    await request.closed;
    answered.resolve();
    await expect.poll(() => ledger()[0]?.status).toBe(200);
    expect(ledger()).toMatchObject([{ complete: true, processed: true }]);
    await expect
      .poll(() =>
        service
          .logs()
          .slice(lines)
          .filter(({ msg }) => msg === 'request'),
      )
      .toMatchObject([{ outcome: 'accepted' }]);
  });

  it.each([
    [200, 202, 'unknown', { ok: true }],
    [401, 502, 'rejected', { message: 'Unauthorized' }],
    [413, 422, 'rejected', html],
    [503, 503, 'not_sent', html],
  ])('because WATI says %i early is answered with %i at once', async (said, status, outcome, body) => {
    service.simulator.script('sendSessionFile', { fault: 'early', status: said, body });
    const request = openRequest(service, withLength(large));
    // The client sends slowly, and would for a minute more.
    let at = 0;
    const sending = (async () => {
      for (; at < large.length && !request.socket.destroyed; at += 16_384) {
        request.socket.write(large.subarray(at, at + 16_384));
        await sleep(20);
      }
    })();
    const answer = await request.answer();
    expect(at).toBeLessThan(large.length / 2);
    expect([answer.status, answer.json.outcome ?? answer.json.status]).toEqual([status, outcome]);
    expect(answer.headers).toHaveProperty('location');
    await expect.poll(() => uploads.open).toBe(0);
    // The line is closed on a caller who does not stop.
    await request.closed;
    await sending;
    nothingWhole();
    expect(ledger()).toHaveLength(1);
    expect(lastLine(service)).toMatchObject({ outcome, status, upstreamStatus: said });
  });

  it('because WATI cuts it is not sent', async () => {
    service.simulator.script('sendSessionFile', { fault: 'reset-mid-body' });
    const answer = await post(service, large);
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': expect.any(String) },
      json: { type: problem('upstream-unavailable'), outcome: 'not_sent', retryable: true },
    });
    nothingWhole();
    expect(ledger()).toHaveLength(1);
  });

  it.each<[string, Scripted]>([
    ['is reset after it was processed', { fault: 'reset-after' }],
    ['is reset before it was processed', { fault: 'reset-before' }],
    ['is closed', { fault: 'close-after' }],
    ['is answered with half a JSON', { fault: 'truncate' }],
    ['is answered with a page', { status: 200, body: html }],
    ['is answered with nothing', { status: 200, body: '' }],
    ['is answered with 500', { status: 500, body: html }],
    ['is answered with 302', { status: 302, body: '', headers: { location: '/elsewhere' } }],
  ])('no more, but %s, has an unknown outcome, and one request', async (_, scripted) => {
    service.simulator.script('sendSessionFile', scripted);
    const answer = await post(service, pdfForm(pdf(300_000)));
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown', attempts: 1 } });
    await sleep(50);
    expect(service.simulator.ledger.entries).toMatchObject([{ operation: 'sendSessionFile', complete: true }]);
    expect(lastLine(service)).toMatchObject({ outcome: 'unknown', status: 202 });
  });

  it.each([
    ['never answered', { fault: 'hang' }],
    ['answered too late', { fault: 'late' }],
  ] as const)('no more, but is %s, has an unknown outcome, and one request', async (_, scripted) => {
    const own = await startService({ ...hasty, settings: { ...connection, UPSTREAM_TIMEOUT_MS: '1000' } });
    own.simulator.script('sendSessionFile', scripted);
    const answer = await post(own, pdfForm(pdf(300_000)));
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown', attempts: 1 } });
    await own.close();
    expect(own.simulator.ledger.entries).toMatchObject([{ operation: 'sendSessionFile', complete: true }]);
    expect(lastLine(own)).toMatchObject({ outcome: 'unknown', status: 202 });
  });

  it('because there is no gateway is not sent', async () => {
    await service.simulator.stopGateway();
    const small = await post(service, form());
    const big = await post(service, large);
    await service.simulator.startGateway();
    for (const answer of [small, big]) {
      expect(answer).toMatchObject({ status: 503, json: { outcome: 'not_sent' } });
      expect(answer.headers).toHaveProperty('retry-after');
    }
    expect(service.simulator.ledger.entries).toEqual([]);
    expect((await post(service, form())).status).toBe(201);
  });

  it('releases its capacity, however it ends', async () => {
    const ends: (() => Promise<unknown>)[] = [
      () => post(service, form({ end: '' })),
      () => post(service, form({ file: 'no picture' })),
      () => post(service, form(), { headers: { 'content-type': 'text/plain' } }),
      () => post(service, form(), { path: fileTo('14159990429') }),
      () => post(service, form(), { path: fileTo('14159990409') }),
      () => post(service, form(), { path: fileTo('14159990202') }),
      () => post(service, form(), { path: fileTo('14159990600') }),
      () => {
        service.simulator.script('sendSessionFile', { fault: 'reset-mid-body' });
        return post(service, large);
      },
      async () => {
        const request = openRequest(service, withLength(large));
        await request.write(large.subarray(0, 100_000));
        await expect.poll(() => uploads.open).toBe(1);
        request.socket.destroy();
      },
    ];
    for (let turn = 0; turn < 3; turn += 1) {
      for (const end of ends) {
        await end();
        await expect.poll(() => uploads.open).toBe(0);
      }
    }
    expect((await post(service, form())).status).toBe(201);
  });
});

describe('an upload with Expect: 100-continue', () => {
  let service: Service;
  let uploads: Uploads;
  beforeAll(async () => {
    ({ service, uploads } = await startTight());
  });
  beforeEach(() => expect.poll(() => uploads.open).toBe(0));
  afterAll(() => service.close());
  const expecting = (length: number, more = {}) => ({
    headers: { 'content-length': String(length), expect: '100-continue', ...more },
  });

  it('gets 100 Continue, and is sent', async () => {
    const body = form();
    const request = openRequest(service, expecting(body.length));
    await expect.poll(() => request.interim).toEqual([100]);
    await request.write(body);
    expect((await request.answer()).status).toBe(201);
    expect(request.interim).toEqual([100]);
    request.socket.destroy();
  });

  it.each([
    ['without a key', 401, { key: null, ...expecting(500) }],
    ['of a length over the limit', 413, expecting(200_000_000)],
    ['of another type', 415, expecting(500, { 'content-type': 'text/plain' })],
    ['to nobody', 400, { path: fileTo('x'), ...expecting(500) }],
    ['on a connection that nobody may use', 400, expecting(500, { 'maton-connection': 'a b' })],
  ])('%s is answered with %i, and never asked for its body', async (_, status, options) => {
    const request = openRequest(service, options);
    expect((await request.answer()).status).toBe(status);
    expect(request.interim).toEqual([]);
    request.socket.destroy();
  });

  it('is refused with Retry-After when too many are open', async () => {
    const body = form();
    const first = openRequest(service, withLength(body));
    await first.write(body.subarray(0, 20));
    await expect.poll(() => uploads.open).toBe(1);
    const second = openRequest(service, expecting(body.length));
    expect(await second.answer()).toMatchObject({
      status: 503,
      headers: { 'retry-after': '2' },
      json: { type: problem('overloaded'), outcome: 'not_sent', retryable: true },
    });
    expect(second.interim).toEqual([]);
    await first.write(body.subarray(20));
    expect((await first.answer()).status).toBe(201);
    expect((await post(service, body)).status).toBe(201);
    first.socket.destroy();
    second.socket.destroy();
  });
});

describe('the minimum rate of an upload', () => {
  const pace = { bytesPerSecondMin: 10 * MIB, graceMs: 400, checkEveryMs: 20 };

  it.each([
    ['before the head of the part', 10],
    ['before the file is known', 300],
    ['in the middle', 300_000],
  ])('is watched: a caller who stalls %s is cut off, and told', async (_, bytes) => {
    const uploads = createUploads({ openMax: 1, ...pace });
    const service = await startService({ settings: connection, seams: { uploads } });
    const request = openRequest(service, withLength(large));
    await request.write(large.subarray(0, bytes));
    expect(await request.answer()).toMatchObject({
      status: 400,
      json: { outcome: 'not_sent', detail: 'the upload came in too slowly; nothing was sent' },
    });
    await expect.poll(() => uploads.open).toBe(0);
    await request.closed;
    expect(service.simulator.ledger.entries.filter(({ complete, processed }) => complete || processed)).toEqual([]);
    await service.close();
  });
});
