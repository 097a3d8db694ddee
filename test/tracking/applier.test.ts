import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeIntake, start } from './fake-intake.ts';

const second = 1_000;
const minute = 60 * second;
const wamid = 'wamid.HBgLMTQxNTU1NTAxMDA';
const sent = {
  eventType: 'templateMessageSent',
  id: 'w1',
  whatsappMessageId: wamid,
  templateName: 'order_update',
  waId: '14155550100',
  text: 'Dear Asha',
};
const delivered = { eventType: 'sentMessageDELIVERED', id: 'w1', whatsappMessageId: wamid };
const conversationsIn = (intake: FakeIntake) => intake.batches.flatMap(({ conversations }) => conversations);

describe('an event of a message', () => {
  it.each([
    ['our id', { localMessageId: 'm1' }, { id: 'm1' }],
    ['our id of an earlier version', { localMessageId: 'l1' }, { id: 'm1', localMessageId: 'l1' }],
    ['the id of WhatsApp', { whatsappMessageId: wamid }, { id: 'm1', whatsappMessageId: wamid }],
  ])('is found by %s, and moves it', async (_title, ids, send) => {
    const intake = new FakeIntake();
    intake.send(send);
    await intake.post({ eventType: 'sentMessageREAD_v2', ...ids });
    expect(intake.deliveries.get(1)).toMatchObject({ rank: 4, readAt: start, deliveredAt: start, source: 'webhook' });
    expect(intake.counted).toEqual(['=delivered', '=read', 'moved']);
  });

  it('stores the ids by which later events are found', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1' });
    await intake.post({ ...sent, eventType: 'templateMessageSent_v2', localMessageId: 'm1' });
    await intake.post({ eventType: 'sentMessageDELIVERED', whatsappMessageId: wamid });
    await intake.post({ eventType: 'sentMessageREAD', id: 'w1' });
    await intake.post({ eventType: 'sentMessageREAD_v2', id: 'w1' });
    expect(intake.deliveries.get(1)).toMatchObject({ rank: 4, watiId: 'w1', whatsappMessageId: wamid });
    expect(intake.counted).toEqual(['=sent', 'moved', '=delivered', 'moved', '=read', 'moved', 'late']);
  });

  it('counts its effects: a new id once, and known facts as late', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', whatsappMessageId: wamid });
    intake.send({ id: 'm2' });
    const shown = { eventType: 'message', owner: true, waId: '14155550100' };
    await intake.post({ ...shown, whatsappMessageId: wamid });
    await intake.post({ ...shown, localMessageId: 'm2', whatsappMessageId: 'wamid.2' });
    await intake.post({ ...shown, whatsappMessageId: 'wamid.2' });
    expect(intake.counted).toEqual(['late', 'learnt', 'late']);
  });

  it('counts the time from the send to each state, if it is known', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', sentAt: start - 2 * second });
    intake.send({ id: 'm2', sentAt: start + second });
    Reflect.deleteProperty(intake.send({ id: 'm3' }), 'sentAt');
    await intake.post({ ...delivered, localMessageId: 'm1' });
    for (const localMessageId of ['m2', 'm3']) await intake.post({ eventType: 'sentMessageDELIVERED', localMessageId });
    await intake.advance(3 * second);
    await intake.post({ eventType: 'sentMessageREAD', localMessageId: 'm1' });
    expect(intake.seconds).toEqual([2, 0, undefined, 5]);
  });

  it('of another connection changes nothing', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', whatsappMessageId: wamid, connectionId: 'c2' });
    await intake.post({ ...delivered, localMessageId: 'm1' });
    expect(intake.deliveries.size).toBe(0);
  });

  it('without a message is tried again after 1 s, 5 s, 30 s, 2 min and 10 min, and then counts as foreign', async () => {
    const intake = new FakeIntake();
    const entry = await intake.post(sent);
    const dueAfter: number[] = [];
    for (const until of [1, 5, 30, 120, 600]) {
      dueAfter.push((entry.dueAt - start) / second);
      await intake.advance(start + until * second - 1 - intake.now);
      expect(entry.tries).toBe(dueAfter.length);
      await intake.advance(1);
    }
    expect(dueAfter).toEqual([1, 5, 30, 120, 600]);
    expect(entry.state).toBe('done');
    expect(intake.counted).toEqual(['foreign']);
    const contact = { phone: '14155550100' };
    expect(conversationsIn(intake)).toEqual([
      { connectionId: 'c1', contact, provisionalOut: { at: start, entry: 1 } },
      { connectionId: 'c1', contact, foreignOutAt: start, endsProvisional: { entry: 1 } },
    ]);
  });

  it('without a message is applied as soon as the message is recorded, and no foreign sender is noted', async () => {
    const intake = new FakeIntake();
    const entry = await intake.post(sent);
    await intake.advance(second);
    intake.send({ id: 'm1', whatsappMessageId: wamid });
    await intake.advance(4 * second);
    expect(entry).toMatchObject({ state: 'done', tries: 2 });
    expect(intake.deliveries.get(1)).toMatchObject({ rank: 1, sentAt: start });
    expect(conversationsIn(intake).at(-1)).toMatchObject({ endsProvisional: { entry: 1 } });
  });

  it('that was set aside and is made due again is applied as well', async () => {
    const intake = new FakeIntake();
    const entry = await intake.post(sent);
    Object.assign(entry, { tries: 0 });
    intake.send({ id: 'm1', whatsappMessageId: wamid });
    await intake.advance(second);
    expect(entry.state).toBe('done');
    expect(conversationsIn(intake)).toMatchObject([
      { provisionalOut: { entry: 1 } },
      { endsProvisional: { entry: 1 } },
    ]);
  });

  it('that is older than all tries, as after an outage, is still tried for some seconds', async () => {
    const intake = new FakeIntake();
    intake.isAway = true;
    const entry = await intake.post(sent);
    expect(intake.faults).not.toEqual([]);
    intake.isAway = false;
    await intake.advance(60 * minute);
    await intake.advance(second);
    expect(entry.tries).toBe(2);
    intake.send({ id: 'm1', whatsappMessageId: wamid });
    await intake.advance(second);
    expect(intake.deliveries.get(1)).toMatchObject({ rank: 1 });
  });
});

