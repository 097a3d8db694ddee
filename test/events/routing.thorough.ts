import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerEntry, fixedCallers } from '../../src/callers.ts';
import { createEventAudience } from '../../src/events/audience.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';
import { applyHistory } from '../../src/tracking/history-applier.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { OPTIONS } from '../store/samples.ts';
import { record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';

const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const names = ['billing', 'shop', 'desk', 'crm', 'deaf', 'elsewhere'] as const;
type Name = (typeof names)[number];
const callers: Record<Name, { events: string[]; inbound?: 'unrouted' | 'all'; connections?: string[] }> = {
  billing: { events: ['*'] },
  shop: { events: ['message.received', 'contact.changed'] },
  desk: { events: ['message.received'], inbound: 'unrouted' },
  crm: { events: ['message.received', 'contact.changed', 'template.changed', 'account.changed'], inbound: 'all' },
  deaf: { events: ['message.sent'] },
  elsewhere: { events: ['*'], inbound: 'all', connections: ['another'] },
};
const keyOf = (name: Name) => `key-of-${name}-long-enough`;

let service: Service;
let store: Store;
/** The store and the service share it. */
let aheadMs = 0;
const now = () => Date.now() + aheadMs;
let age = 0;

beforeAll(async () => {
  store = await openStore('memory:', { ...OPTIONS, wallClock: now, monotonicClock: () => performance.now() + age });
  service = await startService({
    store,
    settings: { MATON_CONNECTION_ID: seededConnection, EVENT_RETENTION_DAYS: '2' },
    seams: { now, pauses: { ...defaultRetryDelays, intakeEveryMs: 10 } },
    callers: names.map((name) => ({ name, key: keyOf(name), scopes: ['*'], connections: ['*'], ...callers[name] })),
  });
});
afterAll(() => service.close());

const advance = (ms: number) => {
  aheadMs += ms;
  age += ms;
};

let last = 20_000;
/** Somebody who has not been heard of. */
const somebody = () => {
  last += 1;
  return `141556${last}`;
};

const post = (...members: object[]) => postTo(seededConnection, ...members);
const postTo = (connectionId: string, ...members: object[]) =>
  store.recordIntake(
    members.map((member) => {
      const body = JSON.stringify(member);
      const key = dedupeKey({ connectionId, member, body });
      return { key, connectionId, receivedAtMs: now(), body };
    }),
  );
const applied = () => expect.poll(() => store.intakeState(), { interval: 10 }).toMatchObject({ waiting: 0 });

async function send(name: Name, to: string): Promise<{ id: string; wamid: string }> {
  const answer = await service.ask('POST', '/v1/messages/template', {
    key: keyOf(name),
    json: { to, template: 'order_update', parameters },
  });
  expect(answer.status, answer.text).toBe(201);
  const id = String(record(answer.json).id);
  const wamid = `wamid.${randomUUID()}`;
  await post({ eventType: 'templateMessageSent_v2', localMessageId: id, whatsappMessageId: wamid, waId: to });
  await applied();
  // Times of WhatsApp are whole seconds.
  advance(1_000);
  return { id, wamid };
}

const message = (from: string, more: object = {}) => ({
  ...{ eventType: 'message', id: randomUUID(), whatsappMessageId: `wamid.${randomUUID()}`, owner: false, waId: from },
  ...{ type: 'text', text: 'Yes please', timestamp: String(Math.floor(now() / 1_000)), senderName: 'Asha' },
  ...more,
});
const operatorWrites = async (to: string) => {
  await post({ ...message(to), owner: true, operatorName: 'Ben' });
  await applied();
  advance(1_000);
};

interface Heard {
  routedBy: string;
  data: Record<string, unknown>;
}

/** Everything recorded of one person's answers, by caller. */
async function heard(who: string, type = 'message.received'): Promise<Partial<Record<Name, Heard[]>>> {
  const all = await Promise.all(
    names.map(async (caller) => {
      const { events } = await store.readEvents(caller, { after: 0, limit: 1_000, types: [type] });
      const own = events
        .filter(({ contact }) => contact === who)
        .map(({ data }) => record(record(JSON.parse(data)).received ?? record(JSON.parse(data)).contact));
      return [caller, own.map((data) => ({ routedBy: String(data.routedBy), data }))] as const;
    }),
  );
  return Object.fromEntries(all.filter(([, own]) => own.length > 0));
}
const routes = async (who: string) =>
  Object.fromEntries(
    Object.entries(await heard(who)).map(([name, own]) => [name, own.map(({ routedBy }) => routedBy)]),
  );
const becomes = (who: string, expected: object) => expect.poll(() => routes(who), { interval: 10 }).toEqual(expected);

describe('an answer of a customer', () => {
  it('goes to the caller whose message it quotes, though another wrote later, and names the message to it alone', async () => {
    const who = somebody();
    const { id, wamid } = await send('billing', who);
    await send('shop', who);
    const answer = message(who, { replyContextId: wamid });
    await post(answer);
    await becomes(who, { billing: ['quote'], crm: ['all'] });
    const { billing, crm } = await heard(who);
    expect(billing?.[0]?.data).toEqual({
      id: answer.id,
      recipient: who,
      phone: who,
      name: 'Asha',
      type: 'text',
      text: 'Yes please',
      replyTo: { whatsappMessageId: wamid, messageId: id },
      whatsappMessageId: answer.whatsappMessageId,
      at: new Date(Number(answer.timestamp) * 1_000).toISOString(),
      window: {
        open: true,
        expiresAt: new Date((Number(answer.timestamp) + 86_400) * 1_000).toISOString(),
        source: 'webhook',
      },
      routedBy: 'quote',
    });
    expect(crm?.[0]?.data.replyTo).toEqual({ whatsappMessageId: wamid });
    const view = await service.ask('GET', `/v1/conversations/${who}`, { key: keyOf('billing') });
    expect(record(view.json).window).toEqual(billing?.[0]?.data.window);
  });

  it('is told though a message of another connection, or one without an id, has an id that was made up to be the same', async () => {
    const [who, stranger] = [somebody(), somebody()];
    const answer = message(who);
    const { id, whatsappMessageId } = answer;
    await postTo('another', message(stranger, { id, whatsappMessageId }));
    await becomes(stranger, { crm: ['unrouted'], desk: ['unrouted'], elsewhere: ['unrouted'] });
    await post(answer);
    await becomes(who, { crm: ['unrouted'], desk: ['unrouted'] });
    const guesses = Array.from({ length: 400 }, (_, place) => message(stranger, { id: `entry-${place}` }));
    await post(...guesses);
    await applied();
    const { id: _, whatsappMessageId: _w, ...nameless } = message(who);
    await post(nameless);
    await becomes(who, { crm: ['unrouted', 'unrouted'], desk: ['unrouted', 'unrouted'] });
  });

  it('goes to the caller that wrote last, unless somebody else wrote since or it is too long ago', async () => {
    const [one, two, three, four] = [somebody(), somebody(), somebody(), somebody()];
    await send('billing', one);
    await send('shop', one);
    await post(message(one));
    await becomes(one, { shop: ['last-sender'], crm: ['all'] });

    await send('billing', two);
    await operatorWrites(two);
    advance(60_000);
    await post(message(two));
    await becomes(two, { desk: ['unrouted'], crm: ['unrouted'] });

    await operatorWrites(three);
    await send('billing', three);
    await post(message(three));
    await becomes(three, { billing: ['last-sender'], crm: ['all'] });

    await send('billing', four);
    advance(169 * 3_600_000);
    await post(message(four));
    await becomes(four, { desk: ['unrouted'], crm: ['unrouted'] });
  });

  it.each([
    ['5511987654321', '551187654321'],
    ['525512345678', '5215512345678'],
    ['5491123456789', '541123456789'],
  ])('finds a message to %s though WhatsApp calls the number %s', async (dialled, written) => {
    await send('billing', dialled);
    await post(message(written));
    await becomes(written, { billing: ['last-sender'], crm: ['all'] });
  });

  it('is not for a message that went out after it', async () => {
    const who = somebody();
    const early = message(who);
    await send('billing', who);
    advance(2 * 3_600_000);
    await send('shop', who);
    const since = { timestamp: String(Math.floor((now() - 3_600_000) / 1_000)) };
    await post(message(who, since), early);
    await becomes(who, { billing: ['last-sender', 'last-sender'], crm: ['all', 'all'] });
  });

  it('by a tap goes to the last message with buttons within a week, quote or not', async () => {
    const who = somebody();
    await send('billing', who);
    const text = await service.ask('POST', '/v1/messages/text', { key: keyOf('shop'), json: { to: who, text: 'Hi' } });
    const id = String(record(text.json).id);
    await post({ eventType: 'sessionMessageSent_v2', localMessageId: id, waId: who });
    await operatorWrites(who);
    await post(message(who, { type: 'button', buttonReply: { text: 'Track', payload: 'p-1' }, text: 'Track' }));
    await becomes(who, { billing: ['button'], crm: ['all'] });
    expect((await heard(who)).billing?.[0]?.data.button).toEqual({ text: 'Track', payload: 'p-1' });
  });

  it('is unrouted where its caller lists no answers, and nobody hears of a connection that is not theirs', async () => {
    const who = somebody();
    const { wamid } = await send('deaf', who);
    await post(message(who, { replyContextId: wamid }));
    await becomes(who, { desk: ['unrouted'], crm: ['unrouted'] });
  });

  it('is one event for each caller, however often and under whatever name it comes', async () => {
    const who = somebody();
    await send('billing', who);
    const answer = message(who);
    await post(answer, { ...answer, eventType: 'message_bsuid', bsuid: 'US.1000001' }, { ...answer, avatarUrl: 'x' });
    await applied();
    await post({ ...answer, eventType: 'MESSAGE' });
    await applied();
    await becomes(who, { billing: ['last-sender'], crm: ['all'] });
  });

  it('that says it is older than what is kept makes no event, and is counted', async () => {
    const who = somebody();
    await send('billing', who);
    const old = { timestamp: String(Math.floor(now() / 1_000) - 2 * 86_400 - 60) };
    await post(message(who, old));
    await applied();
    await post(message(who));
    await becomes(who, { billing: ['last-sender'], crm: ['all'] });
    const metrics = (await service.ask('GET', '/metrics')).text;
    expect(metrics).toMatch(/^wati_bff_intake_applied_total\{outcome="stale"\} 1$/m);
    expect(metrics).toMatch(/^wati_bff_received_total\{routed_by="quote"\} \d+$/m);
  });

  it('that comes with the first word of a message just sent waits for the second before it is nobody’s', async () => {
    const who = somebody();
    const json = { to: who, template: 'order_update', parameters };
    const sent = await service.ask('POST', '/v1/messages/template', { key: keyOf('billing'), json });
    advance(1_000);
    const wamid = `wamid.${randomUUID()}`;
    const at = String(Math.floor(now() / 1_000));
    const own = { whatsappMessageId: wamid, waId: who, timestamp: at };
    await post({ ...own, eventType: 'templateMessageSent' }, message(who));
    await expect.poll(() => store.conversation(seededConnection, { phone: who })).toHaveProperty('provisionalOut');
    await post({ ...own, eventType: 'templateMessageSent_v2', localMessageId: String(record(sent.json).id) });
    expect(await routes(who)).toEqual({});
    const later = () => {
      age += 500;
      return routes(who);
    };
    await expect.poll(later, { interval: 20 }).toEqual({ billing: ['last-sender'], crm: ['all'] });
  });
});

describe('an answer from a username', () => {
  it('finds the sender of a message to the number, by its quote and by what is known of the person', async () => {
    const who = somebody();
    const bsuid = `US.${who}`;
    const { wamid } = await send('billing', who);
    const hidden = { waId: null, bsuid, username: '@asha' };
    await post(message(who, { ...hidden, replyContextId: wamid }));
    await becomes(who, { billing: ['quote'], crm: ['all'] });
    await send('shop', who);
    await post(message(who, { ...hidden, text: 'And more' }));
    await becomes(who, { billing: ['quote'], shop: ['last-sender'], crm: ['all', 'all'] });
    expect((await heard(who)).shop?.[0]?.data).toMatchObject({ recipient: who, phone: who, bsuid, username: '@asha' });
  });

  it('waits for its quoted message 30 s, and is told once, also where that comes later', async () => {
    const who = somebody();
    const bsuid = `US.${who}`;
    const json = { to: who, template: 'order_update', parameters };
    const sent = await service.ask('POST', '/v1/messages/template', { key: keyOf('billing'), json });
    const wamid = `wamid.${randomUUID()}`;
    await post(message(who, { waId: null, bsuid, replyContextId: wamid }));
    for (const wait of [1_000, 4_000]) {
      age += wait + 100;
      await applied();
      expect(await routes(bsuid)).toEqual({});
    }
    age += 25_100;
    await becomes(bsuid, { desk: ['unrouted'], crm: ['unrouted'] });
    await post({
      ...{ eventType: 'templateMessageSent_v2', localMessageId: String(record(sent.json).id) },
      ...{ whatsappMessageId: wamid, waId: who },
    });
    for (const wait of [90_000, 480_000]) {
      age += wait + 100;
      await applied();
    }
    expect(await routes(bsuid)).toEqual({ desk: ['unrouted'], crm: ['unrouted'] });
    expect(await routes(who)).toEqual({});
  });

  it('is told at once where its number is known, and never again', async () => {
    const who = somebody();
    const bsuid = `US.${who}`;
    await send('billing', who);
    await post(message(who, { bsuid }));
    await becomes(who, { billing: ['last-sender'], crm: ['all'] });
    await post(message(who, { waId: null, bsuid, replyContextId: `wamid.${randomUUID()}` }));
    await becomes(who, { billing: ['last-sender', 'last-sender'], crm: ['all', 'all'] });
    expect(await store.intakeState()).toMatchObject({ waiting: 0 });
  });
});

describe('an answer that a history tells', () => {
  const metrics = { applied: () => {}, reached: () => {}, resolved: () => {}, contradiction: () => {} };
  const read = (who: string, rows: object[]) =>
    applyHistory(
      rows.map(record),
      { connectionId: seededConnection, recipient: who, readAtMs: now() },
      {
        store,
        logger: { debug: () => {}, info: () => {}, error: () => {} },
        metrics: { ...metrics, received: () => {} },
        factOptions: {
          audience: createEventAudience(
            fixedCallers(names.map((name) => callerEntry(name, keyOf(name), { scopes: ['*'], ...callers[name] }))),
          ),
          ...{ routingMs: 168 * 3_600_000, staleMs: 2 * 86_400_000, now },
        },
      },
    );
  /** As getMessages has it: without WhatsApp's id, and without the customer. */
  const row = ({ id, text, timestamp }: ReturnType<typeof message>) => ({
    ...{ id, text, type: 'text', owner: false, eventType: 'message', statusString: 'SENT', whatsappMessageId: null },
    created: new Date(Number(timestamp) * 1_000).toISOString(),
  });

  it('is told once, whether the webhook or the history is first, and each of several is', async () => {
    const who = somebody();
    await send('billing', who);
    const [first, second, third] = [message(who), message(who, { text: 'Two' }), message(who, { text: 'Three' })];
    await post(first);
    await becomes(who, { billing: ['last-sender'], crm: ['all'] });
    await read(who, [row(third), row(second), row(first)]);
    const all = { billing: Array(3).fill('last-sender'), crm: Array(3).fill('all') };
    await becomes(who, all);
    await post(second, third);
    await applied();
    await read(who, [row(third)]);
    // A later one, so that what is not to come has had its time.
    await post(message(who, { text: 'Four' }));
    await becomes(who, { billing: [...all.billing, 'last-sender'], crm: [...all.crm, 'all'] });
    const { billing = [] } = await heard(who);
    expect(billing.map(({ data }) => data.text)).toEqual(['Yes please', 'Two', 'Three', 'Four']);
    expect(billing[1]?.data).toMatchObject({ recipient: who, phone: who });
  });

  it('that is old is told to nobody', async () => {
    const who = somebody();
    await send('billing', who);
    const at = (daysAgo: number) => ({ timestamp: String(Math.floor(now() / 1_000) - daysAgo * 86_400) });
    await read(who, [row(message(who)), row(message(who, at(3))), row(message(who, at(30)))]);
    await becomes(who, { billing: ['last-sender'], crm: ['all'] });
  });
});

describe('what is told besides', () => {
  const told = async (caller: Name, type: string) =>
    (await store.readEvents(caller, { after: 0, limit: 1_000, types: [type] })).events.map(({ data }) =>
      JSON.parse(data),
    );

  it('a click goes to the caller of the message, once for both of its names', async () => {
    const who = somebody();
    const { id, wamid } = await send('billing', who);
    const click = {
      ...{ eventType: 'ctaUrlClicked', localMessageId: id, whatsappMessageId: wamid, waId: who },
      ...{ displayText: 'Visit us', buttonUrl: 'https://shop.example.com/promo', created: '2026-11-30T10:00:00' },
    };
    await post(click, { ...click, eventType: 'ctaUrlClicked_bsuid', bsuid: 'US.7' });
    await expect
      .poll(() => told('billing', 'message.clicked'))
      .toMatchObject([{ message: { id }, click: { text: 'Visit us', url: 'https://shop.example.com/promo' } }]);
    await post({ ...click, created: '2026-11-30T10:05:00' });
    await expect.poll(() => told('billing', 'message.clicked')).toHaveLength(2);
  });

  it('a template or an account that changed goes to all who list it and may use the connection', async () => {
    const review = {
      eventType: 'templateReviewed',
      templateName: 'order_update',
      oldTemplateStatus: 1,
      newTemplateStatus: 2,
    };
    await post(review, { eventType: 'phoneNumberDeleted', phoneNumber: '14155550199' });
    for (const caller of ['billing', 'crm'] as const) {
      await expect
        .poll(() => told(caller, 'template.changed'))
        .toEqual([{ template: { name: 'order_update', status: 'approved' } }]);
      await expect
        .poll(() => told(caller, 'account.changed'))
        .toEqual([{ account: { what: 'number-deleted', detail: 'phoneNumber: 14155550199' } }]);
    }
    expect(await told('elsewhere', 'template.changed')).toEqual([]);
  });

  it('who a customer is goes to callers that wrote to them, and to those that hear of all', async () => {
    const who = somebody();
    await send('shop', who);
    const first = { bsuid: `US.${who}`, username: '@asha' };
    const names = async () =>
      Object.fromEntries(
        Object.entries(await heard(who, 'contact.changed')).map(([name, own]) => [name, own.map(({ data }) => data)]),
      );
    await post(message(who, first));
    const learnt = { phone: who, ...first };
    await expect.poll(names).toEqual({ shop: [learnt], crm: [learnt] });
    await post(message(who, first));
    await post(message(who, { ...first, bsuid: `US.${who}9` }));
    const changed = { phone: who, bsuid: `US.${who}9`, previousBsuid: `US.${who}`, username: '@asha' };
    await expect.poll(names).toEqual({ shop: [learnt, changed], crm: [learnt, changed] });
  });
});
