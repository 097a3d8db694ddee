import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { sha256 } from '../upload/multipart-helper.ts';
import { connection, csvForm, csvPath, openRequest, post } from './files-helper.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, at) => `9198${20_000_000 + at}`);
const rows = (count: number, rest = '') =>
  numbers(count)
    .map((number) => `${number}${rest}\r\n`)
    .join('');

describe('a CSV that is streamed to WATI', () => {
  let service: Service;
  beforeAll(async () => {
    const broadcaster = { name: 'broadcaster', key: 'key-of-broadcasts-alone', scopes: ['broadcasts:send'] };
    service = await startService({
      callers: [broadcaster],
      settings: { ...connection, CSV_MAX_ROWS: '500000' },
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());
  const ledger = () => service.simulator.ledger.of('sendTemplateMessageCSV');
  let keys = 0;
  const send = (file: string | Buffer, options: { path?: string; chunked?: boolean } = {}) => {
    keys += 1;
    return post(service, csvForm(file), { path: csvPath, headers: { 'idempotency-key': `csv-${keys}` }, ...options });
  };

  it('is sent for a caller that may send broadcasts and nothing else', async () => {
    const options = { path: csvPath, key: 'key-of-broadcasts-alone', headers: { 'idempotency-key': 'alone' } };
    expect(await post(service, csvForm(`Phone\r\n${rows(2)}`), options)).toMatchObject({ status: 201 });
    expect(ledger()).toMatchObject([{ complete: true, recipients: numbers(2) }]);
  });

  it.each([
    ['a BOM', '\uFEFFPhone\r\n919812345678\r\n', ['919812345678']],
    ['semicolons', 'Name;CountryCode;Phone\n"A; B";+91;9812345678\n', ['919812345678']],
    [
      'semicolons and a BOM',
      '\uFEFFPhone;Name\r\n919812345678;Asha\r\n4915112345678;"Ben"',
      ['919812345678', '4915112345678'],
    ],
    ['commas, and a line end in a cell', 'Phone,Name\r\n919812345678,"a\r\nb"\r\n', ['919812345678']],
  ])('passes with %s as it is', async (_, file, recipients) => {
    expect(await send(file)).toMatchObject({
      status: 201,
      json: { kind: 'csv', status: 'accepted', template: 'welcome' },
    });
    const bytes = Buffer.from(file);
    expect(ledger()).toMatchObject([
      { complete: true, processed: true, recipients, parts: [{ bytes: bytes.length, sha256: sha256(bytes) }] },
    ]);
  });

  it('lists the first 100 faults, and their number', async () => {
    const answer = await send(`Phone\r\n${'12\r\n'.repeat(150)}`);
    expect(answer).toMatchObject({
      status: 422,
      json: { detail: expect.stringContaining('150 faults; the first 100') },
    });
    expect(answer.json.errors).toHaveLength(100);
    expect(answer.json.errors).toContainEqual({
      pointer: '/rows/100/Phone',
      detail: expect.any(String),
      row: 100,
      line: 101,
    });
    expect(ledger().filter(({ complete, processed }) => complete || processed)).toEqual([]);
  });

  it('with a duplicate number is refused', async () => {
    expect(await send('Phone\r\n919812345678\r\n+919812345678\r\n')).toMatchObject({
      status: 422,
      json: { errors: [{ pointer: '/rows/2/Phone', detail: 'the number is given twice, first in row 1' }] },
    });
    expect(ledger().filter(({ complete, processed }) => complete || processed)).toEqual([]);
  });

  it('without the column for the number makes no call', async () => {
    expect(await send(`Number\r\n${rows(10_000)}`)).toMatchObject({
      status: 422,
      json: { type: problem('csv-invalid') },
    });
    expect(ledger()).toEqual([]);
  });

  it.each([
    ['none', 'WATI has no template "none"'],
    ['new_promo', 'the template "new_promo" is pending, not approved'],
    ['old_promo', 'the template "old_promo" is deleted, not approved'],
    ['bad_promo', 'the template "bad_promo" is rejected, not approved'],
    ['paused_promo', 'the template "paused_promo" is paused, not approved'],
  ])('of the template %s is refused before a byte is read', async (template, detail) => {
    const request = openRequest(service, {
      path: `/v1/broadcasts/csv?template=${template}&broadcastName=hello`,
      headers: { 'idempotency-key': 'once', 'content-length': '100', expect: '100-continue' },
    });
    expect(await request.answer()).toMatchObject({ status: 422, json: { type: problem('template-unknown'), detail } });
    expect(request.interim).toEqual([]);
    request.socket.destroy();
    expect(ledger()).toEqual([]);
  });

  it('needs an Idempotency-Key', async () => {
    const answer = await post(service, csvForm('Phone\r\n919812345678\r\n'), { path: csvPath });
    expect(answer).toMatchObject({
      status: 400,
      json: {
        type: problem('validation-failed'),
        errors: [{ pointer: '/headers/idempotency-key', detail: 'is required: 1 to 255 letters, digits and . _ : -' }],
      },
    });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('that WATI takes without an answer is a 202 unknown, and is sent once', async () => {
    service.simulator.script('sendTemplateMessageCSV', { fault: 'reset-after' });
    expect(await send(`Phone\r\n${rows(10)}`)).toMatchObject({ status: 202, json: { status: 'unknown' } });
    expect(ledger()).toHaveLength(1);
  });
});

describe('the rows of a CSV', () => {
  it('are as many as the setting allows, and not one more', async () => {
    const service = await startService({ settings: { ...connection, CSV_MAX_ROWS: '1000' } });
    // A thousand numbers in a row have some of those among them that make the sandbox misbehave.
    service.simulator.tenant.settings.magic = false;
    const send = (count: number) =>
      post(service, csvForm(`Phone\r\n${rows(count)}`), {
        path: csvPath,
        headers: { 'idempotency-key': `rows-${count}` },
      });
    expect((await send(1000)).status).toBe(201);
    expect(await send(1001)).toMatchObject({
      status: 422,
      json: {
        type: problem('csv-invalid'),
        errors: [{ pointer: '/rows/1001', detail: 'the file has more than 1000 rows' }],
      },
    });
    const processed = service.simulator.ledger.of('sendTemplateMessageCSV').filter((entry) => entry.processed);
    expect(processed).toHaveLength(1);
    await service.close();
  });
});
