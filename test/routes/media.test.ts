import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allKey, hasty, type Service, startService } from '../helper.ts';
import { type Arrange, callersOwnHeaders, htmlPage, once, seededConnection, upstreamHeaders } from './outcomes.ts';

const png = 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png';

describe('media', () => {
  let service: Service;
  const settings = { DOCS: 'off', MATON_CONNECTION_ID: seededConnection };
  beforeEach(async () => {
    service = await startService({ settings });
  });
  afterEach(() => service.close());

  it('comes through with its type, as a file to keep, in one request', async () => {
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

  it('comes through as compressed as it came', async () => {
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

  const outcomes: [string, Arrange, number, string][] = [
    ['refused', (simulator) => simulator.stopGateway(), 503, 'upstream-unavailable'],
    ['reset', once({ fault: 'reset-before' }), 503, 'upstream-unavailable'],
    ['500', once({ status: 500, body: htmlPage }), 503, 'upstream-unavailable'],
    ['429', once({ status: 429 }), 429, 'rate-limited'],
    ['302', once({ status: 302, headers: { location: 'https://evil.example/' } }), 502, 'upstream-invalid'],
    ['401', once({ status: 401 }), 502, 'upstream-unauthorized'],
    ['403 with HTML', once({ status: 403, body: htmlPage }), 502, 'upstream-unauthorized'],
    ['404', once({ status: 404 }), 404, 'not-found'],
    ['200 with a refusal', once({ body: { result: false, info: 'no' } }), 404, 'not-found'],
    [
      '400 with a connection that is gone',
      ({ tenant }) => tenant.connections.splice(0) && undefined,
      409,
      'connection-unusable',
    ],
    ['413', once({ status: 413 }), 422, 'upstream-rejected'],
  ];
  it.each(outcomes)('%s', async (_name, arrange, status, slug) => {
    await arrange(service.simulator, 'getMedia');
    const answer = await service.ask('GET', `/v1/media?path=${png}`);
    expect(answer.json).toMatchObject({ type: `/problems/${slug}`, status });
    expect(service.simulator.ledger.of('getMedia').length).toBeLessThanOrEqual(1);
    await service.simulator.startGateway();
    expect((await service.ask('GET', '/health/live', { key: null })).status).toBe(200);
  });

  it('that is not answered is a 504', async () => {
    const own = await startService({ settings: { ...settings, ...hasty.settings } });
    own.simulator.script('getMedia', { fault: 'hang' });
    expect((await own.ask('GET', `/v1/media?path=${png}`)).json).toMatchObject({ type: '/problems/upstream-timeout' });
    expect(own.simulator.ledger.of('getMedia')).toHaveLength(1);
    await own.close();
  });

  it.each(['../x', 'data/../x', '/data/x', 'data//x', 'data/.x', 'data/x%0a', ''])(
    'refuses the path %j before any byte',
    async (path) => {
      expect((await service.ask('GET', `/v1/media?path=${path}`)).status).toBe(400);
      expect(service.simulator.ledger.entries).toEqual([]);
    },
  );
});
