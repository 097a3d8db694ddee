import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { slugOf } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { standingClock } from '../support/standing-clock.ts';
import { fields, seededConnection } from './outcomes.ts';

describe('the list of templates', () => {
  let service: Service;
  let clock: ReturnType<typeof standingClock>;
  beforeAll(async () => {
    clock = standingClock();
    service = await startService({
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, TEMPLATE_CACHE_MS: '60000' },
    });
  });
  beforeEach(() => {
    service.renew();
    // What the test before has loaded is too old.
    clock.pass(60_001);
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await service.close();
  });

  const send = (template: string, parameters = {}) =>
    service.ask('POST', '/v1/messages/template', { json: { to: '14155551000', template, parameters } });
  const loads = () => service.simulator.ledger.of('getMessageTemplates').length;
  const sends = () => service.simulator.ledger.of('sendTemplateMessagesV2').length;
  const approve = (name: string) => {
    const { templates } = service.simulator.tenant;
    const at = templates.findIndex(({ elementName }) => elementName === name);
    const found = templates[at];
    if (found) templates[at] = { ...found, status: 'APPROVED' };
  };

  it('is loaded once for twenty sends at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => send('welcome')));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect([loads(), sends()]).toEqual([1, 20]);
  });

  it('is loaded once for sends, the list, a single template and a preview', async () => {
    await send('welcome');
    for (const path of ['/v1/templates', '/v1/templates/welcome'])
      expect((await service.ask('GET', path)).status).toBe(200);
    expect((await service.ask('POST', '/v1/templates/welcome/preview', { json: {} })).status).toBe(200);
    expect(loads()).toBe(1);
  });

  it('is separate for each connection', async () => {
    const other = service.simulator.tenant.addConnection();
    await send('welcome');
    await service.ask('GET', '/v1/templates', { headers: { 'maton-connection': other.id } });
    expect(service.simulator.ledger.of('getMessageTemplates').map(({ connection }) => connection)).toEqual([
      seededConnection,
      other.id,
    ]);
  });

  it('is loaded again after a miss, at most once a second', async () => {
    await send('welcome');
    const missed = await Promise.all([send('nope'), send('nope'), send('new_promo')]);
    expect(missed.map(({ status }) => status)).toEqual([422, 422, 422]);
    expect(loads()).toBe(1);
    clock.pass(1_001);
    service.simulator.tenant.templates.push({ ...welcome(), id: 'new', elementName: 'nope' });
    approve('new_promo');
    const found = [send('nope'), send('new_promo', { name: 'a', offer: 'b', date: 'c' })];
    expect((await Promise.all(found)).map(({ status }) => status)).toEqual([201, 201]);
    expect([loads(), sends()]).toEqual([2, 3]);
  });

  it('is loaded again before parameters are refused, at most once a second', async () => {
    await send('welcome');
    const change = (bodyOriginal: string) => {
      const { templates } = service.simulator.tenant;
      templates[templates.indexOf(welcome())] = { ...welcome(), bodyOriginal };
    };
    change('Welcome, {{name}}!');
    expect((await send('welcome', { name: 'Asha' })).status).toBe(422);
    clock.pass(1_001);
    const broadcast = {
      json: {
        template: 'welcome',
        broadcastName: 'b',
        recipients: [{ to: '14155551001', parameters: { name: 'Ben' } }],
      },
      headers: { 'idempotency-key': 'changed' },
    };
    const answers = [send('welcome', { name: 'Asha' }), service.ask('POST', '/v1/broadcasts', broadcast)];
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([201, 202]);
    expect(loads()).toBe(2);
    // A value at fault is no reason to: another template would not take it either.
    clock.pass(1_001);
    expect((await send('welcome', { name: ' ' })).status).toBe(422);
    expect(loads()).toBe(2);
    change('Welcome, {{first}} {{last}}!');
    expect((await send('welcome', { first: 'Asha', last: 'Rao' })).status).toBe(201);
    expect(loads()).toBe(3);
    await expect.poll(sends).toBe(4);
  });

  it.each(['/v1/broadcasts/csv', '/v1/broadcasts/import'])('is loaded again for the columns of %s', async (path) => {
    await send('welcome');
    const { templates } = service.simulator.tenant;
    templates[templates.indexOf(welcome())] = { ...welcome(), bodyOriginal: 'Welcome, {{first}}!' };
    clock.pass(1_001);
    const upload = async (csv: string, key: string) => {
      const form = new FormData();
      form.append('file', new File([csv], 'a.csv', { type: 'text/csv' }));
      const body = new Request('http://x', { method: 'POST', body: form });
      const headers = { 'content-type': body.headers.get('content-type') ?? '', 'idempotency-key': key };
      const query = '?template=welcome&broadcastName=b';
      return service.ask('POST', `${path}${query}`, { body: Buffer.from(await body.arrayBuffer()), headers });
    };
    expect((await upload('Phone\n14155551000\n', 'without')).json).toMatchObject({ type: problem('csv-invalid') });
    const answer = await upload('Phone,first\n14155551000,Asha\n', 'with');
    expect([201, 202], answer.text).toContain(answer.status);
    if (answer.status === 202) await expect.poll(sends).toBe(2);
  });

  it.each([
    ['parameters', 'Check your template, it cannot have typos or blank text', 'template-parameters-invalid'],
    ['template', 'Template welcome is not approved', 'template-unknown'],
  ])('is loaded again after WATI refused the %s', async (_name, error, slug) => {
    await send('welcome');
    service.simulator.script('sendTemplateMessagesV2', { body: { result: false, error }, process: false });
    expect(slugOf((await send('welcome')).json)).toBe(slug);
    expect((await send('welcome')).status).toBe(201);
    expect([loads(), sends()]).toEqual([2, 3]);
  });

  it('is not loaded again after another refusal', async () => {
    service.simulator.script('sendTemplateMessagesV2', { body: { result: false, error: 'no credit' }, process: false });
    expect([(await send('welcome')).status, (await send('welcome')).status]).toEqual([422, 201]);
    expect(loads()).toBe(1);
  });

  it('prevents a send if it cannot be read, and its failure is not cached', async () => {
    service.simulator.script('getMessageTemplates', { status: 200, body: '<html>', process: false });
    const failed = await send('welcome');
    expect(failed.json).toMatchObject({ type: problem('upstream-invalid'), status: 502 });
    expect(fields(failed.json).outcome).toBeUndefined();
    expect(sends()).toBe(0);
    expect((await send('welcome')).status).toBe(201);
    expect(loads()).toBe(2);
  });

  it('prefers the approved template if two languages share a name', async () => {
    const { templates } = service.simulator.tenant;
    templates.unshift({ ...welcome(), id: 'de', status: 'PENDING', language: { key: 'de', value: '', text: '' } });
    expect((await service.ask('GET', '/v1/templates/welcome')).json).toMatchObject({
      language: 'en',
      status: 'approved',
    });
  });

  it('is loaded again when it is older than TEMPLATE_CACHE_MS', async () => {
    const short = await startService({
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, TEMPLATE_CACHE_MS: '100' },
    });
    await short.ask('GET', '/v1/templates');
    await short.ask('GET', '/v1/templates');
    expect(short.simulator.ledger.entries).toHaveLength(1);
    clock.pass(101);
    await short.ask('GET', '/v1/templates');
    expect(short.simulator.ledger.entries).toHaveLength(2);
    await short.close();
  });

  function welcome() {
    const found = service.simulator.tenant.templates.find(({ elementName }) => elementName === 'welcome');
    if (!found) throw new Error('the seed has no such template');
    return found;
  }
});
