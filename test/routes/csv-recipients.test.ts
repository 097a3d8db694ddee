import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { form } from '../upload/multipart-helper.ts';
import { connection, post } from './files-helper.ts';

const usKey = 'test-key-of-a-caller-for-the-us';

/** Each group has a service of its own: an imported broadcast goes on sending when its test is over. */
function withService() {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: connection,
      callers: [{ name: 'us-only', key: usKey, scopes: ['*'], countries: ['US', 'CA'] }],
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());
  let keys = 0;
  const send = (route: string, file: string | Buffer, { template = 'welcome', type = 'text/csv', key = '' } = {}) => {
    keys += 1;
    const body = form({ disposition: 'form-data; name="file"; filename="people.csv"', type, file });
    return post(service, body, {
      path: `/v1/broadcasts/${route}?template=${template}&broadcastName=x`,
      headers: { 'idempotency-key': `csv-${keys}` },
      ...(key !== '' && { key }),
    });
  };
  const processed = () => service.simulator.ledger.entries.filter((entry) => entry.processed);
  const sendsOf = () => processed().filter(({ recipients }) => recipients.length > 0);
  return { send, sendsOf };
}

describe('a CSV with a fault', () => {
  const { send, sendsOf } = withService();

  describe.each(['import', 'csv'])('(%s)', (route) => {
    it.each([
      ['Name,CountryCode,Phone\nAsha,91,919812345670\n', /CountryCode gives too/],
      ['Name,CountryCode,Phone\nAsha,49,015112345678\n', /0 behind the country code of Germany/],
      ['CountryCode,Phone,code\n+44,07700900123,1\n', /0 behind the country code of United Kingdom/],
      ['Phone\n4155551000\n', /Switzerland.*is the country code missing\?/],
      ['Name,Calling Code,Phone\nAsha,+91,9812345670\n', /call it CountryCode, or remove it/],
      ['Phone Number\n14155551000\n', /found: Phone Number/],
    ])('never sends to a number that the file did not mean: %j', async (file, words) => {
      const answer = await send(route, file);
      expect(answer).toMatchObject({ status: 422, json: { type: problem('csv-invalid'), outcome: 'not_sent' } });
      expect(JSON.stringify(answer.json.errors)).toMatch(words);
      expect(answer.json.errors).toMatchObject([{ row: expect.any(Number), line: expect.any(Number) }]);
      expect(sendsOf()).toEqual([]);
    });

    it('lists numbers in countries that its caller may not send to', async () => {
      const answer = await send(route, 'Phone\n14155551000\n4795551000\n', { key: usKey });
      expect(answer).toMatchObject({
        status: 422,
        json: {
          errors: [{ pointer: '/rows/2/Phone', row: 2, line: 3, detail: expect.stringMatching(/Norway.*US, CA/) }],
        },
      });
      expect(sendsOf()).toEqual([]);
    });

    it('needs a column and a value for each parameter of the template', async () => {
      const answer = await send(route, 'Phone,customer_name,order_id\n14155551000,Asha,\n', {
        template: 'order_update',
      });
      expect(answer).toMatchObject({ status: 422, json: { errors: [{ pointer: '/rows/0/order_status' }] } });
      const nearly = await send(route, 'Phone,Costumer Name,order_id,order_status\n14155551000,Asha,A,sent\n', {
        template: 'order_update',
      });
      const detail = expect.stringMatching(/if "Costumer Name" is meant, call it customer_name$/);
      expect(nearly.json).toMatchObject({ errors: [{ pointer: '/rows/0/customer_name', detail }] });
      const blank = await send(route, 'Phone,customer_name,order_id,order_status\n14155551000,Asha,,sent\n', {
        template: 'order_update',
      });
      expect(blank).toMatchObject({ status: 422, json: { errors: [{ pointer: '/rows/1/order_id' }] } });
      expect(sendsOf()).toEqual([]);
    });

    it.each(['image/png', 'application/pdf', 'video/mp4'])('is a 415 as %s', async (type) => {
      expect(await send(route, 'Phone\n14155551000\n', { type })).toMatchObject({
        status: 415,
        json: { detail: expect.stringContaining(`declared as ${type}`) },
      });
    });

    it.each([
      ['a workbook', Buffer.from('PK\x03\x04\x14\x00\x06\x00', 'latin1'), /workbook.*CSV UTF-8/],
      ['UTF-16', Buffer.from('\uFEFFPhone\n14155551000\n', 'utf16le'), /UTF-16.*CSV UTF-8/],
    ])('that is %s says which click mends it', async (_, file, words) => {
      expect(await send(route, file)).toMatchObject({ status: 415, json: { detail: expect.stringMatching(words) } });
    });
  });
});

describe('a valid CSV', () => {
  const { send, sendsOf } = withService();

  describe.each(['import', 'csv'])('(%s)', (route) => {
    it.each([
      ['text/csv'],
      ['text/x-csv'],
      ['application/x-csv'],
      ['text/x-comma-separated-values'],
      ['text/comma-separated-values'],
      ['application/vnd.ms-excel'],
      ['text/plain'],
      ['application/octet-stream'],
      ['binary/octet-stream'],
      ['application/x-unknown'],
    ])('is taken as %s', async (type) => {
      const { status } = await send(route, 'Phone\n14155551000\n', { type });
      expect([201, 202]).toContain(status);
    });

    it('may have blank lines at its end', async () => {
      const { status } = await send(route, 'Phone,note\n919812345678,1\n\n\n');
      expect([201, 202]).toContain(status);
    });
  });

  it('imports numbers as people write them, to the intended recipients', async () => {
    const file = 'sep=;\r\n Phone ; Country Code ;x;\r\n 981 234-5670 ;+91;a;\r\n+1 (415) 555-1000;;b;\r\n;;;\r\n';
    const answer = await send('import', file);
    expect(answer).toMatchObject({ status: 202, json: { counts: { total: 2 } } });
    await expect
      .poll(
        () =>
          sendsOf()
            .flatMap(({ recipients }) => recipients)
            .toSorted(),
        { timeout: 10_000 },
      )
      .toEqual(['14155551000', '919812345670']);
  });
});
