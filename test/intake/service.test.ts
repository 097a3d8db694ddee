import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { Spool } from '../../src/intake/spool.ts';
import { fixedTokens } from '../../src/intake/tokens.ts';
import { openStore } from '../../src/store/open.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { OPTIONS } from '../store/samples.ts';
import { isRecord } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { delivered, entryOf, held, memorySink, token } from './door.ts';

const started = async (options: Parameters<typeof startService>[0] = {}) => {
  let url = '';
  const service = await startService({
    ...options,
    settings: {
      INTAKE_PORT: '0',
      INTAKE_TOKENS_FILE: 'not read in tests',
      MATON_CONNECTION_ID: seededConnection,
      ...options.settings,
    },
    seams: {
      intake: {
        tokens: fixedTokens([{ ...entryOf('acme', token), connectionId: seededConnection }]),
        onListening: (port) => {
          url = `http://127.0.0.1:${port}`;
        },
      },
      ...options.seams,
    },
  });
  return { service, url };
};
const get = async (url: string) => {
  const { statusCode, body } = await request(url);
  return { status: statusCode, text: await body.text() };
};
const post = async (url: string, event: object) => {
  const { statusCode, body } = await request(`${url}/wati/${token}`, { method: 'POST', body: JSON.stringify(event) });
  return { status: statusCode, said: await body.json() };
};
const metric = async (service: Service, name: string) => {
  const { text } = await service.ask('GET', '/metrics');
  return text.split('\n').filter((line) => line.startsWith(`wati_bff_intake_${name}`));
};

it('records webhooks, applies them, and counts them in its metrics without the token', async () => {
  let now = Date.parse('2026-11-30T10:00:00Z');
  const { service, url } = await started({ seams: { now: () => now } });
  const { json } = await service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } });
  const id = isRecord(json) ? String(json.id) : '';
  const event = { ...delivered('1'), localMessageId: id };
  expect(await post(url, event)).toEqual({ status: 200, said: { received: 1 } });
  const known = async () => (await service.ask('GET', `/v1/messages/${id}`)).json;
  await expect.poll(known).toMatchObject({ status: 'accepted', delivery: { status: 'delivered', source: 'webhook' } });
  expect(await post(url, [{ eventType: 'threadUpdate' }, event])).toEqual({
    status: 200,
    said: { received: 1, duplicates: 1 },
  });
  expect((await get(`${url}/wati/wrong`)).status).toBe(404);
  now += 30_000;
  expect(await metric(service, 'events_total')).toEqual(
    expect.arrayContaining(['wati_bff_intake_events_total{event="sentmessagedelivered",result="new"} 1']),
  );
  expect(await metric(service, 'bad_tokens_total')).toEqual(['wati_bff_intake_bad_tokens_total 1']);
  await expect
    .poll(() => metric(service, 'backlog_events'))
    .toEqual([
      'wati_bff_intake_backlog_events{state="waiting"} 0',
      'wati_bff_intake_backlog_events{state="failed"} 0',
      'wati_bff_intake_backlog_events{state="spooled"} 0',
    ]);
  expect(await metric(service, 'last_event_seconds')).toEqual([
    `wati_bff_intake_last_event_seconds{connection="${seededConnection}"} 30`,
  ]);
  expect(await metric(service, 'accepted_sends_total')).toEqual([
    `wati_bff_intake_accepted_sends_total{connection="${seededConnection}"} 1`,
  ]);
  expect(await metric(service, 'tokens_file')).toEqual([
    'wati_bff_intake_tokens_file_valid 1',
    expect.stringMatching(/^wati_bff_intake_tokens_file_age_seconds \d/),
  ]);
  const { text } = await service.ask('GET', '/metrics');
  expect(`${text}${JSON.stringify(service.logs())}`).not.toContain(token);
  await service.close();
});

it('serves nothing of one port on the other, and logs no address of a webhook', async () => {
  const { service, url } = await started();
  for (const path of ['/health/live', '/health/ready', '/metrics', '/docs', '/openapi.json', '/v1/messages', '/']) {
    expect(await get(`${url}${path}`)).toEqual({ status: 404, text: '' });
  }
  for (const key of [null, undefined]) {
    const asked = key === null ? { key } : {};
    for (const method of ['GET', 'POST']) {
      const answer = await service.ask(method, `/wati/${token}`, asked);
      expect([401, 404]).toContain(answer.status);
      expect((await service.ask(method, `/wati?token=${token}`, asked)).status).toBe(answer.status);
    }
  }
  expect(JSON.stringify(service.logs())).not.toContain(token);
  await service.close();
});

it('closes after the main listener: webhooks are recorded until the last send has ended, and then the spool is closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wati-bff-service-'));
  const path = join(folder, 'spool.db');
  // A spool goes with PostgreSQL alone, which nothing here connects to.
  const { service, url } = await started({
    store: await openStore('memory:', OPTIONS),
    settings: { STORE_URL: 'postgres://nobody@127.0.0.1:1/none', INTAKE_SPOOL: `file:${path}` },
  });
  const hold = held();
  service.simulator.script('sendSessionMessage', { until: hold.promise });
  const sent = service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } });
  await expect.poll(() => service.simulator.ledger.of('sendSessionMessage').length).toBe(1);
  const closed = service.close();
  const isUp = () =>
    service.ask('GET', '/health/live').then(
      () => true,
      () => false,
    );
  await expect.poll(isUp).toBe(false);
  expect(await post(url, delivered('1'))).toEqual({ status: 200, said: { received: 1 } });
  hold.letGo();
  expect((await sent).status).toBe(201);
  await closed;
  await expect(post(url, delivered('2'))).rejects.toThrow(/ECONNREFUSED/);
  // No process has it open any more.
  await (await Spool.open({ path, target: memorySink().sink, sameThread: true })).close();
  rmSync(folder, { recursive: true });
});

it('is absent by default', async () => {
  const service = await startService();
  expect(service.logs().filter(({ intakePort }) => intakePort !== undefined)).toEqual([]);
  expect(await metric(service, 'events_total')).toEqual([]);
  await service.close();
});
