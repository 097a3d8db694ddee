import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { newMessage, OPTIONS } from '../store/samples.ts';
import { type Service, startService } from '../support/service.ts';
import { auditLines, crmKey, idIn, readerKey, revealerKey, staff } from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: Service;
let store: Store;
beforeEach(async () => {
  store = await openStore('memory:', OPTIONS);
  service = await startService({ callers: staff, store, settings: { MATON_CONNECTION_ID: seededConnection } });
});
afterEach(() => service.close());

const read = (path: string, key = readerKey) => service.ask('GET', `/v1/operations/${path}`, { key });

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
    const pages: unknown[] = [];
    let cursor = '';
    do {
      const { json } = await read(`unknown?limit=1${cursor}`);
      expect(json).toMatchObject({ data: expect.any(Array) });
      const page = json as { data: unknown[]; nextCursor?: string };
      pages.push(...page.data);
      cursor = page.nextCursor === undefined ? '' : `&cursor=${page.nextCursor}`;
    } while (cursor !== '');
    expect(pages).toEqual((all.json as { data: unknown[] }).data);
    expect((await read('unknown?cursor=bad')).status).toBe(400);
  });
});