describe('a template that is matched by its content', () => {
  const found = async (prepare: (intake: FakeIntake) => void, body: object = sent) => {
    const intake = new FakeIntake();
    prepare(intake);
    const entry = await intake.post(body);
    for (const seconds of [1, 4, 24]) await intake.advance(seconds * second);
    const early = intake.deliveries.size;
    await intake.advance(second);
    return { early, late: intake.deliveries.size, entry, intake };
  };

  it('is found at the third try, and its ids are stored', async () => {
    const { early, late, intake } = await found((each) => each.send({ id: 'm1', status: 'unknown' }));
    expect([early, late]).toEqual([0, 1]);
    expect(intake.batches.at(-1)?.messages).toMatchObject([
      { proof: 'content', outcome: { evidence: 'content' }, facts: { whatsappMessageId: wamid, watiId: 'w1' } },
    ]);
    expect(intake.sends[0]?.status).toBe('accepted');
  });

  it.each<[string, (intake: FakeIntake) => void, object?]>([
    [
      'there are two candidates',
      (intake) => {
        intake.send({ id: 'm1' });
        intake.send({ id: 'm2' });
      },
    ],
    [
      'another message may have caused it',
      (intake) => {
        intake.send({ id: 'm1' });
        intake.lookalikes = 1;
      },
    ],
    ['its attempt goes on', (intake) => intake.send({ id: 'm1', status: 'sending' })],
    ['it has an id of somebody else', (intake) => intake.send({ id: 'm1' }), { ...sent, localMessageId: 'other' }],
    ['it is another template', (intake) => intake.send({ id: 'm1', template: 'other' })],
    ['it went to somebody else', (intake) => intake.send({ id: 'm1', to: '14155550101' })],
    ['it was sent long before', (intake) => intake.send({ id: 'm1', sentAt: start - 16 * minute })],
    ['it was sent after it', (intake) => intake.send({ id: 'm1', sentAt: start + 2 * minute })],
    ['its message is known otherwise', (intake) => intake.send({ id: 'm1', whatsappMessageId: 'wamid.other' })],
    [
      'it is no template',
      (intake) => intake.send({ id: 'm1' }),
      { ...sent, eventType: 'sessionMessageSent', templateName: null },
    ],
    ['it says delivered', (intake) => intake.send({ id: 'm1' }), { ...sent, eventType: 'sentMessageDELIVERED' }],
    ['it is of another time', (intake) => intake.send({ id: 'm1' }), { ...sent, created: '2026-11-30T09:00:00Z' }],
  ])('is not found where %s', async (_title, prepare, body) => {
    expect((await found(prepare, body)).late).toBe(0);
  });
});

