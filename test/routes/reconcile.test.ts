import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HistoryRow } from '../../src/simulator/state.ts';
import { StoreError } from '../../src/store/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { HOUR_MS, OPTIONS } from '../store/samples.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { askFor, fields, type Subject, seededConnection, text } from './outcomes.ts';
import { csvSubject, fileSubject, sendingTo } from './sending.ts';

const to = '14155551000';
const post = (kind: 'text' | 'template', body: object): Subject => ({
  name: kind,
  method: 'POST',
  path: `/v1/messages/${kind}`,
  operation: kind === 'text' ? 'sendSessionMessage' : 'sendTemplateMessagesV2',
  ask: { json: { to, ...body } },
});
const order = (order_id: string) =>
  post('template', {
    template: 'order_update',
    parameters: { customer_name: 'Asha', order_id, order_status: 'shipped' },
  });
const kinds: [kind: string, subject: Subject][] = [
  ['text', post('text', { text: 'Your parcel is on its way.' })],
  ['template', order('A-1')],
];

describe('a look-up of an unknown message', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { UPSTREAM_TIMEOUT_MS: '2000', TEMPLATE_CACHE_MS: '600000' },
      callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'] }],
    });
  });
  afterAll(() => service.close());
  // A number of its own for each, because twins are looked for among all that was ever sent to it.
  let at = 0;
  let recipient = to;
  beforeEach(() => {
    service.simulator.reset();
    at += 1;
    recipient = `1415666${String(at).padStart(2, '0')}77`;
    service.simulator.tenant.receive(recipient, 'Hello');
  });

  const toRecipient = (subject: Subject): Subject => ({
    ...subject,
    path: subject.path.replace(to, recipient),
    ask: {
      ...subject.ask,
      ...(subject.ask?.json !== undefined && { json: { ...fields(subject.ask.json), to: recipient } }),
    },
  });
  const unknown = async (subject: Subject, fault: 'reset-before' | 'close-after') => {
    service.simulator.script(subject.operation, { fault });
    const answer = await askFor(service, toRecipient(subject));
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown' } });
    return answer;
  };
  const look = (answer: Answer) => service.ask('POST', `${text(answer.headers.location)}/reconcile`);
  const rows = () => service.simulator.tenant.history.get(recipient) ?? [];
  const ours = () => rows().filter(({ owner }) => owner !== false);
  const looks = () => service.simulator.ledger.of('getMessages').length;
  /** As of a tenant that does not give our ids back. */
  const forgetIds = () => {
    for (const row of rows()) row.localMessageId = null;
  };
  const staysUnknown = async (answer: Answer) => {
    const looked = await look(answer);
    expect([looked.status, looked.json]).toEqual([200, answer.json]);
    expect(looked.json).not.toHaveProperty('evidence');
    expect((await service.ask('GET', text(answer.headers.location) ?? '')).json).toEqual(answer.json);
  };
  const isProved = async (answer: Answer, evidence: 'local-id' | 'content') => {
    const looked = await look(answer);
    const { failure: _, ...message } = fields(answer.json);
    const proved = {
      ...message,
      status: 'accepted',
      evidence,
      whatsappMessageId: ours()[0]?.whatsappMessageId,
      updatedAt: expect.any(String),
    };
    expect([looked.status, looked.json]).toEqual([200, proved]);
    expect((await service.ask('GET', text(answer.headers.location) ?? '')).json).toEqual(proved);
  };

  describe.each(kinds)('%s', (_kind, subject) => {
    it('finds it by its own id', async () => {
      await isProved(await unknown(subject, 'close-after'), 'local-id');
    });

    it('finds it by its own id among others of the same content', async () => {
      await askFor(service, toRecipient(subject));
      const answer = await unknown(subject, 'close-after');
      const looked = await look(answer);
      expect(looked.json).toMatchObject({ status: 'accepted', evidence: 'local-id' });
      expect(fields(looked.json).whatsappMessageId).toBe(ours()[1]?.whatsappMessageId);
    });

    it('finds it by its content if no id comes back', async () => {
      const answer = await unknown(subject, 'close-after');
      forgetIds();
      await isProved(answer, 'content');
    });

    it('treats a missing match as no proof', async () => {
      const answer = await unknown(subject, 'reset-before');
      await staysUnknown(answer);
      expect(looks()).toBe(1);
    });

    const spoil: [name: string, change: (row: HistoryRow) => void][] = [
      ['two matches', (row) => void service.simulator.tenant.history.get(recipient)?.push({ ...row, id: 'another' })],
      [
        'one that is older',
        (row) => {
          row.created = new Date(Date.parse(row.created) - 90_000).toISOString();
        },
      ],
      [
        'one that is much younger',
        (row) => {
          row.created = new Date(Date.parse(row.created) + 16 * 60_000).toISOString();
        },
      ],
      [
        'one of other words',
        (row) => {
          row.text = 'Your parcel is lost.';
          row.eventDescription = 'Broadcast message with using "order_update_2" template was sent by API';
        },
      ],
      [
        'one under the id of somebody else',
        (row) => {
          row.localMessageId = 'an-id-that-is-not-ours';
        },
      ],
      [
        'one of the customer',
        (row) => {
          row.owner = false;
        },
      ],
      [
        'one that says the same in passing',
        (row) => {
          row.text = `You wrote: ${row.text}`;
          row.eventDescription = `Chat assigned because of "order_update"`;
        },
      ],
    ];
    it.each(spoil)('does not match: %s', async (_name, change) => {
      const answer = await unknown(subject, 'close-after');
      forgetIds();
      for (const row of ours()) change(row);
      await staysUnknown(answer);
    });

    it('does not match what another message of ours may have caused', async () => {
      const key = 'key-of-another-caller';
      const { path, ask } = toRecipient(subject);
      await askFor(service, toRecipient(subject));
      const theirs = await service.ask('POST', path, {
        ...ask,
        key,
        headers: { 'maton-connection': seededConnection },
      });
      expect(theirs.status).toBe(201);
      // One row for two sends of ours: a list that lags.
      rows().splice(
        rows().findIndex(({ owner }) => owner !== false),
        1,
      );
      const answer = await unknown(subject, 'reset-before');
      forgetIds();
      expect(ours()).toHaveLength(1);
      await staysUnknown(answer);
    });

    it('leaves a message with a known outcome as it is, without a call', async () => {
      const accepted = await askFor(service, toRecipient(subject));
      const looked = await look(accepted);
      expect([looked.status, looked.json]).toEqual([200, accepted.json]);
      expect(looks()).toBe(0);
    });

    it('reports that it cannot look, and changes nothing', async () => {
      const answer = await unknown(subject, 'close-after');
      await service.simulator.stopGateway();
      const looked = await look(answer);
      await service.simulator.startGateway();
      expect(looked.status).toBe(503);
      expect((await service.ask('GET', text(answer.headers.location) ?? '')).json).toEqual(answer.json);
      await isProved(answer, 'local-id');
    });
  });

  const noBroadcast: [name: string, eventType: string, eventDescription: string][] = [
    ['a ticket event', 'ticket', 'Broadcast message with using "order_update" template was sent by API'],
    ['a message', 'message', 'Broadcast message with using "order_update" template was sent by API'],
    ['a sentence around it', 'broadcastMessage', 'Note: Broadcast message with using "order_update" template was seen'],
    ['another sentence', 'broadcastMessage', 'Broadcast "order_update" was planned'],
    ['a longer name', 'broadcastMessage', 'Broadcast message with using "my "order_update" template was sent by API'],
  ];
  it.each(noBroadcast)('does not match as a template: %s', async (_name, eventType, eventDescription) => {
    const answer = await unknown(order('A-9'), 'close-after');
    forgetIds();
    for (const row of ours()) Object.assign(row, { eventType, eventDescription });
    await staysUnknown(answer);
  });

  it('does not match a template with other parameters, nor a row that a CSV may have caused', async () => {
    expect((await askFor(service, toRecipient(order('A-2')))).status).toBe(201);
    const answer = await unknown(order('A-3'), 'reset-before');
    forgetIds();
    await staysUnknown(answer);

    const welcome = post('template', { template: 'welcome' });
    expect((await askFor(service, csvSubject(recipient))).status).toBe(201);
    const other = await unknown(welcome, 'reset-before');
    forgetIds();
    await staysUnknown(other);
  });

  it('does not match the same words with another quotation', async () => {
    const subject = post('text', { text: 'Yes', replyTo: 'wamid.a' });
    expect((await askFor(service, toRecipient(post('text', { text: 'Yes' })))).status).toBe(201);
    const answer = await unknown(subject, 'reset-before');
    forgetIds();
    await staysUnknown(answer);
  });

  it.each([fileSubject(to), csvSubject(to), ...sendingTo(() => to).slice(1, 4)])(
    'cannot tell what carries neither id nor words: $name',
    async (subject) => {
      await staysUnknown(await unknown(subject, 'close-after'));
    },
  );
});

