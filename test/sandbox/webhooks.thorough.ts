import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { openReceiver } from '../simulator/receiver.ts';
import { isRecord, type Json } from '../support/json.ts';
import { started } from './helper.ts';

const customer = '14155550122';
const known = '14155550110';

/** A sandbox that posts its webhooks to a receiver. */
async function posting() {
  const receiver = await openReceiver();
  const sandbox = await started({}, undefined, undefined, receiver.url);
  const posts = async (query = '') => {
    const { json } = await sandbox.ask('GET', `/_sandbox/webhooks${query}`);
    return { ...json, data: Array.isArray(json.data) ? json.data.filter(isRecord) : [] };
  };
  return { ...sandbox, receiver, posts, set: (body: unknown) => sandbox.ask('POST', '/_sandbox/webhooks', body) };
}

describe('POST /_sandbox/messages', () => {
  it('posts the event of a customer who writes, of a new one after that he is new', async () => {
    const { ask, receiver, set } = await posting();
    await set({ bsuid: true });
    await ask('POST', '/_sandbox/messages', { from: '4915112345678', text: 'Hi', name: 'Emre', bsuid: 'DE.1a' });
    await expect.poll(() => receiver.bodies.length).toBe(4);
    expect(receiver.names()).toEqual([
      'newContactMessageReceived',
      'newContactMessageReceived_bsuid',
      'message',
      'message_bsuid',
    ]);
    const who = { waId: '4915112345678', bsuid: 'DE.1a', username: '@emre', senderName: 'Emre' };
    expect(receiver.bodies[2]).toMatchObject({ ...who, owner: false, statusString: 'SENT', text: 'Hi', type: 'text' });
  });

  it('accepts a quote, a tap, a file, and a customer whose number is hidden', async () => {
    const { ask, text, list, advance, receiver } = await posting();
    const write = (body: object) => ask('POST', '/_sandbox/messages', body);
    const sent = await text(known);
    const id = String(sent.json.localMessageId);
    await advance(2);
    expect(receiver.names()).toContain('sentMessageREAD_v2');
    receiver.bodies.length = 0;
    await write({ from: known, text: 'Thanks', replyTo: id, bsuid: 'US.77' });
    await write({ bsuid: 'US.77', button: 'Yes please' });
    await write({ from: known, media: 'image', text: 'Look' });
    const ofKind = (name: string): Json[] => receiver.bodies.filter(({ eventType }) => eventType === name);
    await expect.poll(() => receiver.bodies.length).toBe(4);
    const [quote, tap, image] = ofKind('message');
    expect(quote).toMatchObject({ waId: known, text: 'Thanks', replyContextId: sent.json.whatsappMessageId });
    expect(ofKind('sentMessageREPLIED_v2')).toMatchObject([{ localMessageId: id, statusString: 'Replied' }]);
    expect(tap).toMatchObject({ waId: null, bsuid: 'US.77', type: 'button', buttonReply: { text: 'Yes please' } });
    expect(image).toMatchObject({ type: 'image', text: 'Look', data: expect.stringMatching(/^https:.*\.png$/) });
    const history = await list(`/v1/conversations/${known}/messages`);
    expect(history.slice(0, 4)).toMatchObject([
      { id: image?.id, direction: 'in', type: 'image' },
      { id: tap?.id, direction: 'in' },
      { id: quote?.id, direction: 'in', text: 'Thanks' },
      { direction: 'out', status: 'replied' },
    ]);
  });
});

