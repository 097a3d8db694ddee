import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProblemSlug } from '../../src/problem-types.ts';
import type { Scripted } from '../../src/simulator/faults.ts';
import { problem } from '../support/problem-type.ts';
import { allKey, hasty, type Service, startService } from '../support/service.ts';
import { type Arrange, callersOwnHeaders, htmlPage, once, seededConnection, upstreamHeaders } from './outcomes.ts';

const png = 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png';

const server = 'https://live-mt-server.wati.io/2552/api/file/showFile?fileName=';
/** As WATI writes them into a row, and the path in each. */
const shapes: [data: unknown, path: string][] = [
  [`${server}data/images/0266.jpg`, 'data/images/0266.jpg'],
  [`${server}data%2Fdocuments%2F%C3%BC%20b%2Bc%26d.pdf`, 'data/documents/\u00fc b+c&d.pdf'],
  [`${server}data/documents/Invoice (1) #2 & 50%.pdf&t=1`, 'data/documents/Invoice (1) #2 & 50%.pdf'],
  ['https://live-server-10234.wati.io/data/voices/a%20b.ogg?x=1', 'data/voices/a b.ogg'],
  ['data/documents/Invoice (1).pdf', 'data/documents/Invoice (1).pdf'],
  ['/data/stickers/[1].webp', 'data/stickers/[1].webp'],
  [{ fileName: 'Invoice.pdf', url: `${server}data/documents/1.pdf` }, 'data/documents/1.pdf'],
  ['{"path":"data/documents/2.pdf"}', 'data/documents/2.pdf'],
  [[{ media: { link: 'data/documents/3.pdf' } }], 'data/documents/3.pdf'],
];

const page = '<html><body>Sign in</body></html>';
/** Answers in the place of a file, as they are called and as they are packed. */
const notFiles: [string, Scripted][] = [
  ['HTML', { body: page, contentType: 'text/html; charset=utf-8' }],
  ['XHTML', { body: page, contentType: 'application/xhtml+xml' }],
  ['HTML called an image', { body: `\r\n  ${htmlPage}`, contentType: 'image/png' }],
  ['HTML behind a byte order mark', { body: `\uFEFF${page}`, contentType: 'application/octet-stream' }],
  ['HTML behind comments', { body: `<?xml version="1.0"?>\n<!-- edge -->${page}`, contentType: 'image/png' }],
  ['HTML in UTF-16', { body: Buffer.from(`\uFEFF${page}`, 'utf16le'), contentType: 'image/png' }],
  ['packed HTML', { body: gzipSync(page), contentType: 'image/png', headers: { 'content-encoding': 'gzip' } }],
  [
    'HTML packed by Brotli',
    { body: brotliCompressSync(page), contentType: 'image/png', headers: { 'content-encoding': 'br' } },
  ],
  ['JSON', { body: { message: 'An error occurred' } }],
  ['JSON called an image', { body: '{"code":500,"message":"no"}', contentType: 'image/png' }],
  ['a sentence', { body: 'File not found', contentType: 'text/plain' }],
];

