import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

const to = '14155551000';

const presigned = (length: number) =>
  `https://bucket.s3.eu-central-1.amazonaws.com/in%20voice.pdf?X-Amz-Credential=AKIA%2F20261101&X-Amz-Signature=`.padEnd(
    length,
    '0a',
  );
/** Addresses, and what the fault says of those that are none to fetch. */
const addresses: [url: string, fault?: string][] = [
  ['https://example.com?file=1.pdf'],
  ['https://example.com#page=1'],
  ['https://example.com'],
  ['https://example.com:8443/a.pdf'],
  ['HTTPS://example.com/a.pdf'],
  ['https://m\u00fcnchen.example/\u00fc.pdf'],
  ['https://[2001:db8::1]/a.pdf'],
  ['https://example.com/a@b/c.pdf?user=a@b'],
  [presigned(2_300)],
  [presigned(4_096)],
  ['http://example.com/a.pdf', 'begins with http://: only https:// is taken'],
  ['ftp://example.com/a.pdf', 'must be a whole address that begins with https://'],
  ['example.com/a.pdf', 'must be a whole address that begins with https://'],
  ['//example.com/a.pdf', 'must be a whole address that begins with https://'],
  ['https://example.com/a b.pdf', 'has a blank in it: write it as %20'],
  ['https:///a.pdf', 'has no host behind https://'],
  ['https://?a', 'has no host behind https://'],
  ['https://a:b@example.com/a.pdf', 'has a user name or password in front of its host, which is not taken'],
  ['https://example.com\\a.pdf', 'has a backslash in its host'],
  ['https://exa mple.com/', 'has a blank in it: write it as %20'],
  ['https://example.com:99999/', 'is no address that can be read: look at its host and port'],
];

describe('an address that WATI is to fetch, and an address that contains a text', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each(addresses)('is validated, with words: %.60s', async (url, fault) => {
    for (const [route, pointer, content] of [
      ['file-link', '/url', { url }],
      ['buttons', '/header/url', { body: 'Shall we?', buttons: [{ text: 'Yes' }], header: { type: 'document', url } }],
    ] as const) {
      const answer = await service.ask('POST', `/v1/messages/${route}`, { json: { to, ...content } });
      if (fault === undefined) expect(answer.status, answer.text).toBe(201);
      else expect(answer.json).toMatchObject({ status: 400, errors: [{ pointer, detail: fault }] });
    }
    expect(service.simulator.ledger.entries).toHaveLength(fault === undefined ? 2 : 0);
  });

  it.each([
    ['Greek', '\u03b1', 6],
    ['Hindi', '\u0928', 9],
    ['faces', '😀', 12],
  ])('says how much of a text fits: %s', async (_name, letter, bytes) => {
    const around = '/wati/api/v1/sendSessionMessage/14155551000?messageText='.length + '&localMessageId='.length + 36;
    const fits = Math.floor((8_192 - around) / bytes);
    const send = (count: number) =>
      service.ask('POST', '/v1/messages/text', { json: { to, text: letter.repeat(count) } });
    expect((await send(fits)).status).toBe(201);
    const detail = `is too long for WATI once it is encoded: ${around + 2_000 * bytes} bytes, at most 8192; the first ${fits} of its 2000 characters would fit: send it in parts`;
    expect((await send(2_000)).json).toMatchObject({ status: 400, errors: [{ pointer: '/text', detail }] });
  });
});