describe('a proof', () => {
  it.each(['unknown', 'not_sent', 'rejected'] as const)('by an id turns %s into accepted', async (status) => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', status });
    await intake.post({ eventType: 'sessionMessageFailed', localMessageId: 'm1', failedCode: '131026' });
    expect(intake.sends[0]?.status).toBe('accepted');
    expect(intake.batches[0]?.messages[0]).toMatchObject({
      proof: 'id',
      outcome: { outcome: 'accepted', evidence: 'local-id' },
    });
    expect(intake.counted).toContain('resolved webhook');
    expect(intake.counted.includes('contradiction')).toBe(status !== 'unknown');
    expect(intake.logged.some((line) => line.startsWith('error'))).toBe(status !== 'unknown');
  });

  it('is also shown as a message of ours in the conversation', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', status: 'unknown' });
    await intake.post({ eventType: 'message', owner: true, waId: '14155550100', localMessageId: 'm1', id: 'w1' });
    expect(intake.sends[0]?.status).toBe('accepted');
    expect(intake.deliveries.get(1)).toMatchObject({ rank: 0, watiId: 'w1' });
  });
});

describe('a conversation', () => {
  it('is opened by a message of the customer, at WATI’s time', async () => {
    const intake = new FakeIntake();
    const received = { eventType: 'message', owner: false, waId: '14155550100', bsuid: 'US.1', text: 'Hi' };
    await intake.post({ ...received, timestamp: String(start / second - 60) });
    await intake.post({ ...received, timestamp: String(start / second + 60) });
    expect(conversationsIn(intake)).toEqual(
      [start - minute, start].map((inAt) => ({
        connectionId: 'c1',
        contact: { phone: '14155550100', bsuid: 'US.1' },
        inAt,
        inSource: 'webhook',
      })),
    );
    expect(intake.counted).toEqual(['received', 'received']);
  });

  it('of a customer with a hidden number is that of the recipient whose message is quoted', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', whatsappMessageId: wamid });
    const received = { eventType: 'message_bsuid', owner: false, waId: null, bsuid: 'US.1', replyContextId: wamid };
    await intake.post(received);
    await intake.post({ ...received, waId: '14155550199' });
    const early = await intake.post({ ...received, replyContextId: 'wamid.2' });
    intake.send({ id: 'm2', to: '14155550102', whatsappMessageId: 'wamid.2' });
    await intake.advance(second);
    expect(early.state).toBe('done');
    expect(conversationsIn(intake).map(({ contact }) => contact)).toEqual([
      { phone: '14155550100', bsuid: 'US.1' },
      { phone: '14155550199', bsuid: 'US.1' },
      { bsuid: 'US.1' },
      { phone: '14155550102', bsuid: 'US.1' },
    ]);
    expect(intake.counted).toEqual(['received', 'received', 'received']);
  });

  it('is recorded as closed at the time of a message that failed for it', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', sentAt: start - minute, kind: 'text' });
    await intake.post({ eventType: 'sessionMessageFailed', localMessageId: 'm1', failedCode: 131_047 });
    expect(conversationsIn(intake)).toEqual([
      { connectionId: 'c1', contact: { phone: '14155550100' }, closedAt: start - minute },
    ]);
  });
});

describe('the log', () => {
  it('has each webhook by event, connection, outcome and the end of a number', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', status: 'unknown' });
    intake.send({ id: 'm2' });
    await intake.post({ ...sent, localMessageId: 'm1' });
    await intake.post({
      eventType: 'templateMessageFailed',
      localMessageId: 'm2',
      failedCode: '131026',
      failedDetail: 'words',
    });
    await intake.post({ eventType: 'message', owner: false, bsuid: 'US.ABCD9876', text: 'secret', username: '@asha' });
    await intake.post({ eventType: 'accountDeleted' });
    const lines = intake.logged.map((line) => /^(\w+) (\{.*\}) (.*)$/.exec(line) ?? []);
    expect(lines.map(([, level, facts, message]) => [level, JSON.parse(facts ?? ''), message])).toEqual([
      ['info', { messageId: 'm1', callerId: 'billing', was: 'unknown' }, 'a message whose answer was lost was sent'],
      [
        'debug',
        { event: 'templatemessagesent', connection: 'c1', outcome: 'moved', messageId: 'm1', to: '***0100' },
        'webhook',
      ],
      [
        'info',
        { messageId: 'm2', callerId: 'billing', connection: 'c1', to: '***0100', failureKind: 'recipient' },
        'a message that was accepted did not arrive',
      ],
      [
        'debug',
        { event: 'templatemessagefailed', connection: 'c1', outcome: 'moved', messageId: 'm2', to: '***0100' },
        'webhook',
      ],
      ['debug', { event: 'message', connection: 'c1', outcome: 'received', to: '***9876' }, 'webhook'],
      ['debug', { event: 'accountdeleted', connection: 'c1', outcome: 'ignored' }, 'webhook'],
    ]);
    expect(intake.logged.join()).not.toMatch(/secret|words|asha|1415|order_update|wamid/i);
  });
});

