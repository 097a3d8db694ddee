import { connect } from 'node:net';
import { request } from 'undici';
import { afterEach, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';

let service: Service;
afterEach(() => service.close());

const started = async (settings: Record<string, string> = {}) => {
  service = await startService({ settings: { ADMIN_PORT: '0', ...settings } });
  const line = service.logs().find(({ msg }) => msg === 'the admin listener is up');
  return `http://127.0.0.1:${line?.adminPort}`;
};
const ask = async (url: string, method: 'GET' | 'POST' | 'HEAD' = 'GET') => {
  const { statusCode, headers, body } = await request(url, { method });
  return { status: statusCode, type: headers['content-type'], text: await body.text() };
};

it('answers health and metrics without a key on the port for operators, and nothing else', async () => {
  const url = await started();
  expect(await ask(`${url}/health/live`)).toMatchObject({ status: 200, text: '{"status":"live"}' });
  expect((await ask(`${url}/health/ready`)).text).toContain('"status":"ready"');
  expect(await ask(`${url}/health/live`, 'HEAD')).toMatchObject({ status: 200, text: '' });
  const metrics = await ask(`${url}/metrics`);
  expect(metrics).toMatchObject({ status: 200, type: expect.stringMatching(/^text\/plain/) });
  expect(metrics.text).toContain('wati_bff_build_info');
  expect((await ask(`${url}/v1/contacts`)).status).toBe(404);
  expect((await ask(`${url}/docs`)).status).toBe(404);
  expect((await ask(`${url}/metrics`, 'POST')).status).toBe(405);
  // The other one keeps its health, and its key for metrics.
  expect((await service.ask('GET', '/health/live', { key: null })).status).toBe(200);
  expect((await service.ask('GET', '/metrics', { key: null })).status).toBe(401);
});

it('answers there while every connection of the main listener is in use', async () => {
  const url = await started({ CONNECTIONS_MAX: '10', CONNECTIONS_PER_ADDRESS_PERCENT: '100' });
  const { port } = new URL(service.url);
  const silent = Array.from({ length: 40 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}));
  await expect
    .poll(async () => (await ask(`${url}/metrics`)).text)
    .toMatch(/^wati_bff_connections_refused_total\{reason="silent"\} [1-9]/m);
  for (let n = 0; n < 20; n += 1) expect((await ask(`${url}/health/live`)).status).toBe(200);
  for (const socket of silent) socket.destroy();
});

it('is absent by default', async () => {
  service = await startService();
  expect(service.logs().filter(({ msg }) => msg === 'the admin listener is up')).toEqual([]);
});