describe('a look-up by its own id', () => {
  const channel = '14155550000';
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { UPSTREAM_TIMEOUT_MS: '2000', WATI_CHANNEL_NUMBER: channel } });
  });
  afterAll(() => service.close());
  beforeEach(() => service.simulator.reset());

  const unknown = async ([, subject]: (typeof kinds)[number], fault: 'reset-before' | 'close-after') => {
    service.simulator.script(subject.operation, { fault });
    const answer = await askFor(service, subject);
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown' } });
    service.simulator.ledger.clear();
    return answer;
  };
  const look = (answer: Answer) => service.ask('POST', `${text(answer.headers.location)}/reconcile`);
  const looks = () => ({
    byId: service.simulator.ledger.of('getMessageByLocalId').length,
    history: service.simulator.ledger.of('getMessages').length,
  });

  it.each(kinds)('reads that message alone from WATI, if the channel is set: %s', async (...kind) => {
    const answer = await unknown(kind, 'close-after');
    const { localMessageId } = fields(answer.json);
    const looked = await look(answer);
    expect(looked).toMatchObject({ status: 200, json: { status: 'accepted', evidence: 'local-id' } });
    expect(fields(looked.json).whatsappMessageId).toMatch(/^wamid\./);
    expect(service.simulator.ledger.entries.map(({ path }) => path)).toEqual([
      `/api/v1/whatsApp/messages/${channel}/${localMessageId}`,
    ]);
  });

  it.each(kinds)('reads the history if WATI has no such message, and treats that as no proof: %s', async (...kind) => {
    const answer = await unknown(kind, 'reset-before');
    expect(await look(answer)).toMatchObject({ status: 200, json: answer.json });
    expect(looks()).toEqual({ byId: 1, history: 1 });
  });

  const other = { localMessageId: '00000000-0000-4000-8000-000000000000', whatsappMessageId: 'wamid.other' };
  it.each([
    ['nothing', {}],
    ['a success', { result: true, ok: true }],
    ['a success with words', { result: 'success', message: 'found' }],
    ['another message', other],
    ['another message, wrapped', { result: true, message: other }],
    ['a list of none', []],
    ['null', 'null'],
    ['a text', '"ok"'],
    ['a page', '<html>ok</html>'],
    ['no bytes', ''],
    ['a refusal', { result: false, info: 'no' }],
  ])('never takes %s for it', async (_name, body) => {
    for (const [fault, status] of [
      ['reset-before', 'unknown'],
      ['close-after', 'accepted'],
    ] as const) {
      service.simulator.reset();
      service.simulator.tenant.receive('14155551000', 'Hello');
      const answer = await unknown(['text', post('text', { text: `${fault} ${JSON.stringify(body)}` })], fault);
      service.simulator.script('getMessageByLocalId', { body, process: false });
      expect(await look(answer)).toMatchObject({ status: 200, json: { status } });
      expect(looks()).toEqual({ byId: 1, history: 1 });
    }
  });

  it.each([400, 404, 405, 422, 501])('reads the history if it is answered %i', async (status) => {
    const answer = await unknown(['text', post('text', { text: `after ${status}` })], 'close-after');
    // A 501 may be asked again.
    service.simulator.script('getMessageByLocalId', ...Array(3).fill({ status, body: { message: 'no' } }));
    expect(await look(answer)).toMatchObject({ status: 200, json: { status: 'accepted', evidence: 'local-id' } });
    expect(looks().history).toBe(1);
  });

  it.each([
    ['in a list', (row: object) => [row]],
    ['as a message', (row: object) => ({ result: true, message: row })],
    ['as a result', (row: object) => ({ ok: true, result: row })],
  ])('finds the row %s', async (_name, wrap) => {
    const answer = await unknown(['text', post('text', { text: 'wrapped' })], 'close-after');
    const row = { localMessageId: fields(answer.json).localMessageId, whatsappMessageId: 'wamid.wrapped' };
    service.simulator.script('getMessageByLocalId', { body: wrap(row), process: false });
    expect(await look(answer)).toMatchObject({ json: { status: 'accepted', whatsappMessageId: 'wamid.wrapped' } });
    expect(looks()).toEqual({ byId: 1, history: 0 });
  });

  it('uses no id for a kind without one', async () => {
    const [, subject = post('text', {})] = sendingTo(() => to);
    const answer = await unknown(['file-link', subject], 'close-after');
    expect((await look(answer)).json).toMatchObject({ status: 'unknown' });
    expect(looks()).toEqual({ byId: 0, history: 1 });
  });
});

