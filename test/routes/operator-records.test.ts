import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { newMessage, OPTIONS } from '../store/samples.ts';
import { problem } from '../support/problem-type.ts';
import { say } from '../support/raw-http.ts';
import {
  auditLines,
  crmKey,
  idIn,
  type OperatedService,
  pausedBroadcast,
  readerKey,
  reason,
  revealerKey,
  shopKey,
  staff,
  startOperated,
  stop,
  writerKey,
} from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: OperatedService;
let store: Store;
beforeEach(async () => {
  store = await openStore('memory:', OPTIONS);
  service = await startOperated({ callers: staff, store, settings: { MATON_CONNECTION_ID: seededConnection } });
});
afterEach(() => service.close());

const read = (path: string, key = readerKey) => service.ask('GET', `/v1/operations/${path}`, { key });
const act = (path: string, key = writerKey) => service.ask('POST', `/v1/operations/${path}`, { key });
const text = (key: string, to = '14155551000') =>
  service.ask('POST', '/v1/messages/text', { key, json: { to, text: 'Hello' } });

describe('an operator', () => {
  it('sees the messages of all callers, newest first, and finds them by caller, number, status and broadcast', async () => {
    const crm = idIn((await text(crmKey)).json);
    const shop = idIn((await text(shopKey, '14155551001')).json);
    const broadcastId = await pausedBroadcast(service, crmKey, ['14155551002', '14155551003']);
    const ids = async (query: string) => {
      const { json } = await read(`messages?${query}`);
      return JSON.stringify(json).match(/(?<="id":")[^"]+/g) ?? [];
    };
    const found = await ids('limit=100');
    expect(found).toHaveLength(4);
    expect(found.slice(2)).toEqual([shop, crm]);
    expect(await ids('caller=shop')).toEqual([shop]);
    expect(await ids('to=14155551000')).toEqual([crm]);
    expect(await ids('status=accepted&limit=100')).toEqual(expect.arrayContaining([shop, crm]));
    expect(await ids(`broadcastId=${broadcastId}`)).toHaveLength(2);
    expect(await ids(`broadcastId=${broadcastId}&caller=shop`)).toEqual([]);
    expect(await ids(`id=${shop}`)).toEqual([shop]);
    expect(await ids(`id=${shop}&caller=crm`)).toEqual([]);
    expect(await ids('id=none')).toEqual([]);
    expect(await ids(`template=welcome&broadcastId=${broadcastId}`)).toHaveLength(2);
    expect(await ids('until=2020-01-01T00:00:00Z')).toEqual([]);
    expect((await read('messages?since=2020-01-01T00:00:00Z&until=2019-01-01T00:00:00Z')).status).toBe(400);
    expect((await read('messages?since=2099-01-01T00:00:00Z')).status).toBe(400);
    expect((await read('messages?cursor=bad')).status).toBe(400);
    expect((await read('messages?since=2026-02-31T25:00:00Z')).status).toBe(400);
  });

  it('sees numbers by their last four digits, wherever they occur', async () => {
    await text(crmKey);
    await store.insert(newMessage('told', { caller: 'gone' }));
    const failure = { code: 'recipient', detail: 'the number +1 415-555-1234 is not on WhatsApp' };
    await store.claim('told', 1);
    await store.complete('told', {
      status: 'rejected',
      failure,
      outcome: {},
      whatsappMessageId: 'wamid.HBgL14155551234',
    });
    const { text: masked } = await read('messages');
    expect(masked).toContain('"to":"***1000"');
    expect(masked).toContain('***1234 is not on WhatsApp');
    expect(masked.replace(/\D{0,3}/g, '')).not.toContain('1415555');
    expect(masked).not.toContain('wamid');
    expect(auditLines(service)).toEqual([]);
  });

  it('sees full numbers on request and with the scope for it, which is audited', async () => {
    await text(crmKey);
    expect((await read('messages', revealerKey)).text).toContain('***1000');
    const revealed = await read('messages?reveal=true&to=14155551000', revealerKey);
    expect(revealed.json).toMatchObject({ data: [{ to: '14155551000', caller: 'crm' }] });
    for (const key of [readerKey, writerKey]) expect((await read('messages?reveal=true', key)).status).toBe(403);
    expect(auditLines(service)).toMatchObject([
      { act: 'messages-reveal', caller: 'revealer', outcome: 'done', about: { to: '***1000', messages: 1 } },
    ]);
  });

  it('sees why a scheduled broadcast would not start', async () => {
    const begun = await service.ask('POST', '/v1/broadcasts', {
      key: crmKey,
      json: {
        template: 'welcome',
        broadcastName: 'later',
        recipients: [{ to: '14155551000' }],
        sendAt: new Date(Date.now() + 3_600_000).toISOString(),
      },
      headers: { 'idempotency-key': 'later' },
    });
    expect(begun.status).toBe(202);
    await stop(service, { callers: ['crm'] });
    expect((await read('broadcasts')).json).toMatchObject({
      data: [{ status: 'scheduled', hold: { code: 'sending-stopped' } }],
    });
  });

  it('pauses, resumes and cancels the broadcast of any caller, and each act is audited', async () => {
    const id = await pausedBroadcast(service, crmKey);
    await stop(service, { callers: ['crm'] });
    expect(await act(`broadcasts/${id}/resume`)).toMatchObject({
      status: 200,
      json: {
        status: 'running',
        caller: 'crm',
        hold: { code: 'sending-stopped', detail: expect.stringContaining(reason) },
      },
    });
    expect((await act(`broadcasts/${id}/pause`)).json).toMatchObject({ status: 'paused' });
    expect((await act(`broadcasts/${id}/cancel`, readerKey)).status).toBe(403);
    expect((await act(`broadcasts/${id}/cancel`)).json).toMatchObject({ status: 'cancelled' });
    expect((await act(`broadcasts/${id}/resume`)).json).toMatchObject({ type: problem('broadcast-over') });
    expect((await act('broadcasts/none/pause')).status).toBe(404);
    expect((await read('broadcasts?status=cancelled&caller=crm')).json).toMatchObject({
      data: [{ id, caller: 'crm' }],
    });
    const about = { broadcastId: id, of: 'crm' };
    expect(auditLines(service).slice(1)).toMatchObject([
      { act: 'broadcast-resume', outcome: 'done', caller: 'writer', about },
      { act: 'broadcast-pause', outcome: 'done', about },
      { act: 'broadcast-cancel', outcome: 'done', about },
      { act: 'broadcast-resume', outcome: 'refused', about },
      { act: 'broadcast-pause', outcome: 'refused', about: { broadcastId: 'none' } },
    ]);
  });

  it('sees the callers with their keys, what they have queued, and removed callers with work left', async () => {
    await pausedBroadcast(service, crmKey);
    await store.insert(newMessage('left', { caller: 'gone' }));
    const { json } = await read('callers');
    expect(json).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({
          id: 'crm',
          inFile: true,
          queued: 2,
          keyIds: [expect.stringMatching(/^[0-9a-f]{8}$/)],
        }),
        expect.objectContaining({ id: 'shop', queued: 0 }),
        expect.objectContaining({
          id: 'gone',
          inFile: false,
          queued: 1,
          scopes: [],
          keyIds: [],
          hold: { code: 'caller-removed', detail: expect.any(String) },
        }),
      ]),
    });
    const overview = await read('overview');
    expect(overview.json).toMatchObject({
      readiness: { status: 'ready' },
      sending: { stopped: { all: false } },
      messages: { queued: 3 },
      broadcasts: { running: 0, paused: 1, held: 0 },
      callers: { inFile: 6, removed: [{ id: 'gone' }] },
    });
  });

  it('sees the webhook endpoints of each caller, with their secrets\u2019 ends and without their paths', async () => {
    const made = { caller: 'crm', types: ['*'], position: 0 };
    await store.createEndpoint({ ...made, id: 'whe_a', url: 'https://hooks.example:8443/secret-path?token=x' }, 5);
    await store.createEndpoint({ ...made, id: 'whe_b', url: 'https://away.example/' }, 5);
    const until = Date.now() + 3_600_000;
    await store.rotateEndpointSecret('crm', 'whe_a', until);
    await store.rotateEndpointSecret('crm', 'whe_b', Date.now() - 1);
    await store.updateEndpoint('crm', 'whe_b', { status: 'disabled' });
    const { json, text: shown } = await read('callers');
    expect(json).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({
          id: 'crm',
          endpoints: [
            {
              id: 'whe_a',
              host: 'hooks.example:8443',
              status: 'enabled',
              secretVersion: 2,
              previousSecretUntil: new Date(until).toISOString(),
            },
            { id: 'whe_b', host: 'away.example', status: 'disabled', reason: 'caller', secretVersion: 2 },
          ],
        }),
        expect.objectContaining({ id: 'shop', endpoints: [] }),
      ]),
    });
    expect(shown).not.toMatch(/secret-path|token/);
  });

  it('cancels all that a caller has queued, in the file or not, and nothing of other callers', async () => {
    const id = await pausedBroadcast(service, shopKey);
    for (let n = 0; n < 501; n++) await store.insert(newMessage(`q${n}`, { caller: 'gone' }));
    expect((await act('callers/gone/cancel')).json).toEqual({ messages: 501, broadcasts: 0, left: false });
    expect((await act('callers/SHOP/cancel')).json).toEqual({ messages: 0, broadcasts: 1, left: false });
    expect((await service.ask('GET', `/v1/broadcasts/${id}`, { key: shopKey })).json).toMatchObject({
      status: 'cancelled',
      counts: { cancelled: 2 },
    });
    expect((await act('callers/nobody/cancel')).status).toBe(404);
    expect(auditLines(service)).toMatchObject([
      { act: 'caller-cancel', outcome: 'done', about: { of: 'gone', messages: 501 } },
      { act: 'caller-cancel', outcome: 'done', about: { of: 'shop', broadcasts: 1 } },
      { act: 'caller-cancel', outcome: 'refused' },
    ]);
  });

  it('who stopped a caller makes its requests fail before their bodies are read', async () => {
    await stop(service, { callers: ['crm'] });
    const path = '/v1/broadcasts/import?template=welcome&broadcastName=x';
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${crmKey}\r\nIdempotency-Key: k\r\n`;
    const { answers } = await say(
      service.url,
      `${head}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n\r\n--b`,
      1,
    );
    expect(answers).toMatchObject([{ status: 503 }]);
  });
});
