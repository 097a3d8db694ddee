import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, insertRecording, NONE, newBroadcast, recipients, sweepAll } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { ids, insertFinished, insertSending, newMessage, withKey } from './samples.ts';

const person = '4915112345678';
const to = { to: person };

/** Records of one person are found, ended and erased; records of others are not touched. */
export function personConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: the records of one person`, () => {
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });

    const kept = async (caller = 'crm') =>
      Object.fromEntries((await store.countPerson(caller, person)).map(({ status, count }) => [status, count]));

    /** Records a broadcast to this person and three others. */
    const withPerson = async (id: string, release = true) => {
      await insertRecording(store, id, 3);
      await store.addRecipients(id, [newMessage(`${id}-person`, { kind: 'template', template: 'welcome', ...to })]);
      if (release) await store.publishBroadcast(id, 'print');
    };

    test('are counted by caller and state', async () => {
      await store.insert(newMessage('q', to));
      await insertSending(store, newMessage('s', to));
      for (const status of ['accepted', 'rejected', 'not_sent', 'unknown'] as const) {
        await insertFinished(store, newMessage(status, to), status);
      }
      await insertFinished(store, newMessage('other'), 'accepted');
      await insertFinished(store, newMessage('shops', { ...to, caller: 'shop' }), 'accepted');
      expect(await kept()).toEqual({ queued: 1, sending: 1, accepted: 1, rejected: 1, not_sent: 1, unknown: 1 });
      expect(await kept('shop')).toEqual({ accepted: 1 });
      expect(await kept('bank')).toEqual({});
    });

    test('count recipients of broadcasts with their public state, and those of one that is being recorded', async () => {
      await withPerson('running');
      await withPerson('paused');
      await store.changeBroadcastStatus('crm', 'paused', { to: 'paused' });
      await withPerson('cancelled');
      await store.changeBroadcastStatus('crm', 'cancelled', { to: 'cancelled' });
      await withPerson('open', false);
      await withPerson('gone', false);
      await store.discardBroadcast('gone');
      expect(await kept()).toEqual({ queued: 2, cancelled: 2, recording: 1 });
    });

    test('are cancelled if they are queued, in batches, and those of others are not', async () => {
      for (let n = 0; n < 5; n++) await store.insert(newMessage(`q${n}`, to));
      await insertSending(store, newMessage('wire', to));
      await store.insert(newMessage('other'));
      await store.insert(newMessage('shops', { ...to, caller: 'shop' }));
      expect(await store.cancelPerson('crm', person, 3)).toBe(3);
      expect(ids((await store.list('crm', { ...to, status: 'queued' }, { limit: 9 })).messages)).toEqual(['q4', 'q3']);
      expect(await store.cancelPerson('crm', person, 3)).toBe(2);
      expect(await store.cancelPerson('crm', person, 3)).toBe(0);
      expect(await kept()).toEqual({ cancelled: 5, sending: 1 });
      expect(await store.claim('q0', 1)).toBe(false);
      expect(await store.find('crm', 'q0')).not.toHaveProperty('content');
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0, queued: 2, sending: 1, cancelled: 5 });
    });

    test('are removed from running and paused broadcasts, whose counts add up and which end', async () => {
      await withPerson('b');
      await withPerson('p');
      await store.changeBroadcastStatus('crm', 'p', { to: 'paused' });
      expect(await store.cancelPerson('crm', person, 9)).toBe(2);
      for (const id of ['b', 'p']) {
        expect(await store.findBroadcast('crm', id)).toMatchObject({
          total: 4,
          counts: { ...NONE, queued: 3, cancelled: 1 },
        });
      }
      const claimed = ids(await store.claimBatch('b', 9));
      expect(claimed).toEqual(['b-0', 'b-1', 'b-2']);
      await store.completeAll(claimed.map((id) => ({ id, status: 'accepted', outcome: null })));
      expect(await store.erasePerson('crm', person, 9)).toBe(2);
      await sweepAll(store);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({
        status: 'done',
        total: 4,
        counts: { ...NONE, accepted: 3, cancelled: 1 },
      });
    });

    test('of a broadcast that is being recorded are left, and its publication counts them', async () => {
      await withPerson('open', false);
      expect(await store.cancelPerson('crm', person, 9)).toBe(0);
      expect(await store.erasePerson('crm', person, 9)).toBe(0);
      expect(await kept()).toEqual({ recording: 1 });
      expect(await store.publishBroadcast('open', 'print')).toMatchObject({ total: 4, counts: { ...NONE, queued: 4 } });
      expect(await kept()).toEqual({ queued: 1 });
    });

    test('of a cancelled or discarded broadcast are erased before the sweep', async () => {
      await withPerson('cancelled');
      await store.changeBroadcastStatus('crm', 'cancelled', { to: 'cancelled' });
      await withPerson('gone', false);
      await store.discardBroadcast('gone');
      expect(await store.cancelPerson('crm', person, 9)).toBe(1);
      expect(await store.erasePerson('crm', person, 9)).toBe(2);
      expect(await kept()).toEqual({});
      await sweepAll(store);
      expect(await store.findBroadcast('crm', 'cancelled')).toMatchObject({
        total: 4,
        counts: { ...NONE, cancelled: 4 },
      });
      expect(await store.openBroadcast(newBroadcast('gone'))).toEqual({ opened: true });
    });

    test('are erased if they have ended, in batches, with their keys; a message in flight is not, and is completed', async () => {
      await insertSending(store, newMessage('wire', to));
      for (let n = 0; n < 4; n++)
        await insertFinished(store, newMessage(`a${n}`, { ...to, ...withKey(`k${n}`) }), 'accepted');
      await insertFinished(store, newMessage('u', to), 'unknown');
      await insertFinished(store, newMessage('other', withKey('other')), 'accepted');
      expect(await store.erasePerson('crm', person, 3)).toBe(3);
      expect(await store.erasePerson('crm', person, 3)).toBe(2);
      expect(await store.erasePerson('crm', person, 3)).toBe(0);
      expect(await kept()).toEqual({ sending: 1 });
      expect(await store.findByKey('crm', 'POST /v1/messages/text', 'k0')).toBeUndefined();
      expect(await store.complete('u', { status: 'accepted', outcome: null })).toBe(false);
      expect(await store.complete('wire', { status: 'accepted', outcome: null })).toBe(true);
      expect(await store.erasePerson('crm', person, 3)).toBe(1);
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0, accepted: 1 });
      await store.scrub({ exclusive: false });
      await store.scrub({ exclusive: true });
      expect(ids((await store.list('crm', {}, { limit: 9 })).messages)).toEqual(['other']);
    });

    test('are erased from broadcasts in progress, without other recipients', async () => {
      await insertPublished(store, 'b', 3);
      await store.claimBatch('b', 3);
      await store.completeAll(['b-0', 'b-1'].map((id) => ({ id, status: 'accepted', outcome: null })));
      const [first] = recipients('b', 0, 1);
      expect(await store.erasePerson('crm', first?.to ?? '', 9)).toBe(1);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, accepted: 2, sending: 1 } });
      expect(ids((await store.list('crm', { broadcastId: 'b' }, { limit: 9 })).messages)).toEqual(['b-2', 'b-1']);
    });
  });
}