describe('what cannot be applied', () => {
  it('is tried five times in more than ten minutes, then set aside, and delays no other entry', async () => {
    const intake = new FakeIntake();
    intake.poison = /poison/;
    intake.send({ id: 'm1' });
    const bad = await intake.post({ ...delivered, localMessageId: 'm1', text: 'poison' });
    const good = await intake.post({ eventType: 'sentMessageREAD', localMessageId: 'm1' });
    expect(good.state).toBe('done');
    for (const seconds of [1, 5, 30, 120]) await intake.advance(seconds * second);
    expect(bad).toMatchObject({ tries: 5, state: 'new' });
    await intake.advance(600 * second);
    expect(bad.state).toBe('failed');
    expect(intake.counted.at(-1)).toBe('failed');
  });

  it('never blocks the process for longer than parsing one long body takes', async () => {
    const intake = new FakeIntake();
    const body = JSON.stringify({ ...delivered, localMessageId: 'm1', text: 'x'.repeat(100_000) });
    for (let seq = 1; seq <= 20; seq++) {
      const entry = { seq, key: String(seq), connectionId: 'c1', receivedAtMs: start, body, tries: 0, ageMs: 0 };
      intake.entries.push({ ...entry, dueAt: start, state: 'new' });
    }
    let turns = 0;
    const count = () => {
      turns += 1;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    await intake.post(delivered);
    clearImmediate(counting);
    expect(intake.batches).toHaveLength(1);
    expect(turns).toBeGreaterThanOrEqual(20);
  });

  it('counts no try if the store is unavailable', async () => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1' });
    intake.isAway = true;
    const entry = await intake.post({ ...delivered, localMessageId: 'm1' });
    for (let turn = 0; turn < 10; turn++) await intake.advance(minute);
    expect(entry).toMatchObject({ tries: 0, state: 'new' });
    intake.isAway = false;
    await intake.advance(second);
    expect(entry.state).toBe('done');
  });

  it('is never logged with its text, its numbers or its names', async () => {
    const intake = new FakeIntake();
    intake.poison = /secret/;
    intake.send({ id: 'm1', status: 'rejected' });
    await intake.post({ ...sent, localMessageId: 'm1', senderName: 'Asha' });
    await intake.post({ eventType: 'message', owner: false, waId: '14155550100', text: 'secret words' });
    for (const seconds of [1, 5, 30, 120, 600]) await intake.advance(seconds * second);
    expect(intake.logged).toHaveLength(3);
    expect(intake.logged.join()).not.toMatch(/secret|Asha|1415|order_update|wamid/);
  });
});

it('comes to one state, in whatever order, number and batches the webhooks of a message come', async () => {
  const names = [
    'templateMessageSent',
    'sentMessageDELIVERED',
    'sentMessageREAD',
    'sentMessageREPLIED',
    'templateMessageFailed',
  ];
  const bodies = names.flatMap((name) =>
    ['', '_v2'].map((suffix) => ({
      eventType: name + suffix,
      whatsappMessageId: wamid,
      id: 'w1',
      ...(suffix === '_v2' && { localMessageId: 'm1' }),
    })),
  );
  const some = fc.array(fc.constantFrom(...bodies), { minLength: 1, maxLength: 8 });
  const shuffled = some.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })));
  const stateOf = async (events: readonly object[]) => {
    const intake = new FakeIntake();
    intake.send({ id: 'm1', whatsappMessageId: wamid });
    for (const event of events) await intake.post(event);
    return intake.deliveries.get(1);
  };
  await fc.assert(
    fc.asyncProperty(shuffled, async ([one, other]) => {
      expect(await stateOf([...other, ...one])).toEqual(await stateOf(one));
    }),
    { numRuns: 40 },
  );
});
