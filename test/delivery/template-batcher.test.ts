import { afterEach, describe, expect, it } from 'vitest';
import type { ProblemSlug } from '../../src/problem-types.ts';
import { type Paced, startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, allKey, type Service } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const operation = 'sendTemplateMessagesV2';

describe('template messages that wait for a permit', () => {
  let service: Service;
  let paced: Paced;
  let keys: string[];
  afterEach(() => service.close());

  /** Time stands still: whatever is asked waits for its turn. */
  const start = async (
    settings: Record<string, string> = {},
    { callers = [], perSecond = 10 }: { callers?: { name: string; key: string }[]; perSecond?: number } = {},
  ) => {
    paced = await startPaced(perSecond, {
      settings: { ...connection, ...settings },
      callers: callers.map((caller) => ({ ...caller, scopes: ['*'], connections: ['*'] })),
    });
    ({ service } = paced);
    keys = [allKey, ...callers.map(({ key }) => key)];
    // What the preflight needs is at hand from here on, and the turn that was free is used.
    await service.ask('GET', '/v1/templates');
  };
  const queuedOf = async (key: string) => {
    const { json } = await service.ask('GET', '/v1/messages?status=queued&limit=100', { key });
    return (json as { data: unknown[] }).data.length;
  };
  const queued = (count: number) =>
    expect.poll(async () => (await Promise.all(keys.map(queuedOf))).reduce((sum, each) => sum + each)).toBe(count);
  /** All are there before the first of them has its turn. */
  const together = async (asked: readonly Promise<Answer>[]) => {
    await queued(asked.length);
    return paced.during(Promise.all(asked));
  };
  const template = (to: string, more: Record<string, unknown> = {}, key?: string): Promise<Answer> =>
    service.ask('POST', '/v1/messages/template', {
      json: { to, template: 'order_update', parameters, ...more },
      ...(key !== undefined && { key }),
    });
  const numbers = (count: number, from = 14155551000) => Array.from({ length: count }, (_, n) => String(from + n));
  const calls = () => service.simulator.ledger.of(operation);
  const sizes = () => calls().map(({ recipients }) => recipients.length);
  const statuses = (answers: Answer[]) => answers.map(({ json }) => (json as { status: unknown }).status);
  const ids = (answers: Answer[]) => answers.map(({ json }) => (json as { localMessageId?: string }).localMessageId);

  it('are sent in one call, each with its own id, record and answer; with a permit at once a message is sent alone', async () => {
    await start();
    await paced.run(200);
    const [first = '', ...others] = numbers(9);
    const answers = [await template(first), ...(await together(others.map((to) => template(to))))];
    expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(201));
    expect(sizes()).toEqual([1, 8]);
    expect(new Set(ids(answers)).size).toBe(9);
    const sent = calls().flatMap(({ body }) => (body as { receivers: { localMessageId: string }[] }).receivers);
    expect(new Set(sent.map(({ localMessageId }) => localMessageId))).toEqual(new Set(ids(answers)));
    for (const { headers, json } of answers) {
      expect((await service.ask('GET', String(headers.location))).json).toEqual(json);
    }
  });

  it('are separated by template, broadcast name and connection', async () => {
    await start();
    const other = service.simulator.tenant.addConnection({ status: 'ACTIVE' });
    // From here on it is known that Maton lists the other connection.
    const json = { to: '14155551009', text: 'Hello' };
    await paced.during(service.ask('POST', '/v1/messages/text', { json, headers: { 'maton-connection': other.id } }));
    const listed = service.ask('GET', '/v1/templates', { headers: { 'maton-connection': other.id } });
    await expect.poll(() => paced.rateLimiter.stats().lanes.interactive.queued).toBe(1);
    // One turn, and no more.
    await paced.run(120);
    await listed;
    const on = (to: string) =>
      service.ask('POST', '/v1/messages/template', {
        json: { to, template: 'order_update', parameters },
        headers: { 'maton-connection': other.id },
      });
    const answers = await together([
      ...numbers(4).map((to) => template(to)),
      ...numbers(3).map((to) => template(to, { broadcastName: 'sale' })),
      ...numbers(2).map((to) => template(to, { template: 'welcome', parameters: {} })),
      ...numbers(2, 14155551005).map(on),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(11).fill(201));
    for (const { body, recipients, connection: through } of calls()) {
      const { template_name, broadcast_name } = body as Record<string, string>;
      const kind = [template_name, broadcast_name, through === other.id].join();
      const each = { 'order_update,order_update,false': 4, 'order_update,sale,false': 3, 'welcome,welcome,false': 2 };
      expect(recipients.length).toBe(each[kind as keyof typeof each] ?? 2);
    }
    expect(calls().length).toBe(4);
  });

  it('never contain two to one person, and keep their order', async () => {
    await start();
    const orders = Array.from({ length: 5 }, (_, n) => `A-${n}`);
    const asked: Promise<Answer>[] = [];
    for (const order_id of orders) {
      asked.push(template('14155551000', { parameters: { ...parameters, order_id } }));
      await queued(asked.length);
    }
    await together([...asked, ...numbers(6, 14155551001).map((to) => template(to))]);
    for (const { recipients } of calls()) expect(new Set(recipients).size).toBe(recipients.length);
    const history = await paced.during(service.ask('GET', '/v1/conversations/14155551000/messages?pageSize=5'));
    const texts = (history.json as { data: { text: string }[] }).data.map(({ text }) => /A-\d/.exec(text)?.[0]);
    expect(texts.toReversed()).toEqual(orders);
  });

  it('get a result each: missing, refused, not on WhatsApp, in whatever order', async () => {
    await start();
    const three = numbers(4);
    service.simulator.script(operation, {
      body: {
        result: true,
        receivers: [
          { waId: '19999999999', isValidWhatsAppNumber: true, errors: ['nobody asked'] },
          { waId: '19999999998', isValidWhatsAppNumber: true, errors: ['nobody asked'] },
          { waId: three[2], isValidWhatsAppNumber: false, errors: [] },
          { waId: three[1], isValidWhatsAppNumber: true, errors: ['Contact has opted out'] },
          { waId: three[0], isValidWhatsAppNumber: true, errors: [] },
        ],
      },
    });
    const [fine, optedOut, invalid, missing] = await together(three.map((to) => template(to)));
    expect(sizes()).toEqual([4]);
    expect(fine).toMatchObject({ status: 201, json: { status: 'accepted' } });
    expect(optedOut).toMatchObject({
      status: 422,
      json: { type: problem('recipient-opted-out'), outcome: 'rejected' },
    });
    expect(invalid).toMatchObject({ status: 422, json: { type: problem('recipient-invalid'), outcome: 'rejected' } });
    expect(missing).toMatchObject({ status: 202, json: { status: 'unknown' } });
  });

  it.each<[string, Parameters<Service['simulator']['script']>[1], number, ProblemSlug]>([
    [
      'a refusal',
      { status: 200, body: { result: false, error: 'Template x not found' }, process: false },
      422,
      'template-unknown',
    ],
    ['a refused key', { status: 401 }, 502, 'upstream-unauthorized'],
  ])('are all told of %s of the whole call', async (_name, scripted, status, slug) => {
    await start();
    service.simulator.script(operation, scripted);
    const answers = await together(numbers(5).map((to) => template(to)));
    expect(sizes()).toEqual([5]);
    for (const answer of answers) {
      expect(answer).toMatchObject({ status, json: { type: problem(slug), outcome: 'rejected' } });
    }
  });

  it('are all unknown when the answer is lost, and none is sent again', async () => {
    await start();
    service.simulator.script(operation, { fault: 'reset-after' });
    const answers = await together(numbers(5).map((to) => template(to)));
    expect(statuses(answers)).toEqual(Array(5).fill('unknown'));
    await paced.run(1_000);
    expect(sizes()).toEqual([5]);
  });

  it('are attempted again together after a 429, and accepted', async () => {
    await start();
    service.simulator.script(operation, { status: 429, headers: { 'retry-after': '0' }, body: {} });
    const answers = await together(numbers(5).map((to) => template(to)));
    expect(statuses(answers)).toEqual(Array(5).fill('accepted'));
    expect(sizes()).toEqual([5, 5]);
  });

  it('are at most as many in one call as the setting allows, taken from callers in turn', async () => {
    const [shop, bank] = ['key-of-the-shop-service', 'key-of-the-bank-service'];
    await start(
      { GROUP_MAX_INTERACTIVE: '6' },
      {
        callers: [
          { name: 'shop', key: shop },
          { name: 'bank', key: bank },
        ],
      },
    );
    const many = numbers(12, 14155552000).map((to) => template(to, {}, shop));
    await queued(12);
    const few = numbers(3, 14155553000).map((to) => template(to, {}, bank));
    await together([...many, ...few]);
    expect(sizes()).toEqual([6, 6, 3]);
    const [firstFull = []] = calls().map(({ recipients }) => recipients);
    expect(firstFull.filter((to) => to.startsWith('14155553')).length).toBe(3);
  });
});
