import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MessageStore, NewMessage } from '../../src/store/message-store.ts';
import { MAC } from './broadcast-samples.ts';
import { groupsConformance } from './conformance-batches.ts';
import { broadcastConformance } from './conformance-broadcasts.ts';
import { claimsConformance } from './conformance-claims.ts';
import { operatorConformance } from './conformance-operator.ts';
import { personConformance } from './conformance-person.ts';
import { quotaConformance } from './conformance-quotas.ts';
import { readingConformance } from './conformance-reading.ts';
import { looksConformance } from './conformance-reconciliation.ts';
import { takeoverConformance } from './conformance-recovery.ts';
import { ageingConformance } from './conformance-retention.ts';
import type { Home } from './fixture.ts';
import { aSend, aStream, ended, found, ROUTE, sending, VERDICT, withKey } from './samples.ts';

/** Holds a store to every sentence of src/store/message-store.ts. `survives`: its contents outlive the process. */
export function storeConformance(name: string, makeHome: () => Promise<Home>, survives: boolean): void {
  describe(`${name}: records and settles`, () => {
    let home: Home;
    let store: MessageStore;
    beforeEach(async () => {
      home = await makeHome();
      store = await home.open();
    });
    afterEach(async () => {
      await store.close();
      await home.tearDown();
    });

    test('gives back what was recorded', async () => {
      const send = aSend('a', { template: 't', fileName: 'Größe.pdf', localMessageId: 'l', ...withKey('k') });
      const answer = await store.insert(send);
      const times = { createdAt: expect.stringMatching(/Z$/), updatedAt: expect.stringMatching(/Z$/) };
      const { fingerprint, ...kept } = send;
      expect(fingerprint).toBe('f1');
      const whole = { ...kept, contentMac: MAC, status: 'queued', attempts: 0, ...times };
      expect(answer).toEqual({ inserted: whole });
      expect(await store.find('crm', 'a')).toEqual(whole);
      expect(await store.findByKey('crm', ROUTE, 'k')).toEqual(whole);
    });

    test.each([true, false])('keeps the channel of a send through its attempts, named for it: %s', async (isNamed) => {
      const { channelNamed: _, ...send } = aSend('a', { channel: '919999900001' });
      await store.insert({ ...send, channelNamed: isNamed });
      expect(await store.claim('a', 1)).toBe(true);
      expect(await store.claim('a', 1)).toBe(true);
      expect(await store.requeue('a', 1)).toBe(true);
      expect(await store.claimAll([{ id: 'a', attempt: 2 }])).toEqual(new Set(['a']));
      expect(await store.find('crm', 'a')).toMatchObject({ channel: '919999900001', status: 'sending', attempts: 2 });
      expect(await found(store, 'a')).not.toHaveProperty('channelNamed');
    });

    test('keeps any text, and a call of 100 KB', async () => {
      const call = {
        text: 'ñ 你好 \u{1F600} \u0000 "\\ \uD800',
        big: 'x'.repeat(100_000),
        none: null,
        list: [1, true],
      };
      await store.insert(aSend('a', { call, template: 'पता' }));
      expect(await found(store, 'a')).toMatchObject({ call, template: 'पता' });
      const failure = { code: 'c', detail: 'from \0 upstream \uD800' };
      expect(await store.complete('a', { status: 'not_sent', failure, outcome: null })).toBe(true);
      expect(await found(store, 'a')).toMatchObject({
        failure: { code: 'c', detail: 'from \uFFFD upstream \uFFFD' },
        outcome: null,
      });
    });

    test('keeps the first value of a pin, until it is given anew', async () => {
      expect(await store.findPin('one')).toBeUndefined();
      expect(await Promise.all(['a', 'b', 'c'].map((value) => store.pin('one', value)))).toEqual(['a', 'a', 'a']);
      expect([await store.findPin('one'), await store.findPin('another')]).toEqual(['a', undefined]);
      for (const value of ['b', 'b', 'c']) await store.replacePin('one', value);
      expect([await store.pin('one', 'd'), await store.findPin('one')]).toEqual(['c', 'c']);
      await store.replacePin('another', 'x');
      expect(await store.pin('another', 'y')).toBe('x');
    });

    test('records one of a hundred that race under one key', async () => {
      const racing = Array.from({ length: 100 }, (_, n) => store.insert(aSend(`r${n}`, withKey('k', `f${n}`))));
      const answers = await Promise.all(racing);
      const winners = answers.flatMap((answer) => ('inserted' in answer ? [answer.inserted.id] : []));
      expect(winners).toHaveLength(1);
      for (const answer of answers) if ('existing' in answer) expect(answer.existing.id).toBe(winners[0]);
      expect((await store.counts()).queued).toBe(1);
    });

    test('a key belongs to a caller and a route', async () => {
      await store.insert(aSend('a', withKey('k')));
      expect(await store.insert(aSend('b', { caller: 'shop', ...withKey('k') }))).toHaveProperty('inserted');
      const elsewhere = { route: 'POST /v1/other', key: 'k' };
      expect(await store.insert(aSend('c', { idempotency: elsewhere }))).toHaveProperty('inserted');
      expect(await store.findByKey('bank', ROUTE, 'k')).toBeUndefined();
      expect(await store.findByKey('crm', 'POST /v1/none', 'k')).toBeUndefined();
      expect(await store.find('bank', 'a')).toBeUndefined();
      expect((await store.findByKey('shop', ROUTE, 'k'))?.id).toBe('b');
    });

    test('refuses an id that was used before, and the others of the turn go on', async () => {
      await store.insert(aSend('a'));
      const turn = await Promise.allSettled([store.insert(aSend('b')), store.insert(aSend('a')), store.claim('b', 1)]);
      expect(turn.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(turn[1]).toMatchObject({ reason: { name: 'StoreError' } });
      expect((await store.counts()).queued + (await store.counts()).sending).toBe(2);
    });

    test('one repetition per send', async () => {
      await ended(store, aSend('a'), 'unknown');
      const racing = ['b', 'c', 'd'].map((id) => store.insert(aSend(id, { resendOf: 'a', ...withKey(id) })));
      const answers = await Promise.all(racing);
      const [child] = answers.flatMap((answer) => ('inserted' in answer ? [answer.inserted.id] : []));
      expect(answers.filter((answer) => 'existing' in answer && answer.existing.id === child)).toHaveLength(2);
      expect(await found(store, String(child))).toMatchObject({ resendOf: 'a' });
    });

    test('no repetition of a send that was found to have arrived, and its key stays free', async () => {
      await ended(store, aSend('a'), 'unknown');
      await store.markReconciled('a', { outcome: VERDICT });
      const again = await store.insert(aSend('b', { resendOf: 'a', ...withKey('k') }));
      expect(again).toEqual({ existing: await found(store, 'a') });
      expect(await store.find('crm', 'b')).toBeUndefined();
      expect(await store.findByKey('crm', ROUTE, 'k')).toBeUndefined();
    });

    test('begins an attempt once, and says so again to the process that did', async () => {
      await store.insert(aSend('a'));
      expect(await store.claim('a', 2)).toBe(false);
      expect(await Promise.all([store.claim('a', 1), store.claim('a', 2), store.claim('a', 1)])).toEqual([
        true,
        false,
        true,
      ]);
      expect(await found(store, 'a')).toMatchObject({
        status: 'sending',
        attempts: 1,
        sentAt: expect.stringMatching(/Z$/),
      });
      expect(await store.claim('nobody', 1)).toBe(false);
    });

    test('retreats only from sending, and begins again', async () => {
      await store.insert(aSend('a'));
      expect(await store.requeue('a', 1)).toBe(false);
      await store.claim('a', 1);
      expect(await store.requeue('a', 1)).toBe(true);
      expect(await found(store, 'a')).toMatchObject({ status: 'queued', attempts: 1 });
      expect(await store.requeue('a', 1)).toBe(true);
      expect(await store.claim('a', 1)).toBe(false);
      expect(await store.claim('a', 2)).toBe(true);
      expect(await store.requeue('a', 1)).toBe(false);
      expect(await found(store, 'a')).toMatchObject({ status: 'sending', attempts: 2 });
    });

    test.each(['accepted', 'rejected', 'cancelled'] as const)('%s drops the call', async (status) => {
      await store.insert(aSend('a'));
      if (status !== 'cancelled') await store.claim('a', 1);
      expect(await store.complete('a', { status, whatsappMessageId: 'w', localMessageId: 'l', outcome: VERDICT })).toBe(
        true,
      );
      const send = await found(store, 'a');
      expect(send).toMatchObject({ status, whatsappMessageId: 'w', localMessageId: 'l', outcome: VERDICT });
      expect(send).not.toHaveProperty('call');
    });

    test.each(['not_sent', 'unknown'] as const)('%s keeps the call', async (status) => {
      await ended(store, aSend('a'), status);
      expect(await found(store, 'a')).toMatchObject({ status, call: { text: 'a' } });
    });

    test('settles what was only queued', async () => {
      await store.insert(aSend('a'));
      expect(await store.complete('a', { status: 'not_sent', outcome: null })).toBe(true);
      expect(await store.claim('a', 1)).toBe(false);
    });

    test('a cancel never touches sending', async () => {
      await sending(store, aSend('a'));
      expect(await store.complete('a', { status: 'cancelled', outcome: null })).toBe(false);
      expect((await found(store, 'a')).status).toBe('sending');
    });

    test.each(['accepted', 'rejected', 'not_sent'] as const)('%s is final', async (first) => {
      await ended(store, aSend('a'), first);
      const before = await found(store, 'a');
      for (const status of ['accepted', 'rejected', 'not_sent', 'unknown', 'cancelled'] as const) {
        expect(await store.complete('a', { status, outcome: 'late' })).toBe(false);
      }
      expect(await store.claim('a', 1)).toBe(false);
      expect(await store.requeue('a', 1)).toBe(false);
      expect(await store.markReconciled('a', { outcome: 'late' })).toBe(false);
      expect(await found(store, 'a')).toEqual(before);
    });

    test.each(['accepted', 'rejected', 'not_sent'] as const)('a late %s corrects unknown', async (status) => {
      await sending(store, aSend('a', { localMessageId: 'mine' }));
      const failure = { code: 'timeout', detail: 'no answer' };
      await store.complete('a', { status: 'unknown', failure, outcome: 'who knows' });
      expect(await store.complete('a', { status: 'unknown', outcome: 'again' })).toBe(false);
      expect(await store.complete('a', { status: 'cancelled', outcome: 'again' })).toBe(false);
      expect(await store.complete('a', { status, outcome: 'late' })).toBe(true);
      const send = await found(store, 'a');
      expect(send).toMatchObject({ status, outcome: 'late', localMessageId: 'mine' });
      expect(send).not.toHaveProperty('failure');
    });

    test('resolves only what is unknown', async () => {
      await sending(store, aSend('a'));
      expect(await store.markReconciled('a', { outcome: 'found' })).toBe(false);
      await store.complete('a', { status: 'unknown', failure: { code: 'x', detail: 'y' }, outcome: null });
      expect(await store.markReconciled('a', { whatsappMessageId: 'w', outcome: 'found' })).toBe(true);
      const send = await found(store, 'a');
      expect(send).toMatchObject({ status: 'accepted', whatsappMessageId: 'w', outcome: 'found' });
      expect(send).not.toHaveProperty('failure');
      expect(send).not.toHaveProperty('call');
      expect(await store.markReconciled('a', { outcome: 'again' })).toBe(false);
    });

    test('learns the fingerprint of a file when it ends', async () => {
      await sending(store, { ...aStream('a'), idempotency: { route: ROUTE, key: 'k' } });
      expect((await found(store, 'a')).idempotency).toEqual({ route: ROUTE, key: 'k' });
      await store.complete('a', { status: 'accepted', fingerprint: 'of the file', outcome: VERDICT });
      const known = await found(store, 'a');
      expect(known).toMatchObject({ contentMac: MAC, idempotency: { route: ROUTE, key: 'k' } });
      expect([store.sameContent(known, 'of the file'), store.sameContent(known, 'of another')]).toEqual([true, false]);
    });

    test('forgets a send that has not ended, and frees its key', async () => {
      await sending(store, { ...aStream('a'), idempotency: { route: ROUTE, key: 'k' } });
      await store.deleteUnsent('a');
      expect(await store.find('crm', 'a')).toBeUndefined();
      expect(await store.insert({ ...aStream('b'), idempotency: { route: ROUTE, key: 'k' } })).toHaveProperty(
        'inserted',
      );
      await store.complete('b', { status: 'accepted', outcome: VERDICT });
      await store.deleteUnsent('b');
      expect(await found(store, 'b')).toMatchObject({ status: 'accepted' });
    });

    test('counts what went to the same person through another channel as a twin', async () => {
      const [from, until] = [Date.now() - 60_000, Date.now() + 60_000].map((ms) => new Date(ms).toISOString());
      const through = (id: string, channel?: string) =>
        aSend(id, { fingerprint: `print of ${id}`, ...(channel !== undefined && { channel }) });
      const a = through('a', '919999900001');
      for (const each of [a, through('b', '919999900001')]) await sending(store, each);
      expect(await store.countLookalikes(a, from ?? '', until ?? '')).toBe(0);
      for (const each of [through('c', '919999900002'), through('d')]) await sending(store, each);
      expect(await store.countLookalikes(a, from ?? '', until ?? '')).toBe(2);
      expect(await store.countLookalikes(through('d'), from ?? '', until ?? '')).toBe(3);
    });

    test('counts the lookalikes of a send by the time they began', async () => {
      await sending(store, { ...aSend('a'), fingerprint: 'same' });
      await sending(store, { ...aSend('b'), fingerprint: 'same' });
      await sending(store, { ...aSend('c'), fingerprint: 'other' });
      await store.insert({ ...aSend('d'), fingerprint: 'same' });
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      const a = { ...aSend('a'), fingerprint: 'same' };
      expect(await store.countLookalikes(a, from, until)).toBe(1);
      expect(await store.countLookalikes(a, from, new Date(at - 30_000).toISOString())).toBe(0);
      expect(await store.countLookalikes({ ...a, to: '14155559999' }, from, until)).toBe(0);
      expect(await store.countLookalikes({ ...a, fingerprint: '' }, from, until)).toBe(2);
      expect(await store.countLookalikes({ ...a, to: '14155559999', fingerprint: '' }, from, until)).toBe(0);
    });

    test('counts as a twin what may be one, since nothing is kept of its content any more', async () => {
      await sending(store, { ...aSend('a'), fingerprint: 'same' });
      await sending(store, aSend('text'));
      await sending(store, aSend('buttons', { kind: 'buttons' }));
      await sending(store, aSend('elsewhere', { connectionId: 'c2' }));
      await sending(store, aSend('template', { kind: 'template', template: 'welcome' }));
      await sending(store, aStream('file'));
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      expect(await store.countLookalikes({ ...aSend('a'), fingerprint: 'same' }, from, until)).toBe(1);
      const other = aSend('b', { kind: 'template', template: 'goodbye', fingerprint: 'other' });
      expect(await store.countLookalikes(other, from, until)).toBe(0);
    });

    test('counts as a twin what has the same template, whatever its parameters, and a CSV of it', async () => {
      const aTemplate = (id: string, more: Partial<NewMessage> = {}): NewMessage => ({
        ...aSend(id, { kind: 'template', template: 'welcome', fingerprint: id }),
        ...more,
      });
      const { to: _, ...csv }: NewMessage = { ...aStream('csv'), kind: 'csv', template: 'welcome' };
      await sending(store, aTemplate('a'));
      await sending(store, aTemplate('b'));
      await sending(store, aTemplate('other number', { to: '14155559999' }));
      await sending(store, aTemplate('other template', { template: 'goodbye' }));
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      expect(await store.countLookalikes(aTemplate('a'), from, until)).toBe(1);
      await sending(store, csv);
      expect(await store.countLookalikes(aTemplate('a'), from, until)).toBe(2);
    });

    test('checks, beats and holds its lease; closed, it refuses', async () => {
      await store.check();
      await store.heartbeat();
      expect(store.holdsLease()).toBe(true);
      await store.close();
      await store.close();
      expect(store.holdsLease()).toBe(false);
      await expect(store.check()).rejects.toMatchObject({ name: 'StoreError' });
      await expect(store.find('crm', 'a')).rejects.toMatchObject({ name: 'StoreError' });
      await expect(store.insert(aSend('a'))).rejects.toMatchObject({ name: 'StoreError' });
    });
  });

  groupsConformance(name, makeHome);
  broadcastConformance(name, makeHome);
  claimsConformance(name, makeHome, survives);
  readingConformance(name, makeHome);
  operatorConformance(name, makeHome, survives);
  personConformance(name, makeHome);
  ageingConformance(name, makeHome);
  looksConformance(name, makeHome, survives);
  quotaConformance(name, makeHome, survives);
  if (survives) takeoverConformance(name, makeHome);
}
