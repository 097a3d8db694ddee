import { describe, expect, test } from 'vitest';
import type { WebhooksOptions } from '../../src/simulator/webhooks.ts';
import { codeOf, otp, started } from './helper.ts';
import { openReceiver } from './receiver.ts';

const customer = '14155551000';
const day = 24 * 3_600_000;
const retry = 600_000;

/** A simulator whose time stands still until it is moved, and what it posts to. */
async function posting(options: WebhooksOptions = {}, answer?: Parameters<typeof openReceiver>[0]) {
  const receiver = await openReceiver(answer);
  const now = Date.now();
  const given = await started({ now: () => now, webhooks: { url: receiver.url, ...options } });
  return { ...given, receiver, webhooks: given.simulator.webhooks };
}

describe('a webhook', () => {
  test('has the fields that WATI documents, and the ids that the history has', async () => {
    const { simulator, gateway, text, template, receiver } = await posting({ twins: true, bsuid: true });
    await text(customer, { localMessageId: 'mine-1', channelPhoneNumber: '14155550998' });
    await simulator.advance(2_000);
    await template(otp(customer, { localMessageId: 'mine-2' }));
    await simulator.advance(2_000);
    expect(receiver.names()).toEqual([
      'sessionMessageSent',
      'sessionMessageSent_v2',
      'sessionMessageSent_bsuid',
      'sessionMessageSent_v2_bsuid',
      ...['sentMessageDELIVERED', 'sentMessageDELIVERED_v2', 'sentMessageREAD', 'sentMessageREAD_v2'],
      'templateMessageSent',
      'templateMessageSent_v2',
      'templateMessageSent_v2_bsuid',
      ...['sentMessageDELIVERED', 'sentMessageDELIVERED_v2', 'sentMessageREAD', 'sentMessageREAD_v2'],
    ]);
    const history = await gateway(`/api/v1/getMessages/${customer}`, { query: { pageSize: '2' } });
    const rows = [
      { localMessageId: 'mine-2', statusString: 'READ', id: receiver.bodies[8]?.id },
      { localMessageId: 'mine-1', statusString: 'READ', id: receiver.bodies[0]?.id },
    ];
    expect(history.json()).toMatchObject({ messages: { items: rows } });
    // Only `_v2` and `_bsuid` carry our id, and only the sent ones say who it was.
    expect(receiver.bodies.map((body) => [body.localMessageId, body.waId, body.bsuid !== undefined])).toEqual([
      [undefined, customer, false],
      ['mine-1', customer, true],
      ['mine-1', customer, true],
      ['mine-1', customer, true],
      ...[undefined, 'mine-1', undefined, 'mine-1'].map((id) => [id, undefined, false]),
      [undefined, customer, false],
      ['mine-2', customer, true],
      ['mine-2', customer, true],
      ...[undefined, 'mine-2', undefined, 'mine-2'].map((id) => [id, undefined, false]),
    ]);
    expect(receiver.bodies[1]).toMatchObject({ statusString: 'SENT', type: 'text', channelPhoneNumber: '14155550998' });
    expect(receiver.bodies[9]).toMatchObject({ templateName: 'otp_code', text: '1234 is your code.' });
    expect(receiver.bodies[5]).toMatchObject({ statusString: 'Delivered', timestamp: receiver.bodies[1]?.timestamp });
    expect(new Set(receiver.paths)).toEqual(new Set(['POST /wati/token']));
  });

  test('comes in the forms that are ticked, as often as is set, twins one after the other', async () => {
    const { simulator, text, webhooks, receiver } = await posting();
    const told = async (change: Parameters<typeof webhooks.change>[0]) => {
      expect(webhooks.change(change)).toBeUndefined();
      receiver.bodies.length = 0;
      await text(customer);
      await simulator.advance(2_000);
      return receiver.names().filter((name) => !/REPLIED|READ/.test(name));
    };
    expect(await told({})).toEqual(['sessionMessageSent_v2', 'sentMessageDELIVERED_v2']);
    expect(await told({ twins: 'plain' })).toEqual(['sessionMessageSent', 'sentMessageDELIVERED']);
    expect(await told({ twins: true, duplicates: 1 })).toEqual([
      ...['sessionMessageSent', 'sessionMessageSent_v2', 'sessionMessageSent', 'sessionMessageSent_v2'],
      ...['sentMessageDELIVERED', 'sentMessageDELIVERED_v2', 'sentMessageDELIVERED', 'sentMessageDELIVERED_v2'],
    ]);
    expect(await told({ enabled: false })).toEqual([]);
  });

  test('is late by what is set, and not earlier', async () => {
    const { simulator, text, receiver } = await posting({ lateMs: 60_000 });
    await text(customer);
    await simulator.advance(59_999);
    expect(receiver.names()).toEqual([]);
    await simulator.advance(1);
    expect(receiver.names()).toEqual(['sessionMessageSent_v2']);
  });

  test('is lost, doubled and out of order in the same way for the same seed, and in another for another', async () => {
    const { simulator, text, webhooks, receiver } = await posting({
      duplicates: 1,
      disorderMs: 60_000,
      lossRatio: 0.3,
    });
    const run = async (seed: string) => {
      webhooks.change({ seed });
      receiver.bodies.length = 0;
      for (let at = 0; at < 20; at += 1) await text(customer, { localMessageId: `mine-${at}` });
      await simulator.advance(100_000);
      return Map.groupBy(receiver.bodies, (body) => String(body.localMessageId));
    };
    const namesOf = (seen: Awaited<ReturnType<typeof run>>) =>
      Array.from({ length: 20 }, (_, at) => seen.get(`mine-${at}`)?.map(({ eventType }) => eventType));
    const first = namesOf(await run('one'));
    expect(namesOf(await run('one'))).toEqual(first);
    expect(namesOf(await run('other'))).not.toEqual(first);
    // 20 messages, three facts, twice: 120, of which some 30 % are lost.
    expect(first.flat().length).toBeGreaterThan(60);
    expect(first.flat().length).toBeLessThan(110);
    expect(first.some((names) => names?.[0] !== 'sessionMessageSent_v2')).toBe(true);
    simulator.reset('run');
    expect(webhooks.settings).toMatchObject({ seed: 'run', duplicates: 1, lossRatio: 0.3 });
    simulator.reset();
    expect(webhooks.settings.seed).not.toBe('run');
    expect(namesOf(await run('one'))).toEqual(first);
    const states = Object.groupBy(webhooks.posts, ({ state }) => state);
    expect([states.waiting, (states.lost ?? []).length > 0]).toEqual([undefined, true]);
    expect(states.acknowledged?.every(({ attempts }) => attempts.length === 1 && attempts[0]?.status === 200)).toBe(
      true,
    );
  });
});

