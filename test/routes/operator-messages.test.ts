import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { newMessage, OPTIONS } from '../store/samples.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { auditLines, crmKey, idIn, readerKey, reason, revealerKey, staff, writerKey } from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: Service;
let store: Store;
beforeEach(async () => {
  store = await openStore('memory:', OPTIONS);
  service = await startService({ callers: limited, store, settings: { MATON_CONNECTION_ID: seededConnection } });
});
afterEach(() => service.close());

const limited = staff.map((each) => (each.name === 'crm' ? { ...each, messagesPerDay: 100 } : each));
const read = (path: string, key = readerKey) => service.ask('GET', `/v1/operations/${path}`, { key });

const act = (path: string, json?: unknown, key = writerKey) =>
  service.ask('POST', `/v1/operations/${path}`, { key, ...(json !== undefined && { json }) });

describe('an operator', () => {
  it('reads one message of any caller with its timeline and attempts, the number masked and the text never', async () => {
    const sent = await service.ask('POST', '/v1/messages/text', {
      key: crmKey,
      json: { to: '14155551000', text: 'a secret text' },
    });
    const id = idIn(sent.json);
    const shown = await read(`messages/${id}`);
    expect(shown.json).toMatchObject({
      id,
      caller: 'crm',
      to: '***1000',
      status: 'accepted',
      timeline: [{ event: 'recorded' }, { event: 'sending', detail: 'attempt 1' }, { event: 'accepted' }],
      attemptsMade: [{ attempt: 1 }],
    });
    expect(shown.text).not.toMatch(/1415555|secret text|wamid/);
    expect((await read(`messages/${id}?reveal=true`)).status).toBe(403);
    expect((await read(`messages/${id}?reveal=true`, revealerKey)).json).toMatchObject({ to: '14155551000' });
    expect((await read('messages/none')).status).toBe(404);
    expect(auditLines(service)).toMatchObject([{ act: 'message-reveal', outcome: 'done', about: { messageId: id } }]);
  });

  it('sees messages of unknown outcome by the call that was lost, newest first, each group on one page', async () => {
    for (const [call, size] of [
      ['a', 3],
      ['b', 2],
    ] as const) {
      for (let n = 0; n < size; n++) {
        await store.insert(newMessage(`${call}${n}`, { caller: 'crm', template: 'welcome' }));
        await store.claim(`${call}${n}`, 1);
      }
      const lost = { status: 'unknown', outcome: {}, failure: { code: 'unknown', detail: 'no answer' } } as const;
      await store.completeAll(
        Array.from({ length: size }, (_, place) => ({
          id: `${call}${place}`,
          ...lost,
          lostCall: { id: `${call}0`, place },
        })),
      );
    }
    await store.insert(newMessage('alone', { caller: 'shop' }));
    await store.claim('alone', 1);
    await store.complete('alone', { status: 'unknown', outcome: {} });
    await store.markReconciled('a0', { outcome: {} });
    await store.recordLookups(['a1'], 'done');

    const all = await read('unknown');
    expect(all.json).toEqual({
      data: [
        expect.objectContaining({ caller: 'shop', count: 1, found: 0, looked: 0, sampleId: 'alone' }),
        expect.objectContaining({
          caller: 'crm',
          lostCall: 'b0',
          count: 2,
          found: 0,
          template: 'welcome',
          sampleId: 'b1',
        }),
        expect.objectContaining({ caller: 'crm', lostCall: 'a0', count: 2, found: 1, looked: 1, sampleId: 'a2' }),
      ],
    });
    const pages: string[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page = await read(`unknown?limit=1${cursor}`);
      pages.push(...(page.text.match(/(?<="sampleId":")[^"]+/g) ?? []));
      const [next] = page.text.match(/(?<="nextCursor":")[^"]+/) ?? [];
      cursor = next && `&cursor=${next}`;
    }
    expect(pages).toEqual(['alone', 'b1', 'a2']);
    expect((await read('unknown?cursor=bad')).status).toBe(400);
  });

  it('resolves, resends and cancels messages for their caller, within what its entry allows, and each act is audited', async () => {
    const content = { kind: 'text', body: { to: '14155551000', text: 'a secret text' } };
    const lost = async (id: string, caller: string) => {
      await store.insert(newMessage(id, { caller, to: '14155551000', connectionId: seededConnection, content }));
      await store.claim(id, 1);
      await store.complete(id, { status: 'unknown', outcome: {}, failure: { code: 'unknown', detail: 'no answer' } });
    };
    await lost('lost', 'crm');
    await lost('left', 'gone');
    expect((await act('messages/lost/reconcile')).json).toMatchObject({ id: 'lost', status: 'unknown' });
    const resent = await act('messages/lost/resend', { reason: 'call 14155551000' });
    expect(resent).toMatchObject({
      status: 201,
      json: { caller: 'crm', to: '***1000', status: 'accepted', resendOf: 'lost' },
    });
    expect(resent.text).not.toMatch(/1415555|secret text|wamid/);
    expect(resent.headers.location).toBe(`/v1/operations/messages/${idIn(resent.json)}`);
    const child = idIn(resent.json);
    expect((await read('messages/lost')).json).toMatchObject({
      resentAs: child,
      timeline: expect.arrayContaining([expect.objectContaining({ event: 'resent', detail: child })]),
    });
    expect((await act('messages/lost/resend', { reason })).json).toMatchObject({
      type: problem('message-not-resendable'),
    });
    expect((await act('messages/left/resend', { reason })).json).toMatchObject({
      type: problem('message-not-resendable'),
      detail: 'the caller is not in the callers file any more',
    });
    await store.insert(newMessage('waits', { caller: 'gone' }));
    expect((await act('messages/waits/cancel')).json).toMatchObject({ status: 'cancelled', attemptsMade: [] });
    expect((await act('messages/lost/cancel')).json).toMatchObject({ type: problem('message-over') });
    for (const path of ['lost/cancel', 'lost/reconcile'])
      expect((await act(`messages/${path}`, undefined, readerKey)).status).toBe(403);
    const broadcastId = 'campaign';
    await insertPublished(store, broadcastId, 2);
    await store.changeBroadcastStatus('crm', broadcastId, { to: 'paused' });
    const begun = await act(`broadcasts/${broadcastId}/reconcile`);
    expect(begun).toMatchObject({ status: 202, json: { id: broadcastId, caller: 'crm', status: 'paused' } });
    for (const path of ['messages/none/cancel', 'messages/none/reconcile', 'broadcasts/none/reconcile']) {
      expect((await act(path)).status).toBe(404);
    }
    const of = { of: 'crm', connection: seededConnection };
    expect(auditLines(service).slice(0, 6)).toMatchObject([
      {
        act: 'message-reconcile',
        outcome: 'done',
        caller: 'writer',
        about: { messageId: 'lost', ...of, found: false },
      },
      {
        act: 'message-resend',
        outcome: 'done',
        about: { messageId: 'lost', ...of, reason: 'call ***1000', resentAs: child },
      },
      { act: 'message-resend', outcome: 'refused', about: { messageId: 'lost' } },
      { act: 'message-resend', outcome: 'refused', about: { messageId: 'left', of: 'gone' } },
      { act: 'message-cancel', outcome: 'done', about: { messageId: 'waits', of: 'gone', status: 'cancelled' } },
      { act: 'message-cancel', outcome: 'refused', about: { messageId: 'lost', status: 'unknown' } },
    ]);
  });

  it('sees why earlier attempts failed, and which outcome was replaced by a webhook', async () => {
    const content = { kind: 'text', body: { to: '14155551000', text: 'Hello' } };
    await store.insert(
      newMessage('tried', { caller: 'crm', to: '14155551000', connectionId: seededConnection, content }),
    );
    await store.claim('tried', 1);
    await store.requeue('tried', 1);
    const refused = {
      code: 'not_sent',
      detail: '+1 415-555-1000 could not be reached',
      sentAt: new Date().toISOString(),
    };
    await store.noteRequeued([
      { id: 'tried', attempt: 1, ...refused },
      { id: 'tried', attempt: 21, ...refused },
    ]);
    await store.claim('tried', 2);
    await store.complete('tried', {
      status: 'unknown',
      outcome: {},
      failure: { code: 'unknown', detail: 'no answer' },
    });
    await store.markReconciled('tried', { outcome: { outcome: 'accepted', evidence: 'local-id' } });
    const { json, text } = await read('messages/tried');
    expect(json).toMatchObject({
      status: 'accepted',
      timeline: [
        { event: 'recorded' },
        { event: 'sending', detail: 'attempt 1' },
        { event: 'requeued', detail: 'not_sent' },
        { event: 'sending', detail: 'attempt 2' },
        { event: 'unknown' },
        { event: 'accepted', detail: 'found by an id of its own' },
      ],
      attemptsMade: [
        { attempt: 1, at: refused.sentAt, code: 'not_sent', detail: '+***1000 could not be reached' },
        { attempt: 2, code: 'unknown', detail: 'no answer' },
      ],
    });
    expect(text).not.toContain('415-555');
  });

  it('sees what each caller did today in all processes, and its remaining quotas', async () => {
    await store.addCallerCounts([
      { caller: 'crm', name: 'accepted', n: 40 },
      { caller: 'shop', name: 'refused429', n: 2 },
    ]);
    for (const to of ['14155551000', '14155551001']) {
      await service.ask('POST', '/v1/messages/text', { key: crmKey, json: { to, text: 'Hello' } });
    }
    const since = `${new Date().toISOString().slice(0, 10)}T00:00:00.000Z`;
    const today = { since, accepted: 0, rejected: 0, notSent: 0, unknown: 0, refused429: 0 };
    expect((await read('callers')).json).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({ id: 'crm', today: { ...today, accepted: 42 }, quotaLeft: { day: 98 } }),
        expect.objectContaining({ id: 'shop', today: { ...today, refused429: 2 } }),
      ]),
    });
  });
});
