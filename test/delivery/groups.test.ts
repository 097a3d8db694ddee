import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, type Service, startService } from '../helper.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const operation = 'sendTemplateMessagesV2';
/** Half a second from turn to turn: a busy machine has the next ones together before it comes. */
const slow = { MATON_RATE_PER_SECOND: '2' };

describe('template sends that wait for their turn', () => {
  let service: Service;
  afterEach(() => service.close());

  const start = async (settings: Record<string, string> = {}, callers: { name: string; key: string }[] = []) => {
    service = await startService({
      settings: { ...connection, MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none', SEND_WAIT_MS: '10000', ...settings },
      simulator: { perSecond: 10 },
      callers: callers.map((caller) => ({ ...caller, scopes: ['*'], connections: ['*'] })),
    });
    // What the preflight needs is at hand from here on.
    await service.ask('GET', '/v1/templates');
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

  it('go out as one call, each with its own id, record and answer; who has his turn at once goes alone', async () => {
    await start(slow);
    await new Promise((resume) => setTimeout(resume, 600));
    const answers = await Promise.all(numbers(9).map((to) => template(to)));
    expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(201));
    const [alone = 0, together = 0] = sizes();
    // Two that come in the same breath are both there when the turn comes.
    expect([alone <= 2, together >= 7, calls().length]).toEqual([true, true, 2]);
    expect(new Set(ids(answers)).size).toBe(9);
    const sent = calls().flatMap(({ body }) => (body as { receivers: { localMessageId: string }[] }).receivers);
    expect(new Set(sent.map(({ localMessageId }) => localMessageId))).toEqual(new Set(ids(answers)));
    for (const { headers, json } of answers) {
      expect((await service.ask('GET', String(headers.location))).json).toEqual(json);
    }
  });

  it('keep apart by template, broadcast name and connection', async () => {
    await start();
    const other = service.simulator.tenant.addConnection({ status: 'ACTIVE' });
    const on = (to: string) =>
      service.ask('POST', '/v1/messages/template', {
        json: { to, template: 'order_update', parameters },
        headers: { 'maton-connection': other.id },
      });
    const answers = await Promise.all([
      ...numbers(4).map((to) => template(to)),
      ...numbers(3).map((to) => template(to, { broadcastName: 'sale' })),
      ...numbers(2).map((to) => template(to, { template: 'welcome', parameters: {} })),
      ...numbers(2, 14155551005).map(on),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(11).fill(201));
    for (const { body, recipients, connection: through } of calls()) {
      const { template_name, broadcast_name } = body as Record<string, string>;
      const kind = [template_name, broadcast_name, through === other.id].join();
      const most = { 'order_update,order_update,false': 4, 'order_update,sale,false': 3, 'welcome,welcome,false': 2 };
      expect(recipients.length).toBeLessThanOrEqual(most[kind as keyof typeof most] ?? 2);
    }
    expect(calls().length).toBeLessThan(8);
  });

  it('never carry two to one person, and keep their order', async () => {
    await start();
    const orders = Array.from({ length: 5 }, (_, n) => `A-${n}`);
    const asked = orders.map(async (order_id, n) => {
      await new Promise((resume) => setTimeout(resume, n * 15));
      return template('14155551000', { parameters: { ...parameters, order_id } });
    });
    await Promise.all([...asked, ...numbers(6, 14155551001).map((to) => template(to))]);
    for (const { recipients } of calls()) expect(new Set(recipients).size).toBe(recipients.length);
    const history = await service.ask('GET', '/v1/conversations/14155551000/messages?pageSize=5');
    const texts = (history.json as { data: { text: string }[] }).data.map(({ text }) => /A-\d/.exec(text)?.[0]);
    expect(texts.toReversed()).toEqual(orders);
  });

  it('are told each its own: missing, refused, not on WhatsApp, in whatever order', async () => {
    await start(slow);
    const three = numbers(4);
    await template('14155551009');
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
    const [fine, optedOut, invalid, missing] = await Promise.all(three.map((to) => template(to)));
    expect(sizes()).toEqual([1, 4]);
    expect(fine).toMatchObject({ status: 201, json: { status: 'accepted' } });
    expect(optedOut).toMatchObject({
      status: 422,
      json: { type: '/problems/recipient-opted-out', outcome: 'rejected' },
    });
    expect(invalid).toMatchObject({ status: 422, json: { type: '/problems/recipient-invalid', outcome: 'rejected' } });
    expect(missing).toMatchObject({ status: 202, json: { status: 'unknown' } });
  });

  it.each<[string, Parameters<Service['simulator']['script']>[1], number, string]>([
    [
      'a refusal',
      { status: 200, body: { result: false, error: 'Template x not found' }, process: false },
      422,
      'template-unknown',
    ],
    ['a refused key', { status: 401 }, 502, 'upstream-unauthorized'],
  ])('are all told of %s of the whole call', async (_name, scripted, status, slug) => {
    await start(slow);
    await template('14155551009');
    service.simulator.script(operation, scripted);
    const answers = await Promise.all(numbers(5).map((to) => template(to)));
    expect(sizes()).toEqual([1, 5]);
    for (const answer of answers) {
      expect(answer).toMatchObject({ status, json: { type: `/problems/${slug}`, outcome: 'rejected' } });
    }
  });

  it('are all unknown when the answer is lost, and none is sent again', async () => {
    await start(slow);
    await template('14155551009');
    service.simulator.script(operation, { fault: 'reset-after' });
    const answers = await Promise.all(numbers(5).map((to) => template(to)));
    expect(statuses(answers)).toEqual(Array(5).fill('unknown'));
    await new Promise((resume) => setTimeout(resume, 1_000));
    expect(sizes()).toEqual([1, 5]);
  });

  it('are tried again together after a 429, and accepted', async () => {
    await start(slow);
    await template('14155551009');
    service.simulator.script(operation, { status: 429, headers: { 'retry-after': '1' }, body: {} });
    const answers = await Promise.all(numbers(5).map((to) => template(to)));
    expect(statuses(answers)).toEqual(Array(5).fill('accepted'));
    expect(sizes()).toEqual([1, 5, 5]);
  });

  it('are no more in one call than the setting says, and taken in turns between the callers', async () => {
    await start({ ...slow, GROUP_MAX_INTERACTIVE: '6' }, [
      { name: 'shop', key: 'key-of-the-shop-service' },
      { name: 'bank', key: 'key-of-the-bank-service' },
    ]);
    await template('14155551009');
    const many = numbers(12, 14155552000).map((to) => template(to, {}, 'key-of-the-shop-service'));
    await new Promise((resume) => setTimeout(resume, 30));
    const few = numbers(3, 14155553000).map((to) => template(to, {}, 'key-of-the-bank-service'));
    await Promise.all([...many, ...few]);
    expect(Math.max(...sizes())).toBe(6);
    const firstFull = calls().find(({ recipients }) => recipients.length === 6)?.recipients ?? [];
    expect(firstFull.filter((to) => to.startsWith('14155553')).length).toBe(3);
  });

  it('cost the callers of a full queue one place for a whole group: ten times as many as there are turns are refused to nobody', async () => {
    await start({ SEND_WAIT_MS: '3000' });
    const answers = await Promise.all(numbers(300, 14156001000).map((to) => template(to)));
    expect(statuses(answers)).toEqual(Array(300).fill('accepted'));
    expect(calls().every(({ status }) => status === 200)).toBe(true);
    expect(new Set(calls().flatMap(({ recipients }) => recipients)).size).toBe(300);
    expect(calls().flatMap(({ recipients }) => recipients).length).toBe(300);
  });

  it('are bounded in number: the next one is refused unrecorded, an urgent one is not', async () => {
    await start({ MATON_RATE_PER_SECOND: '1', SEND_WAIT_MS: '3600000', GROUP_MAX_INTERACTIVE: '1' });
    const queued = (to: string, headers = {}) =>
      service.ask('POST', '/v1/messages/template', {
        json: { to, template: 'order_update', parameters },
        headers: { prefer: 'respond-async', ...headers },
      });
    const answers = await Promise.all(numbers(2_050, 14156001000).map((to) => queued(to)));
    const refused = answers.filter(({ status }) => status === 429);
    // What went out meanwhile made room; a machine that is busy has less of it.
    const sent = calls().flatMap(({ recipients }) => recipients).length;
    expect(refused.length).toBeGreaterThanOrEqual(Math.max(1, 50 - sent));
    expect(answers.filter(({ status }) => status === 202).length).toBe(2_050 - refused.length);
    expect(refused[0]).toMatchObject({ headers: { 'retry-after': '1' }, json: { type: '/problems/rate-limited' } });
    expect((await queued('14156009999', { priority: 'u=0' })).status).toBe(202);
  });
});