describe('media', () => {
  let service: Service;
  const settings = { DOCS: 'off', MATON_CONNECTION_ID: seededConnection };
  beforeAll(async () => {
    service = await startService({ settings });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it('is passed on with its type, as a download, in one call', async () => {
    const answer = await service.ask('GET', `/v1/media?path=${png}`, { headers: callersOwnHeaders });
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'image/png',
        'content-length': '70',
        'content-disposition': 'attachment; filename="5f0c6a3e-0001-4000-8000-000000000001.png"',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
        'x-content-type-options': 'nosniff',
      },
    });
    const { entries } = service.simulator.ledger;
    expect(entries.map(({ path, query, headers }) => ({ path, query, headers }))).toEqual([
      { path: '/api/v1/getMedia', query: { fileName: png }, headers: upstreamHeaders(service, 'keep-alive') },
    ]);
  });

  it('is passed on as compressed as it came', async () => {
    const packed = gzipSync('The small print.');
    const headers = { 'content-encoding': 'gzip' };
    service.simulator.script('getMedia', { body: packed, contentType: 'image/png', headers });
    const answer = await fetch(`${service.url}/v1/media?path=${png}`, {
      headers: { authorization: `Bearer ${allKey}` },
    });
    expect([answer.headers.get('content-type'), answer.headers.get('content-encoding')]).toEqual(['image/png', 'gzip']);
    expect(answer.headers.get('content-length')).toBe(String(packed.length));
    expect(await answer.text()).toBe('The small print.');
  });

  const outcomes: [string, Arrange, number, ProblemSlug][] = [
    ['refused', (simulator) => simulator.stopGateway(), 503, 'upstream-unavailable'],
    ['reset', once({ fault: 'reset-before' }), 503, 'upstream-unavailable'],
    ['500', once({ status: 500, body: htmlPage }), 503, 'upstream-unavailable'],
    ['429', once({ status: 429 }), 429, 'rate-limited'],
    ['302', once({ status: 302, headers: { location: 'https://evil.example/' } }), 502, 'upstream-invalid'],
    ['401', once({ status: 401 }), 502, 'upstream-unauthorized'],
    ['403 with HTML', once({ status: 403, body: htmlPage }), 422, 'upstream-rejected'],
    ['404', once({ status: 404 }), 404, 'not-found'],
    ['200 with a refusal', once({ body: { result: false, info: 'no' } }), 404, 'not-found'],
    ['413', once({ status: 413 }), 422, 'upstream-rejected'],
    ...notFiles.map(([name, answer]): [string, Arrange, number, ProblemSlug] => [
      `200 with ${name}`,
      once(answer),
      502,
      'upstream-invalid',
    ]),
    ['200 with a 404 in JSON', once({ body: { title: 'Not Found', status: 404 } }), 404, 'not-found'],
    [
      '200 with a refusal called an image',
      once({ body: '\uFEFF {"result":"false","info":"no"}', contentType: 'image/png' }),
      404,
      'not-found',
    ],
  ];
  it.each(outcomes)('that WATI answers with %s is the corresponding problem', async (_name, arrange, status, slug) => {
    await arrange(service.simulator, 'getMedia');
    const answer = await service.ask('GET', `/v1/media?path=${png}`);
    expect(answer.json).toMatchObject({ type: problem(slug), status });
    expect(service.simulator.ledger.of('getMedia').length).toBeLessThanOrEqual(1);
    await service.simulator.startGateway();
    expect((await service.ask('GET', '/health/live', { key: null })).status).toBe(200);
  });

  it('over a deleted connection is a 409', async () => {
    // Of its own, because a service keeps for a while which connections there are.
    const own = await startService({ settings });
    own.simulator.tenant.connections.splice(0);
    const { json } = await own.ask('GET', `/v1/media?path=${png}`);
    expect(json).toMatchObject({ type: problem('connection-unusable'), status: 409 });
    expect(own.simulator.ledger.of('getMedia').length).toBeLessThanOrEqual(1);
    await own.close();
  });

  it('that gets no answer is a 504', async () => {
    const own = await startService({ settings: { ...settings, ...hasty.settings } });
    own.simulator.script('getMedia', { fault: 'hang' });
    expect((await own.ask('GET', `/v1/media?path=${png}`)).json).toMatchObject({ type: problem('upstream-timeout') });
    expect(own.simulator.ledger.of('getMedia')).toHaveLength(1);
    await own.close();
  });

  it.each<[string, string, string, Scripted['body'], string]>([
    ['a page of text', 'data/documents/a.txt', 'text/plain', 'About <html>', 'filename="a.txt"'],
    ['JSON that a customer sent', 'data/documents/a.json', 'application/json', '{"message":"hi"}', 'filename="a.json"'],
    ['a drawing', 'data/documents/a.svg', 'image/svg+xml', '<svg></svg>', 'filename="a.svg"'],
    ['no bytes at all', 'data/images/a.png', 'image/png', '', 'filename="a.png"'],
    [
      'a file with a name of many letters',
      'data/documents/Rechnung \u00fc\u2019(1)+&.pdf',
      'application/pdf',
      '%PDF-1.4',
      `filename="Rechnung __(1)__.pdf"; filename*=UTF-8''Rechnung%20%C3%BC%E2%80%99%281%29%2B%26.pdf`,
    ],
  ])('hands out %s', async (_name, path, contentType, body, name) => {
    service.simulator.script('getMedia', { body, contentType });
    const answer = await service.ask('GET', `/v1/media?path=${encodeURIComponent(path)}`);
    expect([answer.status, answer.text]).toEqual([200, body]);
    expect(answer.headers).toMatchObject({
      'content-type': contentType,
      'content-disposition': `attachment; ${name}`,
    });
    expect(service.simulator.ledger.of('getMedia')).toMatchObject([{ query: { fileName: path } }]);
  });

  it('accepts what the rows of a conversation contain, addresses included', async () => {
    for (const [data, path] of shapes) {
      const row = { id: '1', eventType: 'message', owner: false, type: 'document', text: null, data };
      service.simulator.script('getMessages', { body: { messages: { items: [row] } } });
      const { json } = await service.ask('GET', '/v1/conversations/14155551000/messages');
      expect(json, JSON.stringify(data)).toMatchObject({ data: [{ media: { path } }] });
      const asked = typeof data === 'string' && data.startsWith('http') ? [path, data] : [path];
      for (const address of asked) {
        service.simulator.script('getMedia', { body: '%PDF-1.4', contentType: 'application/pdf' });
        const answer = await service.ask('GET', `/v1/media?path=${encodeURIComponent(address)}`);
        expect(answer.status, address).toBe(200);
        expect(service.simulator.ledger.of('getMedia').at(-1)?.query).toEqual({ fileName: path });
      }
    }
  });

  it.each([
    ...['../x', 'data/../x', '/data/x', 'data//x', 'data/.x', 'data/x%0a', '', 'data/%252e%252e/x', 'data/a%5Cb'],
    ...['https://example.com/x.jpg', 'https://example.com/showFile?fileName=..%252Fx', `data/${'x'.repeat(1_100)}`],
  ])('refuses the path %j before any byte', async (path) => {
    const { json } = await service.ask('GET', `/v1/media?path=${path}`);
    expect(json).toMatchObject({ type: problem('validation-failed'), errors: [{ pointer: '/query/path' }] });
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});
