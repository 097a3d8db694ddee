import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { REFUSED } from '../upload/multipart-cases.ts';
import { form, JPEG, sha256 } from '../upload/multipart-helper.ts';
import { SENT } from '../upload/multipart-sent-cases.ts';
import {
  chunk,
  connection,
  csvForm,
  csvPath,
  filePath,
  lastLine,
  openRequest,
  type RawOptions,
  random,
} from './files-helper.ts';

/** The body in pieces of random size; each is written by itself, and is an HTTP chunk where there is no length. */
async function postInPieces(service: Service, body: Buffer, seed: number, options: RawOptions & { chunked: boolean }) {
  const next = random(seed);
  const { chunked, headers, ...rest } = options;
  const length: Record<string, string> = chunked ? {} : { 'content-length': String(body.length) };
  const request = openRequest(service, { ...rest, headers: { ...length, ...headers } });
  request.socket.setNoDelay();
  for (let at = 0; at < body.length; ) {
    const size = 1 + Math.floor(next() * (next() < 0.5 ? 8 : 400));
    const piece = body.subarray(at, at + size);
    await request.write(chunked ? chunk(piece) : piece);
    if (next() < 0.3) await setImmediate();
    at += size;
  }
  if (chunked) await request.write('0\r\n\r\n');
  const answer = await request.answer();
  request.socket.destroy();
  return answer;
}

/** Those whose fault needs a setting of its own are in files.test.ts. */
const refused = REFUSED.filter(([, , , options = {}]) => Object.keys(options).every((name) => name === 'contentType'));
const sent = SENT.filter(([, , , , options]) => options === undefined);

describe('hostile and malformed bodies over a socket', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: connection });
  });
  afterAll(() => service.close());
  const nothingWhole = () =>
    expect(service.simulator.ledger.entries.filter(({ complete, processed }) => complete || processed)).toEqual([]);

  it('are more than sixty', () => expect(refused.length).toBeGreaterThan(60));

  it.each(refused)('%s', async (_, code, given, options = {}) => {
    const body = Buffer.isBuffer(given) ? given : form(given);
    for (const [seed, chunked] of [false, true, false, true].entries()) {
      const headers = options.contentType === undefined ? {} : { 'content-type': options.contentType };
      const answer = await postInPieces(service, body, seed, { chunked, headers });
      expect(answer.status).toBe(code === 'unsupported-type' ? 415 : 400);
      expect(answer).toMatchObject({
        headers: { 'content-type': expect.stringContaining('application/problem+json') },
        json: { status: answer.status, retryable: false },
      });
      nothingWhole();
    }
    expect(lastLine(service)).toMatchObject({ route: '/v1/messages/file', problem: expect.any(String) });
  });

  it.each([
    ['a chunk size that is none', 'xyz\r\n'],
    ['a negative chunk size', '-1\r\n'],
    ['a chunk longer than it says', '1\r\nabc\r\n0\r\n\r\n'],
    ['a chunk size over all limits', 'fffffffffffffffff\r\n'],
  ])('%s', async (_, wire) => {
    const request = openRequest(service, {});
    await request.write(chunk(form({ end: '' })));
    await request.write(wire);
    // Node's parser has the word here: an answer, or the end of the line.
    const status = await request.answer().then(
      (answer) => answer.status,
      () => 400,
    );
    expect(status).toBe(400);
    nothingWhole();
  });

  it.each([
    ['a length and chunks at once', { 'content-length': '5', 'transfer-encoding': 'chunked' }],
    ['another coding', { 'transfer-encoding': 'gzip, chunked, identity' }],
    ['a length that is none', { 'content-length': '0x10' }],
  ])('%s', async (_, headers) => {
    const request = openRequest(service, { headers });
    expect((await request.answer()).status).toBe(400);
    nothingWhole();
  });

  // The two bytes of its last line end are no part of what must be there.
  it.each([1, -3])('a Content-Length that is wrong by %i', async (by) => {
    const body = form();
    const request = openRequest(service, {
      headers: { 'content-length': String(body.length + by), connection: 'close' },
    });
    await request.write(body);
    if (by > 0) request.socket.end();
    const answer = await request.answer().catch(() => undefined);
    if (by < 0) expect(answer).toMatchObject({ status: 400 });
    await request.closed;
    nothingWhole();
  });

  it('never leave a complete body, even later', async () => {
    await new Promise((resume) => setTimeout(resume, 200));
    nothingWhole();
  });
});

describe('unusual bodies that are valid', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: connection });
  });
  afterAll(() => service.close());

  it.each(sent)('%s', async (_, given, name, type = 'image/jpeg') => {
    const file = Buffer.from(given.file ?? JPEG);
    for (const [seed, chunked] of [false, true].entries()) {
      service.simulator.reset();
      expect((await postInPieces(service, form(given), seed, { chunked, path: filePath })).status).toBe(201);
      const [entry] = service.simulator.ledger.of('sendSessionFile');
      const [part] = entry?.parts ?? [];
      expect(entry).toMatchObject({ complete: true, processed: true });
      expect(part).toMatchObject({ name: 'file', contentType: type, bytes: file.length, sha256: sha256(file) });
      // A name that is not fit to be passed on is made from an id of ours.
      expect(part?.filename?.replace(/^file-[0-9a-f-]{36}/, 'file-0042')).toBe(name);
      expect(part?.headers).toHaveLength(2);
    }
  });

  it('a CSV in chunks of any size', async () => {
    const file = Buffer.from(
      `\uFEFFPhone;Name\r\n${Array.from({ length: 300 }, (_, i) => `9198${10_005_000 + i};"A ""B"" \u00e9"\r\n`).join('')}`,
    );
    for (let seed = 0; seed < 4; seed += 1) {
      const headers = { 'idempotency-key': randomUUID() };
      const answer = await postInPieces(service, csvForm(file), seed, {
        chunked: seed % 2 === 1,
        path: csvPath,
        headers,
      });
      expect(answer.status).toBe(201);
      expect(service.simulator.ledger.of('sendTemplateMessageCSV').at(-1)?.parts).toMatchObject([
        { bytes: file.length, sha256: sha256(file) },
      ]);
    }
  });
});
