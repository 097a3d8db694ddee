import { describe, expect, test } from 'vitest';
import type { MessageStore, NewMessage } from '../../src/store/message-store.ts';
import { MAC } from './broadcast-samples.ts';
import { batchConformance } from './conformance-batches.ts';
import { broadcastConformance } from './conformance-broadcasts.ts';
import { campaignConformance } from './conformance-campaigns.ts';
import { claimsConformance } from './conformance-claims.ts';
import { listConformance } from './conformance-lists.ts';
import { operatorConformance } from './conformance-operator.ts';
import { operatorMessageConformance } from './conformance-operator-messages.ts';
import { personConformance } from './conformance-person.ts';
import { quotaConformance } from './conformance-quotas.ts';
import { readingConformance } from './conformance-reading.ts';
import { reconciliationConformance } from './conformance-reconciliation.ts';
import { recoveryConformance } from './conformance-recovery.ts';
import { retentionConformance } from './conformance-retention.ts';
import { scheduleConformance } from './conformance-schedules.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { insertFinished, insertSending, mustFind, newMessage, newStream, OUTCOME, ROUTE, withKey } from './samples.ts';

/** Checks a store against every sentence of src/store/message-store.ts. `durable`: its contents outlive the process. */
export function storeConformance(name: string, createFixture: () => Promise<StoreFixture>, durable: boolean): void {
  describe(`${name}: messages`, () => {
    let store: MessageStore;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });

    test('returns what was recorded', async () => {
      const send = newMessage('a', {
        template: 't',
        fileName: 'Größe.pdf',
        localMessageId: 'l',
        reference: 'A-77',
        ...withKey('k'),
      });
      const answer = await store.insert(send);
      const times = { createdAt: expect.stringMatching(/Z$/), updatedAt: expect.stringMatching(/Z$/) };
      const { fingerprint, ...kept } = send;
      expect(fingerprint).toBe('f1');
      const whole = { ...kept, contentMac: MAC, status: 'queued', attempts: 0, ...times };
      expect(answer).toEqual({ inserted: whole });
      expect(await store.find('crm', 'a')).toEqual(whole);
      expect(await store.findByKey('crm', ROUTE, 'k')).toEqual(whole);
    });

    test.each([true, false])('keeps the channel of a message through its attempts (named: %s)', async (isNamed) => {
      const { channelNamed: _, ...send } = newMessage('a', { channel: '919999900001' });
      await store.insert({ ...send, channelNamed: isNamed });
      expect(await store.claim('a', 1)).toBe(true);
      expect(await store.claim('a', 1)).toBe(true);
      expect(await store.requeue('a', 1)).toBe(true);
      expect(await store.claimAll([{ id: 'a', attempt: 2 }])).toEqual(new Set(['a']));
      expect(await store.find('crm', 'a')).toMatchObject({ channel: '919999900001', status: 'sending', attempts: 2 });
      expect(await mustFind(store, 'a')).not.toHaveProperty('channelNamed');
    });

    test('keeps any text, and a content of 100 KB', async () => {
      const content = {
        text: 'ñ 你好 \u{1F600} \u0000 "\\ \uD800',
        big: 'x'.repeat(100_000),
        none: null,
        list: [1, true],
      };
      await store.insert(newMessage('a', { content, template: 'पता' }));
      expect(await mustFind(store, 'a')).toMatchObject({ content, template: 'पता' });
      const failure = { code: 'c', detail: 'from \0 upstream \uD800' };
      expect(await store.complete('a', { status: 'not_sent', failure, outcome: null })).toBe(true);
      expect(await mustFind(store, 'a')).toMatchObject({
        failure: { code: 'c', detail: 'from \uFFFD upstream \uFFFD' },
        outcome: null,
      });
    });

    test('keeps the first value of a pin until it is replaced', async () => {
      expect(await store.findPin('one')).toBeUndefined();
      const [first, ...others] = await Promise.all(['a', 'b', 'c'].map((value) => store.pin('one', value)));
      expect(others).toEqual([first, first]);
      expect([await store.findPin('one'), await store.findPin('another')]).toEqual([first, undefined]);
      for (const value of ['b', 'b', 'c']) await store.replacePin('one', value);
      expect([await store.pin('one', 'd'), await store.findPin('one')]).toEqual(['c', 'c']);
      await store.replacePin('another', 'x');
      expect(await store.pin('another', 'y')).toBe('x');
    });

    test('records one of a hundred concurrent inserts under one key', async () => {
      const racing = Array.from({ length: 100 }, (_, n) => store.insert(newMessage(`r${n}`, withKey('k', `f${n}`))));
      const answers = await Promise.all(racing);
      const winners = answers.flatMap((answer) => ('inserted' in answer ? [answer.inserted.id] : []));
      expect(winners).toHaveLength(1);
      for (const answer of answers) if ('existing' in answer) expect(answer.existing.id).toBe(winners[0]);
      expect((await store.counts()).queued).toBe(1);
    });

    test('a key is unique per caller and route', async () => {
      await store.insert(newMessage('a', withKey('k')));
      expect(await store.insert(newMessage('b', { caller: 'shop', ...withKey('k') }))).toHaveProperty('inserted');
      const elsewhere = { route: 'POST /v1/other', key: 'k' };
      expect(await store.insert(newMessage('c', { idempotency: elsewhere }))).toHaveProperty('inserted');
      expect(await store.findByKey('bank', ROUTE, 'k')).toBeUndefined();
      expect(await store.findByKey('crm', 'POST /v1/none', 'k')).toBeUndefined();
      expect(await store.find('bank', 'a')).toBeUndefined();
      expect((await store.findByKey('shop', ROUTE, 'k'))?.id).toBe('b');
    });

    test('refuses an id that was used before, without failing other writes of the same batch', async () => {
      await store.insert(newMessage('a'));
      const turn = await Promise.allSettled([
        store.insert(newMessage('b')),
        store.insert(newMessage('a')),
        store.claim('b', 1),
      ]);
      expect(turn.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(turn[1]).toMatchObject({ reason: { name: 'StoreError' } });
      expect((await store.counts()).queued + (await store.counts()).sending).toBe(2);
    });

    test('allows one resend per message', async () => {
      await insertFinished(store, newMessage('a'), 'unknown');
      const racing = ['b', 'c', 'd'].map((id) => store.insert(newMessage(id, { resendOf: 'a', ...withKey(id) })));
      const answers = await Promise.all(racing);
      const [child] = answers.flatMap((answer) => ('inserted' in answer ? [answer.inserted.id] : []));
      expect(answers.filter((answer) => 'existing' in answer && answer.existing.id === child)).toHaveLength(2);
      expect(await mustFind(store, String(child))).toMatchObject({ resendOf: 'a' });
    });

    test('allows no resend of a message that was found to be accepted, and its key stays free', async () => {
      await insertFinished(store, newMessage('a'), 'unknown');
      await store.markReconciled('a', { outcome: OUTCOME });
      const again = await store.insert(newMessage('b', { resendOf: 'a', ...withKey('k') }));
      expect(again).toEqual({ existing: await mustFind(store, 'a') });
      expect(await store.find('crm', 'b')).toBeUndefined();
      expect(await store.findByKey('crm', ROUTE, 'k')).toBeUndefined();
    });

    test('claims an attempt once, and confirms it again to the same process', async () => {
      await store.insert(newMessage('a'));
      expect(await store.claim('a', 2)).toBe(false);
      expect(await Promise.all([store.claim('a', 1), store.claim('a', 2), store.claim('a', 1)])).toEqual([
        true,
        false,
        true,
      ]);
      expect(await mustFind(store, 'a')).toMatchObject({
        status: 'sending',
        attempts: 1,
        sentAt: expect.stringMatching(/Z$/),
      });
      expect(await store.claim('nobody', 1)).toBe(false);
    });

    test('requeues only a sending message, which can be claimed again', async () => {
      await store.insert(newMessage('a'));
      expect(await store.requeue('a', 1)).toBe(false);
      await store.claim('a', 1);
      expect(await store.requeue('a', 1)).toBe(true);
      expect(await mustFind(store, 'a')).toMatchObject({ status: 'queued', attempts: 1 });
      expect(await store.requeue('a', 1)).toBe(true);
      expect(await store.claim('a', 1)).toBe(false);
      expect(await store.claim('a', 2)).toBe(true);
      expect(await store.requeue('a', 1)).toBe(false);
      expect(await mustFind(store, 'a')).toMatchObject({ status: 'sending', attempts: 2 });
    });

    test.each(['accepted', 'rejected', 'cancelled'] as const)('%s drops the content', async (status) => {
      await store.insert(newMessage('a'));
      if (status !== 'cancelled') await store.claim('a', 1);
      expect(await store.complete('a', { status, whatsappMessageId: 'w', localMessageId: 'l', outcome: OUTCOME })).toBe(
        true,
      );
      const send = await mustFind(store, 'a');
      expect(send).toMatchObject({ status, whatsappMessageId: 'w', localMessageId: 'l', outcome: OUTCOME });
      expect(send).not.toHaveProperty('content');
    });

    test.each(['not_sent', 'unknown'] as const)('%s keeps the content', async (status) => {
      await insertFinished(store, newMessage('a'), status);
      expect(await mustFind(store, 'a')).toMatchObject({ status, content: { text: 'a' } });
    });

    test('completes a message that was only queued', async () => {
      await store.insert(newMessage('a'));
      expect(await store.complete('a', { status: 'not_sent', outcome: null })).toBe(true);
      expect(await store.claim('a', 1)).toBe(false);
    });

    test('never cancels a sending message', async () => {
      await insertSending(store, newMessage('a'));
      expect(await store.complete('a', { status: 'cancelled', outcome: null })).toBe(false);
      expect((await mustFind(store, 'a')).status).toBe('sending');
    });

    test.each(['accepted', 'rejected', 'not_sent'] as const)('%s is final', async (first) => {
      await insertFinished(store, newMessage('a'), first);
      const before = await mustFind(store, 'a');
      for (const status of ['accepted', 'rejected', 'not_sent', 'unknown', 'cancelled'] as const) {
        expect(await store.complete('a', { status, outcome: 'late' })).toBe(false);
      }
      expect(await store.claim('a', 1)).toBe(false);
      expect(await store.requeue('a', 1)).toBe(false);
      expect(await store.markReconciled('a', { outcome: 'late' })).toBe(false);
      expect(await mustFind(store, 'a')).toEqual(before);
    });

    test.each(['accepted', 'rejected', 'not_sent'] as const)('a late %s corrects unknown', async (status) => {
      await insertSending(store, newMessage('a', { localMessageId: 'mine' }));
      const failure = { code: 'timeout', detail: 'no answer' };
      await store.complete('a', { status: 'unknown', failure, outcome: 'who knows' });
      expect(await store.complete('a', { status: 'unknown', outcome: 'again' })).toBe(false);
      expect(await store.complete('a', { status: 'cancelled', outcome: 'again' })).toBe(false);
      expect(await store.complete('a', { status, outcome: 'late' })).toBe(true);
      const send = await mustFind(store, 'a');
      expect(send).toMatchObject({ status, outcome: 'late', localMessageId: 'mine' });
      expect(send).not.toHaveProperty('failure');
    });

    test('reconciles only an unknown message', async () => {
      await insertSending(store, newMessage('a'));
      expect(await store.markReconciled('a', { outcome: 'found' })).toBe(false);
      await store.complete('a', { status: 'unknown', failure: { code: 'x', detail: 'y' }, outcome: null });
      expect(await store.markReconciled('a', { whatsappMessageId: 'w', outcome: 'found' })).toBe(true);
      const send = await mustFind(store, 'a');
      expect(send).toMatchObject({ status: 'accepted', whatsappMessageId: 'w', outcome: 'found' });
      expect(send).not.toHaveProperty('failure');
      expect(send).not.toHaveProperty('content');
      expect(await store.markReconciled('a', { outcome: 'again' })).toBe(false);
    });

    test('stores the fingerprint of a file when it ends', async () => {
      await insertSending(store, { ...newStream('a'), idempotency: { route: ROUTE, key: 'k' } });
      expect((await mustFind(store, 'a')).idempotency).toEqual({ route: ROUTE, key: 'k' });
      await store.complete('a', { status: 'accepted', fingerprint: 'of the file', outcome: OUTCOME });
      const known = await mustFind(store, 'a');
      expect(known).toMatchObject({ contentMac: MAC, idempotency: { route: ROUTE, key: 'k' } });
      expect([store.sameContent(known, 'of the file'), store.sameContent(known, 'of another')]).toEqual([true, false]);
    });

    test('deletes a message that has not ended, and releases its key', async () => {
      await insertSending(store, { ...newStream('a'), idempotency: { route: ROUTE, key: 'k' } });
      await store.deleteUnsent('a');
      expect(await store.find('crm', 'a')).toBeUndefined();
      expect(await store.insert({ ...newStream('b'), idempotency: { route: ROUTE, key: 'k' } })).toHaveProperty(
        'inserted',
      );
      await store.complete('b', { status: 'accepted', outcome: OUTCOME });
      await store.deleteUnsent('b');
      expect(await mustFind(store, 'b')).toMatchObject({ status: 'accepted' });
    });

    test('counts a message to the same person through another channel as a lookalike', async () => {
      const [from, until] = [Date.now() - 60_000, Date.now() + 60_000].map((ms) => new Date(ms).toISOString());
      const through = (id: string, channel?: string) =>
        newMessage(id, { fingerprint: `print of ${id}`, ...(channel !== undefined && { channel }) });
      const a = through('a', '919999900001');
      for (const each of [a, through('b', '919999900001')]) await insertSending(store, each);
      expect(await store.countLookalikes(a, from ?? '', until ?? '')).toBe(0);
      for (const each of [through('c', '919999900002'), through('d')]) await insertSending(store, each);
      expect(await store.countLookalikes(a, from ?? '', until ?? '')).toBe(2);
      expect(await store.countLookalikes(through('d'), from ?? '', until ?? '')).toBe(3);
    });

    test('counts the lookalikes of a message by the time of their claims', async () => {
      await insertSending(store, { ...newMessage('a'), fingerprint: 'same' });
      await insertSending(store, { ...newMessage('b'), fingerprint: 'same' });
      await insertSending(store, { ...newMessage('c'), fingerprint: 'other' });
      await store.insert({ ...newMessage('d'), fingerprint: 'same' });
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      const a = { ...newMessage('a'), fingerprint: 'same' };
      expect(await store.countLookalikes(a, from, until)).toBe(1);
      expect(await store.countLookalikes(a, from, new Date(at - 30_000).toISOString())).toBe(0);
      expect(await store.countLookalikes({ ...a, to: '14155559999' }, from, until)).toBe(0);
      expect(await store.countLookalikes({ ...a, fingerprint: '' }, from, until)).toBe(2);
      expect(await store.countLookalikes({ ...a, to: '14155559999', fingerprint: '' }, from, until)).toBe(0);
    });

    test('counts a message as a lookalike if its content is not known any more', async () => {
      await insertSending(store, { ...newMessage('a'), fingerprint: 'same' });
      await insertSending(store, newMessage('text'));
      await insertSending(store, newMessage('buttons', { kind: 'buttons' }));
      await insertSending(store, newMessage('elsewhere', { connectionId: 'c2' }));
      await insertSending(store, newMessage('template', { kind: 'template', template: 'welcome' }));
      await insertSending(store, newStream('file'));
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      expect(await store.countLookalikes({ ...newMessage('a'), fingerprint: 'same' }, from, until)).toBe(1);
      const other = newMessage('b', { kind: 'template', template: 'goodbye', fingerprint: 'other' });
      expect(await store.countLookalikes(other, from, until)).toBe(0);
    });

    test('counts messages of the same template as lookalikes, whatever their parameters, and a CSV of it', async () => {
      const aTemplate = (id: string, more: Partial<NewMessage> = {}): NewMessage => ({
        ...newMessage(id, { kind: 'template', template: 'welcome', fingerprint: id }),
        ...more,
      });
      const { to: _, ...csv }: NewMessage = { ...newStream('csv'), kind: 'csv', template: 'welcome' };
      await insertSending(store, aTemplate('a'));
      await insertSending(store, aTemplate('b'));
      await insertSending(store, aTemplate('other number', { to: '14155559999' }));
      await insertSending(store, aTemplate('other template', { template: 'goodbye' }));
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      expect(await store.countLookalikes(aTemplate('a'), from, until)).toBe(1);
      await insertSending(store, csv);
      expect(await store.countLookalikes(aTemplate('a'), from, until)).toBe(2);
    });

    test('checks its writes, renews and holds its lease, and refuses everything once it is closed', async () => {
      await store.check();
      await store.heartbeat();
      expect(store.holdsLease()).toBe(true);
      await store.close();
      await store.close();
      expect(store.holdsLease()).toBe(false);
      await expect(store.check()).rejects.toMatchObject({ name: 'StoreError' });
      await expect(store.find('crm', 'a')).rejects.toMatchObject({ name: 'StoreError' });
      await expect(store.insert(newMessage('a'))).rejects.toMatchObject({ name: 'StoreError' });
    });
  });

  batchConformance(name, createFixture);
  broadcastConformance(name, createFixture);
  campaignConformance(name, createFixture);
  claimsConformance(name, createFixture, durable);
  readingConformance(name, createFixture);
  listConformance(name, createFixture);
  operatorConformance(name, createFixture, durable);
  operatorMessageConformance(name, createFixture);
  personConformance(name, createFixture);
  retentionConformance(name, createFixture);
  reconciliationConformance(name, createFixture, durable);
  quotaConformance(name, createFixture, durable);
  if (durable) recoveryConformance(name, createFixture);
  scheduleConformance(name, createFixture, durable);
}