describe('/_sandbox/webhooks', () => {
  it('lists the posted webhooks and their answers, and never the token', async () => {
    const { text, advance, posts, receiver } = await posting();
    const { json } = await text(known);
    await advance(2);
    expect((await posts('?state=acknowledged')).data).toHaveLength(3);
    await text('14155550111');
    const told = await posts(`?localMessageId=${String(json.localMessageId)}&limit=2`);
    expect(told).toMatchObject({
      endpoint: new URL(receiver.url).origin,
      status: 'enabled',
      failuresInARow: 0,
      settings: { enabled: true, twins: false, retrySeconds: 600 },
      data: [
        { body: { eventType: 'sentMessageDELIVERED_v2' }, recipient: known, attempts: [{ status: 200 }] },
        { body: { eventType: 'sentMessageREAD_v2' }, recipient: known, state: 'acknowledged' },
      ],
    });
    expect(JSON.stringify(told)).not.toContain('/wati/');
  });

  it('sets their faults until a reset, and repeats webhooks when the time is moved', async () => {
    const { ask, text, set, advance, reset, posts, receiver } = await posting();
    const { origin } = new URL(receiver.url);
    expect((await set({ retrySeconds: 60, twins: true, url: 'http://127.0.0.1:1/' })).status).toBe(400);
    expect((await set({ retrySeconds: 60, twins: 'plain' })).json).toMatchObject({
      settings: { retrySeconds: 60, twins: 'plain' },
    });
    expect((await set({ url: `${origin}/elsewhere`, enabled: false })).json.status).toBe('disabled');
    await text('14155550702');
    await advance(3_600);
    expect(receiver.bodies).toEqual([]);
    expect((await ask('POST', '/_sandbox/webhooks/enable')).json.status).toBe('enabled');
    await text('14155550702');
    await advance(1);
    expect([receiver.names(), receiver.paths]).toEqual([['sessionMessageSent'], ['POST /elsewhere']]);
    await reset();
    expect(await posts()).toMatchObject({ settings: { retrySeconds: 600, twins: false }, data: [] });
    await text('14155550702');
    await advance(1);
    expect(receiver.paths.at(-1)).toBe('POST /wati/token');
  });

  it('refuses unknown settings, lists the known ones, and changes nothing then', async () => {
    const { ask, posts } = await posting();
    const refused: [path: string, body: unknown, words: RegExp][] = [
      ['/webhooks', { duplicates: 6 }, /duplicates/],
      ['/webhooks', { lossRatio: 2 }, /lossRatio/],
      ['/webhooks', { disorderMs: -1 }, /disorderMs/],
      ['/webhooks', { retrySeconds: 0 }, /retrySeconds/],
      ['/webhooks', { twins: 'none' }, /twins/],
      ['/webhooks', { late: 1 }, /lateMs/],
      ['/webhooks', [], /The body is an object/],
      ['/webhooks', undefined, /The body is an object/],
      ['/messages', { from: customer, text: 'Hi', replyTo: 'nothing' }, /no message nothing/],
      ['/messages', { bsuid: 'US.404', text: 'Hi' }, /no customer US\.404/],
      ['/messages', { from: customer, button: 'Yes', media: 'image' }, /^The body is/],
      ['/messages', { from: customer, media: 'sticker' }, /^The body is/],
      ['/messages', { from: customer, text: 'Hi', bsuid: 'nonsense' }, /^The body is/],
      ['/messages', { text: 'Hi' }, /^The body is/],
    ];
    const before = await posts();
    for (const [path, body, words] of refused) {
      const { status, json } = await ask('POST', `/_sandbox${path}`, body);
      expect([status, json.error], `${path} ${JSON.stringify(body)}`).toEqual([400, expect.stringMatching(words)]);
    }
    for (const query of ['?limit=0', '?limit=1001', '?since=1', '?limit=x']) {
      expect((await ask('GET', `/_sandbox/webhooks${query}`)).status, query).toBe(400);
    }
    expect(await posts()).toEqual(before);
  });
});

it('does not start with webhooks to what is no address, or holds a password', async () => {
  for (const webhooksUrl of ['nowhere', 'ftp://127.0.0.1/', 'http://user:key@127.0.0.1/', '/wati/token']) {
    const start = startSandbox({ PORT: '0' }, { webhooksUrl, logger: () => pino({ level: 'silent' }) });
    await expect(start).rejects.toThrow(/^Webhooks go to an http or https address/);
  }
});