it('a look-up after an hour, when fingerprints are erased, treats any other text to the number as a lookalike', async () => {
  let clock = 0;
  const store = await openStore('memory:', { ...OPTIONS, monotonicClock: () => clock });
  const service = await startService({ store });
  const unknownBeside = async (recipient: string, other?: string) => {
    service.simulator.tenant.receive(recipient, 'Hello');
    const send = (words: string) => service.ask('POST', '/v1/messages/text', { json: { to: recipient, text: words } });
    if (other !== undefined) expect((await send(other)).status).toBe(201);
    service.simulator.script('sendSessionMessage', { fault: 'close-after' });
    const answer = await send('Your parcel is on its way.');
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown' } });
    for (const row of service.simulator.tenant.history.get(recipient) ?? []) row.localMessageId = null;
    return `${text(answer.headers.location)}/reconcile`;
  };
  const statusOf = async (look: string) => fields((await service.ask('POST', look)).json).status;
  try {
    const early = await unknownBeside('14155551001', 'Something else');
    const late = await unknownBeside('14155551002', 'Something else');
    const alone = await unknownBeside('14155551003');
    expect(await statusOf(early)).toBe('accepted');
    clock = HOUR_MS;
    while ((await store.purge(500)) > 0);
    expect([await statusOf(late), await statusOf(alone)]).toEqual(['unknown', 'accepted']);
  } finally {
    await service.close();
  }
});

it('a look-up whose result cannot be recorded reports that', async () => {
  const store = await openStore('memory:', OPTIONS);
  store.markReconciled = async () => Promise.reject(new StoreError('the disk is full'));
  const service = await startService({ store });
  try {
    service.simulator.script('sendSessionMessage', { fault: 'close-after' });
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown' } });
    const looked = await service.ask('POST', `${text(answer.headers.location)}/reconcile`);
    expect(looked).toMatchObject({ status: 503, json: { type: problem('store-unavailable') } });
  } finally {
    await service.close();
  }
});
