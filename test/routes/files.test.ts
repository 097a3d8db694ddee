import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { allKey, hasty, type Service, startService } from '../support/service.ts';
import { form, JPEG, sha256 } from '../upload/multipart-helper.ts';
import {
  connection,
  csvForm,
  csvPath,
  filePath,
  fileTo,
  lastLine,
  MIB,
  multipartType,
  openRequest,
  pdf,
  pdfForm,
  post,
  textForm,
} from './files-helper.ts';

const keyed = { 'idempotency-key': 'one' };
const people = 'Phone\r\n919812345678\r\n';
/** What of the form's framing is not the same length in ours: none is guessed, both are counted by the simulator. */
const ourContentType = /^multipart\/form-data; boundary=wati-bff-[0-9a-f]{48}$/;

describe('a file that is streamed to WATI', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { ...connection, WATI_CHANNEL_NUMBER: '14155550000', CSV_MAX_ROWS: '20' },
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it('becomes the only part of our own form, at the documented address', async () => {
    const body = form({ disposition: 'form-data; name="file"; filename="invoice 7.jpg"', file: JPEG });
    const answer = await post(service, body, {
      path: `${fileTo('%2B14155551000')}&caption=Gr%C3%BC%C3%9Fe%20%26%2050%25`,
    });
    expect(answer).toMatchObject({
      status: 201,
      headers: { location: `/v1/messages/${answer.json.id}`, 'content-type': expect.stringContaining('json') },
      json: { kind: 'file', to: '14155551000', status: 'accepted', attempts: 1, whatsappMessageId: expect.any(String) },
    });
    expect(service.simulator.ledger.entries).toEqual([
      expect.objectContaining({
        host: 'gateway',
        method: 'POST',
        path: '/api/v1/sendSessionFile/14155551000',
        query: { caption: 'Grüße & 50%', channelPhoneNumber: '14155550000' },
        connection: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
        parts: [
          {
            name: 'file',
            filename: 'invoice 7.jpg',
            contentType: 'image/jpeg',
            headers: [
              'Content-Disposition: form-data; name="file"; filename="invoice 7.jpg"',
              'Content-Type: image/jpeg',
            ],
            bytes: JPEG.length,
            sha256: sha256(JPEG),
          },
        ],
        recipients: ['14155551000'],
        complete: true,
        processed: true,
        status: 200,
      }),
    ]);
    expect(Object.keys(service.simulator.ledger.entries[0]?.headers ?? {}).sort()).toEqual(
      [
        'accept',
        'authorization',
        'connection',
        'content-length',
        'content-type',
        'host',
        'maton-connection',
        'user-agent',
      ].sort(),
    );
    expect(service.simulator.ledger.entries[0]?.headers['content-type']).toMatch(ourContentType);
    expect(lastLine(service)).toMatchObject({
      route: '/v1/messages/file',
      status: 201,
      outcome: 'accepted',
      to: '***1000',
      upstreamStatus: 200,
      upstreamCalls: 1,
    });
    expect(JSON.stringify(service.logs())).not.toContain(allKey);
  });

  it('as a CSV becomes the part that WATI names for it', async () => {
    const answer = await post(service, csvForm(people), { path: csvPath, headers: keyed });
    expect(answer).toMatchObject({ status: 201, json: { kind: 'csv', template: 'welcome', status: 'accepted' } });
    expect(answer.json).not.toHaveProperty('to');
    expect(service.simulator.ledger.of('sendTemplateMessageCSV')).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/api/v1/sendTemplateMessageCSV',
        query: { template_name: 'welcome', broadcast_name: 'hello', channelNumber: '14155550000' },
        parts: [
          {
            name: 'whatsapp_numbers_csv',
            filename: 'people.csv',
            contentType: 'text/csv',
            headers: [
              'Content-Disposition: form-data; name="whatsapp_numbers_csv"; filename="people.csv"',
              'Content-Type: text/csv',
            ],
            bytes: people.length,
            sha256: sha256(Buffer.from(people)),
          },
        ],
        recipients: ['919812345678'],
        complete: true,
        processed: true,
      }),
    ]);
  });

  it.each(['14155551000', '65f0c0de0000000000000000', 'US.123124141512'])('goes to %s', async (to) => {
    await post(service, form(), { path: fileTo(to) });
    expect(service.simulator.ledger.of('sendSessionFile')).toMatchObject([{ path: `/api/v1/sendSessionFile/${to}` }]);
  });

  it.each([
    ['to=0123', '/query/to'],
    ['to=..%2f..%2fadmin', '/query/to'],
    ['to=14155551000&caption=', '/query/caption'],
    ['to=14155551000&x=1', '/query/x'],
    ['caption=a', '/query/to'],
  ])('is refused before a byte for ?%s', async (query, pointer) => {
    const answer = await post(service, form(), { path: `/v1/messages/file?${query}` });
    expect(answer).toMatchObject({ status: 400, json: { type: problem('validation-failed') } });
    expect(answer.json.errors).toContainEqual({ pointer, detail: expect.any(String) });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it.each([1, 4100, MIB - 1, MIB, MIB + 1, 5 * MIB])('of %i bytes arrives byte for byte', async (bytes) => {
    const file = bytes === 1 ? Buffer.from('x') : pdf(bytes);
    const body = bytes === 1 ? textForm(file) : pdfForm(file);
    for (const chunked of [false, true]) {
      expect((await post(service, body, { chunked })).status).toBe(201);
      expect(service.simulator.ledger.entries.at(-1)).toMatchObject({
        complete: true,
        processed: true,
        parts: [{ bytes, sha256: sha256(file) }],
      });
    }
  });

  it('of no bytes is refused, and no call is made', async () => {
    for (const chunked of [false, true]) {
      const answer = await post(service, textForm(''), { chunked });
      expect(answer).toMatchObject({ status: 400, json: { outcome: 'not_sent' } });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});

describe('the texts in the address', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { ...connection, TEXT_URL_MAX_BYTES: '1024' } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it('may not be too long once it is encoded', async () => {
    const around = '/wati/api/v1/sendSessionFile/14155551000?caption='.length;
    const captioned = (caption: string) => post(service, form(), { path: `${filePath}&caption=${caption}` });
    expect((await captioned('a'.repeat(1024 - around))).status).toBe(201);
    service.simulator.ledger.clear();
    expect(await captioned(`${'a'.repeat(1024 - around - 5)}%C3%BC`)).toMatchObject({
      status: 400,
      json: {
        type: problem('validation-failed'),
        errors: [
          {
            pointer: '/query/caption',
            detail: expect.stringMatching(
              /^is too long for WATI once it is encoded: 1025 bytes, at most 1024; the first \d+ of its \d+ characters would fit/,
            ),
          },
        ],
      },
    });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('are the same with and without the plus of a number, so the same key fits', async () => {
    const headers = { 'idempotency-key': 'plus' };
    expect((await post(service, form(), { path: fileTo('%2B14155551000'), headers })).status).toBe(201);
    const again = await post(service, form(), { path: fileTo('14155551000'), headers });
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, 'true']);
    const other = await post(service, form(), { path: `${fileTo('14155551000')}&caption=a`, headers });
    expect([other.status, other.json.type]).toEqual([422, problem('idempotency-mismatch')]);
    expect(service.simulator.ledger.of('sendSessionFile')).toHaveLength(1);
  });
});

describe('the limit for all kinds of files', () => {
  it('applies to every file, with or without a declared length', async () => {
    const service = await startService({ settings: { ...connection, UPLOAD_MAX_BYTES: '100000' } });
    expect((await post(service, pdfForm(pdf(100_000)))).status).toBe(201);
    expect((await post(service, pdfForm(pdf(100_001)))).status).toBe(413);
    expect((await post(service, pdfForm(pdf(100_001)), { chunked: true })).status).toBe(413);
    await expect.poll(() => service.simulator.ledger.entries.every((entry) => entry.parts !== undefined)).toBe(true);
    expect(service.simulator.ledger.entries.filter(({ complete, processed }) => complete || processed)).toHaveLength(1);
    await service.close();
  });
});

describe('the framing of the body to WATI', () => {
  const body = pdfForm(pdf(70_000));
  /** With the caller's length; without it. */
  it.each([
    ['auto', 'length', 'chunked'],
    ['length', 'length', 400],
    ['chunked', 'chunked', 'chunked'],
  ] as const)('%s is %s, and %s where the caller gives no length', async (setting, ...expected) => {
    const service = await startService({ settings: { ...connection, UPLOAD_FRAMING: setting } });
    for (const [turn, framing] of expected.entries()) {
      service.simulator.reset();
      for (const [path, sent, operation] of [
        [filePath, body, 'sendSessionFile'],
        [csvPath, csvForm(people), 'sendTemplateMessageCSV'],
      ] as const) {
        const answer = await post(service, sent, {
          path,
          chunked: turn === 1,
          headers: { 'idempotency-key': `${operation}-${turn}` },
        });
        const [entry] = service.simulator.ledger.of(operation);
        if (framing === 400) {
          expect(answer).toMatchObject({ status: 400, json: { type: problem('malformed-request') } });
          expect(entry).toBeUndefined();
          continue;
        }
        expect(answer.status).toBe(201);
        const { 'content-length': length, 'transfer-encoding': coding } = entry?.headers ?? {};
        const [part] = entry?.parts ?? [];
        const boundary = (entry?.headers['content-type'] ?? '').split('=')[1] ?? '';
        const head = `--${boundary}\r\n${part?.headers.join('\r\n')}\r\n\r\n`.length;
        const whole = head + (part?.bytes ?? 0) + `\r\n--${boundary}--\r\n`.length;
        expect([length, coding]).toEqual(framing === 'length' ? [String(whole), undefined] : [undefined, 'chunked']);
      }
    }
    await service.close();
  });
});

describe('WATI’s answer to a file', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: connection });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it('that it sent as a text is accepted, with a warning', async () => {
    service.simulator.tenant.settings.mediaAsText = true;
    const answer = await post(service, form());
    expect(answer).toMatchObject({
      status: 201,
      json: { status: 'accepted', failure: { code: 'media-sent-as-text', detail: expect.any(String) } },
    });
  });

  it('that its plan does not accept is a refusal in its own words', async () => {
    service.simulator.tenant.settings.mediaByApi = false;
    expect(await post(service, form())).toMatchObject({
      status: 422,
      headers: { location: expect.stringMatching(/^\/v1\/messages\//) },
      json: {
        type: problem('upstream-rejected'),
        outcome: 'rejected',
        upstream: { status: 200, detail: 'Failed to send file' },
      },
    });
  });

  it('outside the window is a conflict', async () => {
    expect(await post(service, form(), { path: fileTo('14155551010') })).toMatchObject({
      status: 409,
      json: { type: problem('session-window-closed'), outcome: 'rejected' },
    });
    expect(service.simulator.ledger.of('sendSessionFile')).toMatchObject([{ complete: true, processed: false }]);
  });

  it.each([
    ['0000', 201, 'accepted', true],
    ['0101', 0, '', false],
    ['0201', 202, 'unknown', false],
    ['0202', 202, 'unknown', true],
    ['0301', 202, 'unknown', false],
    ['0302', 202, 'unknown', true],
    ['0409', 409, 'rejected', false],
    ['0422', 422, 'rejected', false],
    ['0423', 422, 'rejected', false],
    ['0429', 503, 'not_sent', false],
    ['0500', 202, 'unknown', false],
    ['0502', 202, 'unknown', false],
    ['0600', 202, 'unknown', true],
    ['0601', 202, 'unknown', true],
  ])('to a number that ends in %s: %i %s', async (ending, status, outcome, processed) => {
    const isLate = ending.startsWith('03');
    const own = isLate ? await startService({ ...hasty, settings: { ...hasty.settings, ...connection } }) : service;
    const answer = await post(own, form(), { path: fileTo(`1415999${ending}`) });
    const said = answer.json.outcome ?? answer.json.status;
    // Whether a byte was out when the gateway closed is a race; both answers are true ones.
    if (ending === '0101') expect(['202 unknown', '503 not_sent']).toContain(`${answer.status} ${said}`);
    else expect([answer.status, said]).toEqual([status, outcome]);
    if (status === 503) expect(answer.headers['retry-after']).toBe('1');
    expect(own.simulator.ledger.sendsTo(`1415999${ending}`).map((entry) => entry.processed)).toEqual([processed]);
    expect(lastLine(own)).toMatchObject({ outcome: ending === '0101' ? said : outcome });
    if (isLate) await own.close();
  });

  it('is not read without a key, and no call is made', async () => {
    const request = openRequest(service, {
      key: null,
      headers: { 'content-length': '900', 'content-type': multipartType },
    });
    expect(await request.answer()).toMatchObject({ status: 401 });
    request.socket.destroy();
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});

describe('the OpenAPI document', () => {
  it('has a form with a file for both routes', async () => {
    const service = await startService({ settings: { DOCS: 'on' } });
    const { json } = await service.ask('GET', '/openapi.json');
    const form = {
      type: 'object',
      required: ['file'],
      properties: { file: { type: 'string', format: 'binary', description: expect.any(String) } },
    };
    const requestBody = { content: { 'multipart/form-data': { schema: form } } };
    expect(json).toMatchObject({
      paths: { '/v1/messages/file': { post: { requestBody } }, '/v1/broadcasts/csv': { post: { requestBody } } },
    });
    await service.close();
  });
});
