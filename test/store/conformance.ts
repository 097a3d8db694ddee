import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import type { NewSend, SendStore } from '../../src/store/port.ts';
import { MAC } from './broadcast-samples.ts';
import { ageingConformance } from './conformance-ageing.ts';
import { broadcastConformance } from './conformance-broadcasts.ts';
import { claimsConformance } from './conformance-claims.ts';
import { groupsConformance } from './conformance-groups.ts';
import { looksConformance } from './conformance-looks.ts';
import { operatorConformance } from './conformance-operator.ts';
import { personConformance } from './conformance-person.ts';
import { quotaConformance } from './conformance-quotas.ts';
import { readingConformance } from './conformance-reading.ts';
import { takeoverConformance } from './conformance-takeover.ts';
import { aSend, aStream, ended, found, ROUTE, sending, VERDICT, withKey } from './samples.ts';

/** A place where stores live: `open` again and again opens the same one. */
export interface Home {
  open(): Promise<Store>;
  /** Lets the ageing clock run on, without waiting. */
  age(ms: number): Promise<void>;
  tearDown(): Promise<void>;
}

/** Holds a store to every sentence of src/store/port.ts. `survives`: its contents outlive the process. */
export function storeConformance(name: string, makeHome: () => Promise<Home>, survives: boolean): void {
  describe(`${name}: records and settles`, () => {
    let home: Home;
    let store: SendStore;
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
      const answer = await store.record(send);
      const times = { createdAt: expect.stringMatching(/Z$/), updatedAt: expect.stringMatching(/Z$/) };
      const { fingerprint, ...kept } = send;
      expect(fingerprint).toBe('f1');
      const whole = { ...kept, contentMac: MAC, status: 'queued', attempts: 0, ...times };
      expect(answer).toEqual({ recorded: whole });
      expect(await store.find('crm', 'a')).toEqual(whole);
      expect(await store.findByKey('crm', ROUTE, 'k')).toEqual(whole);
    });

    test.each([true, false])('keeps the channel of a send through its attempts, named for it: %s', async (isNamed) => {
      const { channelNamed: _, ...send } = aSend('a', { channel: '919999900001' });
      await store.record({ ...send, channelNamed: isNamed });
      expect(await store.begin('a', 1)).toBe(true);
      expect(await store.begin('a', 1)).toBe(true);
      expect(await store.retreat('a', 1)).toBe(true);
      expect(await store.beginAll([{ id: 'a', attempt: 2 }])).toEqual(new Set(['a']));
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
      await store.record(aSend('a', { call, template: 'पता' }));
      expect(await found(store, 'a')).toMatchObject({ call, template: 'पता' });
      const failure = { code: 'c', detail: 'from \0 upstream \uD800' };
      expect(await store.settle('a', { status: 'not_sent', failure, verdict: null })).toBe(true);
      expect(await found(store, 'a')).toMatchObject({
        failure: { code: 'c', detail: 'from \uFFFD upstream \uFFFD' },
        verdict: null,
      });
    });

    test('keeps the first value of a pin, until it is given anew', async () => {
      expect(await store.pinned('one')).toBeUndefined();
      expect(await Promise.all(['a', 'b', 'c'].map((value) => store.pin('one', value)))).toEqual(['a', 'a', 'a']);
      expect([await store.pinned('one'), await store.pinned('another')]).toEqual(['a', undefined]);
      for (const value of ['b', 'b', 'c']) await store.repin('one', value);
      expect([await store.pin('one', 'd'), await store.pinned('one')]).toEqual(['c', 'c']);
      await store.repin('another', 'x');
      expect(await store.pin('another', 'y')).toBe('x');
    });

    test('records one of a hundred that race under one key', async () => {
      const racing = Array.from({ length: 100 }, (_, n) => store.record(aSend(`r${n}`, withKey('k', `f${n}`))));
      const answers = await Promise.all(racing);
      const winners = answers.flatMap((answer) => ('recorded' in answer ? [answer.recorded.id] : []));
      expect(winners).toHaveLength(1);
      for (const answer of answers) if ('known' in answer) expect(answer.known.id).toBe(winners[0]);
      expect((await store.counts()).queued).toBe(1);
    });

    test('a key belongs to a caller and a route', async () => {
      await store.record(aSend('a', withKey('k')));
      expect(await store.record(aSend('b', { caller: 'shop', ...withKey('k') }))).toHaveProperty('recorded');
      const elsewhere = { route: 'POST /v1/other', key: 'k' };
      expect(await store.record(aSend('c', { idempotency: elsewhere }))).toHaveProperty('recorded');
      expect(await store.findByKey('bank', ROUTE, 'k')).toBeUndefined();
      expect(await store.findByKey('crm', 'POST /v1/none', 'k')).toBeUndefined();
      expect(await store.find('bank', 'a')).toBeUndefined();
      expect((await store.findByKey('shop', ROUTE, 'k'))?.id).toBe('b');
    });

    test('refuses an id that was used before, and the others of the turn go on', async () => {
      await store.record(aSend('a'));
      const turn = await Promise.allSettled([store.record(aSend('b')), store.record(aSend('a')), store.begin('b', 1)]);
      expect(turn.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(turn[1]).toMatchObject({ reason: { name: 'StoreError' } });
      expect((await store.counts()).queued + (await store.counts()).sending).toBe(2);
    });

    test('one repetition per send', async () => {
      await ended(store, aSend('a'), 'unknown');
      const racing = ['b', 'c', 'd'].map((id) => store.record(aSend(id, { resendOf: 'a', ...withKey(id) })));
      const answers = await Promise.all(racing);
      const [child] = answers.flatMap((answer) => ('recorded' in answer ? [answer.recorded.id] : []));
      expect(answers.filter((answer) => 'known' in answer && answer.known.id === child)).toHaveLength(2);
      expect(await found(store, String(child))).toMatchObject({ resendOf: 'a' });
    });

    test('no repetition of a send that was found to have arrived, and its key stays free', async () => {
      await ended(store, aSend('a'), 'unknown');
      await store.resolve('a', { verdict: VERDICT });
      const again = await store.record(aSend('b', { resendOf: 'a', ...withKey('k') }));
      expect(again).toEqual({ known: await found(store, 'a') });
      expect(await store.find('crm', 'b')).toBeUndefined();
      expect(await store.findByKey('crm', ROUTE, 'k')).toBeUndefined();
    });

    test('begins an attempt once, and says so again to the process that did', async () => {
      await store.record(aSend('a'));
      expect(await store.begin('a', 2)).toBe(false);
      expect(await Promise.all([store.begin('a', 1), store.begin('a', 2), store.begin('a', 1)])).toEqual([
        true,
        false,
        true,
      ]);
      expect(await found(store, 'a')).toMatchObject({
        status: 'sending',
        attempts: 1,
        sentAt: expect.stringMatching(/Z$/),
      });
      expect(await store.begin('nobody', 1)).toBe(false);
    });

    test('retreats only from sending, and begins again', async () => {
      await store.record(aSend('a'));
      expect(await store.retreat('a', 1)).toBe(false);
      await store.begin('a', 1);
      expect(await store.retreat('a', 1)).toBe(true);
      expect(await found(store, 'a')).toMatchObject({ status: 'queued', attempts: 1 });
      expect(await store.retreat('a', 1)).toBe(true);
      expect(await store.begin('a', 1)).toBe(false);
      expect(await store.begin('a', 2)).toBe(true);
      expect(await store.retreat('a', 1)).toBe(false);
      expect(await found(store, 'a')).toMatchObject({ status: 'sending', attempts: 2 });
    });

    test.each(['accepted', 'rejected', 'cancelled'] as const)('%s drops the call', async (status) => {
      await store.record(aSend('a'));
      if (status !== 'cancelled') await store.begin('a', 1);
      expect(await store.settle('a', { status, whatsappMessageId: 'w', localMessageId: 'l', verdict: VERDICT })).toBe(
        true,
      );
      const send = await found(store, 'a');
      expect(send).toMatchObject({ status, whatsappMessageId: 'w', localMessageId: 'l', verdict: VERDICT });
      expect(send).not.toHaveProperty('call');
    });

    test.each(['not_sent', 'unknown'] as const)('%s keeps the call', async (status) => {
      await ended(store, aSend('a'), status);
      expect(await found(store, 'a')).toMatchObject({ status, call: { text: 'a' } });
    });

    test('settles what was only queued', async () => {
      await store.record(aSend('a'));
      expect(await store.settle('a', { status: 'not_sent', verdict: null })).toBe(true);
      expect(await store.begin('a', 1)).toBe(false);
    });

    test('a cancel never touches sending', async () => {
      await sending(store, aSend('a'));
      expect(await store.settle('a', { status: 'cancelled', verdict: null })).toBe(false);
      expect((await found(store, 'a')).status).toBe('sending');
    });

    test.each(['accepted', 'rejected', 'not_sent'] as const)('%s is final', async (first) => {
      await ended(store, aSend('a'), first);
      const before = await found(store, 'a');
      for (const status of ['accepted', 'rejected', 'not_sent', 'unknown', 'cancelled'] as const) {
        expect(await store.settle('a', { status, verdict: 'late' })).toBe(false);
      }
      expect(await store.begin('a', 1)).toBe(false);
      expect(await store.retreat('a', 1)).toBe(false);
      expect(await store.resolve('a', { verdict: 'late' })).toBe(false);
      expect(await found(store, 'a')).toEqual(before);
    });

    test.each(['accepted', 'rejected', 'not_sent'] as const)('a late %s corrects unknown', async (status) => {
      await sending(store, aSend('a', { localMessageId: 'mine' }));
      const failure = { code: 'timeout', detail: 'no answer' };
      await store.settle('a', { status: 'unknown', failure, verdict: 'who knows' });
      expect(await store.settle('a', { status: 'unknown', verdict: 'again' })).toBe(false);
      expect(await store.settle('a', { status: 'cancelled', verdict: 'again' })).toBe(false);
      expect(await store.settle('a', { status, verdict: 'late' })).toBe(true);
      const send = await found(store, 'a');
      expect(send).toMatchObject({ status, verdict: 'late', localMessageId: 'mine' });
      expect(send).not.toHaveProperty('failure');
    });

    test('resolves only what is unknown', async () => {
      await sending(store, aSend('a'));
      expect(await store.resolve('a', { verdict: 'found' })).toBe(false);
      await store.settle('a', { status: 'unknown', failure: { code: 'x', detail: 'y' }, verdict: null });
      expect(await store.resolve('a', { whatsappMessageId: 'w', verdict: 'found' })).toBe(true);
      const send = await found(store, 'a');
      expect(send).toMatchObject({ status: 'accepted', whatsappMessageId: 'w', verdict: 'found' });
      expect(send).not.toHaveProperty('failure');
      expect(send).not.toHaveProperty('call');
      expect(await store.resolve('a', { verdict: 'again' })).toBe(false);
    });

    test('learns the fingerprint of a file when it ends', async () => {
      await sending(store, { ...aStream('a'), idempotency: { route: ROUTE, key: 'k' } });
      expect((await found(store, 'a')).idempotency).toEqual({ route: ROUTE, key: 'k' });
      await store.settle('a', { status: 'accepted', fingerprint: 'of the file', verdict: VERDICT });
      const known = await found(store, 'a');
      expect(known).toMatchObject({ contentMac: MAC, idempotency: { route: ROUTE, key: 'k' } });
      expect([store.sameContent(known, 'of the file'), store.sameContent(known, 'of another')]).toEqual([true, false]);
    });

    test('forgets a send that has not ended, and frees its key', async () => {
      await sending(store, { ...aStream('a'), idempotency: { route: ROUTE, key: 'k' } });
      await store.forget('a');
      expect(await store.find('crm', 'a')).toBeUndefined();
      expect(await store.record({ ...aStream('b'), idempotency: { route: ROUTE, key: 'k' } })).toHaveProperty(
        'recorded',
      );
      await store.settle('b', { status: 'accepted', verdict: VERDICT });
      await store.forget('b');
      expect(await found(store, 'b')).toMatchObject({ status: 'accepted' });
    });

    test('counts what went to the same person through another channel as a twin', async () => {
      const [from, until] = [Date.now() - 60_000, Date.now() + 60_000].map((ms) => new Date(ms).toISOString());
      const through = (id: string, channel?: string) =>
        aSend(id, { fingerprint: `print of ${id}`, ...(channel !== undefined && { channel }) });
      const a = through('a', '919999900001');
      for (const each of [a, through('b', '919999900001')]) await sending(store, each);
      expect(await store.twins(a, from ?? '', until ?? '')).toBe(0);
      for (const each of [through('c', '919999900002'), through('d')]) await sending(store, each);
      expect(await store.twins(a, from ?? '', until ?? '')).toBe(2);
      expect(await store.twins(through('d'), from ?? '', until ?? '')).toBe(3);
    });

    test('counts the twins of a send by the time they began', async () => {
      await sending(store, { ...aSend('a'), fingerprint: 'same' });
      await sending(store, { ...aSend('b'), fingerprint: 'same' });
      await sending(store, { ...aSend('c'), fingerprint: 'other' });
      await store.record({ ...aSend('d'), fingerprint: 'same' });
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      const a = { ...aSend('a'), fingerprint: 'same' };
      expect(await store.twins(a, from, until)).toBe(1);
      expect(await store.twins(a, from, new Date(at - 30_000).toISOString())).toBe(0);
      expect(await store.twins({ ...a, to: '14155559999' }, from, until)).toBe(0);
      expect(await store.twins({ ...a, fingerprint: '' }, from, until)).toBe(2);
      expect(await store.twins({ ...a, to: '14155559999', fingerprint: '' }, from, until)).toBe(0);
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
      expect(await store.twins({ ...aSend('a'), fingerprint: 'same' }, from, until)).toBe(1);
      const other = aSend('b', { kind: 'template', template: 'goodbye', fingerprint: 'other' });
      expect(await store.twins(other, from, until)).toBe(0);
    });

    test('counts as a twin what has the same template, whatever its parameters, and a CSV of it', async () => {
      const aTemplate = (id: string, more: Partial<NewSend> = {}): NewSend => ({
        ...aSend(id, { kind: 'template', template: 'welcome', fingerprint: id }),
        ...more,
      });
      const { to: _, ...csv }: NewSend = { ...aStream('csv'), kind: 'csv', template: 'welcome' };
      await sending(store, aTemplate('a'));
      await sending(store, aTemplate('b'));
      await sending(store, aTemplate('other number', { to: '14155559999' }));
      await sending(store, aTemplate('other template', { template: 'goodbye' }));
      const at = Date.now();
      const [from, until] = [new Date(at - 60_000).toISOString(), new Date(at + 60_000).toISOString()];
      expect(await store.twins(aTemplate('a'), from, until)).toBe(1);
      await sending(store, csv);
      expect(await store.twins(aTemplate('a'), from, until)).toBe(2);
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
      await expect(store.record(aSend('a'))).rejects.toMatchObject({ name: 'StoreError' });
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
