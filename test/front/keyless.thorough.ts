import { afterEach, describe, expect, it } from 'vitest';
import { sampleRefusals } from '../../src/http/sampled-log.ts';
import { allKey, type Service, startService } from '../support/service.ts';

let service: Service;
afterEach(() => service?.close());

const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`any:${password}`).toString('base64')}` });

const documents = { DOCS: 'on', CONSOLE: 'on' };

describe('a route without a key', () => {
  it.each([
    '/docs',
    '/console',
    '/assets/x/app.js',
    '/openapi.json',
    '/problems',
    '/problems/internal',
    '/nothing',
    '/%zz',
    '/v1/contacts',
    '/v1/%zz',
  ])('is answered at a limited rate, then refused cheaply: %s', async (path) => {
    service = await startService({
      settings: { KEYLESS_PER_SECOND: '1', ...(/docs|openapi|console|assets/.test(path) && documents) },
    });
    const ask = (key: string | null) => service.ask('GET', path, { key });
    const first = (await ask(null)).status;
    let refused = await ask(null);
    // Another second may pass while the first answer is written down.
    for (let n = 0; n < 10 && refused.status !== 429; n += 1) refused = await ask(null);
    expect([first === 429, refused.status]).toEqual([false, 429]);
    expect(refused.headers['retry-after']).toBeDefined();
    // Callers behind the same address, and probes, are still served.
    expect((await service.ask('GET', '/v1/contacts')).status).toBe(200);
    for (let n = 0; n < 5; n += 1) expect((await service.ask('GET', '/health/live', { key: null })).status).toBe(200);
  });
});

describe('the documents', () => {
  const paths = [
    '/docs',
    '/docs/',
    '/docs/json',
    '/docs/yaml',
    '/docs/static/swagger-ui.css',
    '/openapi.json',
    '/openapi.yaml',
  ];

  it('say at the top of their page what is behind it', async () => {
    service = await startService({ settings: documents });
    expect((await service.ask('GET', '/docs', { key: null })).text).toContain('REAL ACCOUNT');
    await service.close();
    service = await startService({ settings: documents, seams: { sandbox: true } });
    const { text } = await service.ask('GET', '/docs', { key: null });
    expect(text).toContain('SANDBOX');
    expect(text).not.toContain('REAL ACCOUNT');
  });

  it('are for callers only if so configured: with the key as the password of Basic, or as Bearer', async () => {
    service = await startService({ settings: { DOCS: 'key', CONSOLE: 'on' } });
    for (const path of paths) {
      const anonymous = await service.ask('GET', path, { key: null });
      expect([anonymous.status, anonymous.headers['www-authenticate']]).toEqual([
        401,
        expect.stringMatching(/^Basic /),
      ]);
      expect(anonymous.text).not.toMatch(/operationId|<html/);
      for (const wrong of [
        basic('wrong-key-of-more-than-20'),
        basic(''),
        { authorization: 'Basic ?' },
        { authorization: 'Basic' },
      ])
        expect((await service.ask('GET', path, { key: null, headers: wrong })).status, path).toBe(401);
      expect((await service.ask('GET', path, { key: null, headers: basic(allKey) })).status, path).toBe(200);
      expect((await service.ask('GET', path)).status, path).toBe(200);
    }
  });

  it('have different ETags', async () => {
    service = await startService({ settings: documents });
    for (const path of paths) {
      const { headers } = await service.ask('GET', path, { key: null });
      const tag = { 'if-none-match': String(headers.etag) };
      expect((await service.ask('GET', path, { key: null, headers: tag })).status, path).toBe(304);
    }
    expect((await service.ask('GET', '/docs/static/nothing.js', { key: null })).status).toBe(404);
    expect((await service.ask('GET', '/docs/static/..%2f..%2fpackage.json', { key: null })).status).toBe(404);
  });
});

describe('the log of equal refusals', () => {
  it('contains the first ten of ten seconds, and a count of the others', async () => {
    service = await startService({ settings: { CONSOLE: 'on' } });
    for (let n = 0; n < 30; n += 1) await service.ask('GET', '/v1/contacts', { key: null });
    const lines = () => service.logs().filter(({ msg, status }) => msg === 'request' && status === 401);
    expect(lines()).toHaveLength(10);
    // Another route, or another fault, is another story.
    await service.ask('GET', '/v1/templates', { key: null });
    expect(lines()).toHaveLength(11);
    const { text } = await service.ask('GET', '/metrics');
    expect(text).toContain('wati_bff_log_lines_left_out_total 20');
    expect(text).toContain('wati_bff_refused_requests_total{status="401"} 31');
    await service.app.close();
    expect(service.logs()).toContainEqual(
      expect.objectContaining({ msg: 'equal refusals, not logged one by one', status: 401, left: 20 }),
    );
  });

  it('contains every send that ended, however many are alike', async () => {
    service = await startService({ settings: { CONSOLE: 'on' } });
    for (let n = 0; n < 15; n += 1) {
      service.simulator.script('sendSessionMessage', { status: 400, body: { message: 'no' } });
      await service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: `Hello ${n}` } });
    }
    expect(service.logs().filter(({ msg, outcome }) => msg === 'request' && outcome === 'rejected')).toHaveLength(15);
  });

  it('begins anew when its time is over', () => {
    let now = 0;
    const told: object[] = [];
    const log = sampleRefusals(() => {}, { tell: (line) => told.push(line), clock: () => now });
    log.flush();
    now += 20_000;
    log.flush();
    log.close();
    expect([told, log.left]).toEqual([[], 0]);
  });
});