describe('a webhook that is not answered with 200', () => {
  test.each([201, 204, 302, 404, 503])('is posted again after ten minutes when it was a %i', async (status) => {
    let answer = status;
    const { simulator, text, webhooks, receiver } = await posting({}, () => answer);
    await text('14155550702');
    await simulator.advance(1);
    expect([receiver.bodies.length, webhooks.failuresInARow]).toEqual([1, 1]);
    answer = 200;
    await simulator.advance(retry - 2);
    expect(receiver.bodies).toHaveLength(1);
    await simulator.advance(2);
    expect([receiver.bodies.length, webhooks.failuresInARow, webhooks.waiting]).toEqual([2, 0, 0]);
    expect(webhooks.posts).toMatchObject([{ state: 'acknowledged', attempts: [{ status }, { status: 200 }] }]);
    expect(new Set(receiver.paths)).toEqual(new Set(['POST /wati/token']));
  });

  test('is tried again while nobody listens, 144 times, and then given up', async () => {
    const { simulator, text, webhooks, receiver } = await posting({ retrySeconds: 60 });
    await receiver.stop();
    await text('14155550702');
    await simulator.advance(50 * 60_000);
    expect(webhooks.posts[0]).toMatchObject({ state: 'waiting', attempts: { length: 51 } });
    expect(webhooks.posts[0]?.attempts[0]?.error).toMatch(/ECONNREFUSED/);
    await simulator.advance(150 * 60_000);
    // After more than a hundred failures in a row it is not even tried.
    expect([webhooks.status, webhooks.posts[0]?.state, webhooks.posts[0]?.attempts.length]).toEqual([
      'defective',
      'skipped',
      101,
    ]);
    webhooks.enable();
    await text('14155550702');
    for (let at = 0; at < 150; at += 1) {
      webhooks.enable();
      await simulator.advance(60_000);
    }
    expect(webhooks.posts[1]).toMatchObject({ state: 'abandoned', attempts: { length: 145 } });
  });

  test('makes the endpoint defective with the 101st failure in a row, and nothing is posted until it is enabled', async () => {
    let answer = 503;
    const { simulator, text, webhooks, receiver } = await posting({}, () => answer);
    const send = async (count: number) => {
      await Promise.all(Array.from({ length: count }, () => text('14155550702')));
      await simulator.advance(1);
    };
    await send(100);
    expect([webhooks.status, webhooks.failuresInARow]).toEqual(['enabled', 100]);
    answer = 200;
    await send(1);
    expect(webhooks.failuresInARow).toBe(0);
    answer = 503;
    await send(101);
    expect(webhooks.status).toBe('defective');
    answer = 200;
    receiver.bodies.length = 0;
    await send(5);
    await simulator.advance(2 * retry);
    expect(receiver.bodies).toEqual([]);
    webhooks.enable();
    await send(1);
    expect([receiver.bodies.length, webhooks.status, webhooks.failuresInARow]).toEqual([1, 'enabled', 0]);
  });

  test('is not waited for for ever by a moved clock, nor by a reset', async () => {
    const held = Promise.withResolvers<number>();
    const { simulator, text, webhooks, receiver } = await posting({}, () => held.promise);
    await text(customer);
    await expect.poll(() => webhooks.waiting).toBe(1);
    simulator.reset();
    expect([webhooks.waiting, webhooks.posts]).toEqual([0, []]);
    held.resolve(200);
    await text(customer);
    await simulator.advance(1);
    // What the former run had under way counts nothing.
    expect(webhooks.posts.map(({ state }) => state)).toEqual(['acknowledged']);
    expect(receiver.bodies.length).toBeGreaterThan(0);
  });
});

describe('webhooks go', () => {
  test('to the one address that the owner said, whatever is asked for', async () => {
    const { webhooks, receiver } = await posting();
    const { origin } = new URL(receiver.url);
    expect(webhooks.change({ url: `${origin}/wati/another` })).toBeUndefined();
    const refused = [
      'http://127.0.0.1:1/wati/token',
      'https://evil.example/wati/token',
      `${origin.replace('127.0.0.1', 'localhost')}/wati/token`,
      `${origin.replace('http:', 'https:')}/wati/token`,
      `${origin}@evil.example/`,
      `http://user@${new URL(origin).host}/`,
      'file:///etc/passwd',
      '/wati/token',
      '//evil.example/wati/token',
    ];
    for (const url of refused) expect(webhooks.change({ url }), url).toMatch(/^url must be at the intake/);
    webhooks.pointTo(undefined);
    expect(webhooks.change({ url: receiver.url })).toMatch(/^No intake is configured/);
    expect(webhooks.status).toBe('disabled');
  });

  test('no further than so many that wait; what comes on top is dropped, and counted', async () => {
    const { simulator, text, webhooks, receiver } = await posting({ waitingMax: 4, lateMs: day });
    for (let at = 0; at < 6; at += 1) await text('14155550702');
    await simulator.advance(1);
    expect([webhooks.waiting, webhooks.dropped]).toEqual([4, 2]);
    await simulator.advance(day);
    expect([receiver.bodies.length, webhooks.waiting]).toEqual([4, 0]);
  });

  test('nowhere without an address, while histories move on all the same', async () => {
    const now = Date.now();
    const { simulator, text, gateway } = await started({ now: () => now });
    await text(customer, { localMessageId: 'mine-1' });
    const status = async () => (await gateway('/api/v1/whatsApp/messages/14155550999/mine-1')).json();
    expect(await status()).toMatchObject({ statusString: 'SENT' });
    await simulator.advance(500);
    expect(await status()).toMatchObject({ statusString: 'DELIVERED' });
    await simulator.advance(500);
    expect(await status()).toMatchObject({ statusString: 'READ' });
    expect(simulator.webhooks.posts).toEqual([]);
  });
});

describe('the answer of a send', () => {
  test('to 0755 comes when its webhook was answered, and to 0756 never, before its webhook', async () => {
    const { simulator, text, receiver } = await posting({ lateMs: day, lossRatio: 1 });
    await text('14155550755');
    expect(receiver.names()).toEqual(['sessionMessageSent_v2']);
    simulator.webhooks.change({ lateMs: 0, lossRatio: 0 });
    expect(await codeOf(text('14155550756', { localMessageId: 'mine-1' }))).toBe('ECONNRESET');
    const proofs = () => receiver.bodies.filter(({ localMessageId }) => localMessageId === 'mine-1');
    expect(proofs()).toEqual([]);
    await simulator.advance(2_000);
    expect(proofs().map(({ eventType }) => eventType)).toEqual([
      'sessionMessageSent_v2',
      'sentMessageDELIVERED_v2',
      'sentMessageREAD_v2',
    ]);
  });
});
