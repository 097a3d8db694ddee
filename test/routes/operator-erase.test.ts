import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { insertSending, newMessage, OPTIONS } from '../store/samples.ts';
import {
  auditLines,
  crmKey,
  idIn,
  type OperatedService,
  pausedBroadcast,
  readerKey,
  shopKey,
  staff,
  startOperated,
  writerKey,
} from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

const person = '14155551000';

let service: OperatedService;
let store: Store;
beforeAll(async () => {
  store = await openStore('memory:', OPTIONS);
  service = await startOperated({ callers: staff, store, settings: { MATON_CONNECTION_ID: seededConnection } });
});
beforeEach(() => service.renew());
afterEach(async () => {
  vi.restoreAllMocks();
  expect((await erase({ to: person })).json).toMatchObject({ left: [] });
});
afterAll(() => service.close());

const erase = (json: object, key = writerKey) => service.ask('POST', '/v1/operations/erase', { key, json });
const text = async (key: string, to = person) =>
  idIn((await service.ask('POST', '/v1/messages/text', { key, json: { to, text: 'Hello' } })).json);

describe('POST /v1/operations/erase', () => {
  it('only counts on a dry run', async () => {
    await text(crmKey);
    await text(shopKey);
    const found = [
      { caller: 'crm', status: 'accepted', count: 1 },
      { caller: 'shop', status: 'accepted', count: 1 },
    ];
    const { status, json } = await erase({ to: person, dryRun: true });
    expect(status).toBe(200);
    expect(json).toEqual({
      to: '***1000',
      dryRun: true,
      found,
      conversations: 0,
      webhooks: 0,
      events: 0,
      cancelled: 0,
      erased: 0,
      left: found,
    });
    expect(await store.countPerson('crm', person)).toHaveLength(1);
  });

  it.each(['', '+'])('erases the records of all callers, whether the number is written with "%s"', async (plus) => {
    const mine = [await text(crmKey), await text(crmKey), await text(shopKey, `+${person}`)];
    const other = await text(crmKey, '14155551001');
    await store.insert(newMessage('removed', { caller: 'gone', to: person }));
    const { json } = await erase({ to: plus + person });
    expect(json).toMatchObject({ cancelled: 1, erased: 4, left: [] });
    for (const id of mine)
      expect((await service.ask('GET', `/v1/messages/${id}`, { key: crmKey })).status, id).toBe(404);
    expect((await service.ask('GET', `/v1/messages/${other}`, { key: crmKey })).status).toBe(200);
    expect((await erase({ to: person })).json).toMatchObject({ found: [], cancelled: 0, erased: 0, left: [] });
  });

  it('is done, and logged as a failed task without its words, if traces cannot be overwritten', async () => {
    const fault = Object.assign(new Error(`near ${person}`), { code: 'SQLITE_FULL' });
    vi.spyOn(store, 'scrub').mockRejectedValue(fault);
    await text(crmKey);
    expect((await erase({ to: person })).json).toMatchObject({ erased: 1, left: [] });
    const failed = () => service.logs().filter(({ task }) => task === 'scrub');
    await expect.poll(failed).toMatchObject([{ msg: 'task failed', reason: 'SQLITE_FULL' }]);
    expect(JSON.stringify(service.logs())).not.toContain(person);
  });

  it('removes the person from waiting broadcasts, which continue for the others with correct counts', async () => {
    const id = await pausedBroadcast(service, crmKey, [person, '14155551001', '14155551002']);
    expect((await erase({ to: person })).json).toMatchObject({ cancelled: 1, erased: 1, left: [] });
    await service.ask('POST', `/v1/broadcasts/${id}/resume`, { key: crmKey });
    const broadcast = () => service.ask('GET', `/v1/broadcasts/${id}`, { key: crmKey }).then(({ json }) => json);
    await expect.poll(broadcast).toMatchObject({ status: 'done', counts: { accepted: 2, cancelled: 1 } });
    expect(JSON.stringify(service.simulator.ledger.entries.filter(({ method }) => method !== 'GET'))).not.toContain(
      person,
    );
  });

  it('leaves messages in flight, reports them, and erases them once they have ended', async () => {
    await insertSending(store, newMessage('wire', { to: person }));
    const left = [{ caller: 'crm', status: 'sending', count: 1 }];
    expect((await erase({ to: person })).json).toMatchObject({ cancelled: 0, erased: 0, left });
    await store.complete('wire', { status: 'unknown', outcome: {} });
    expect((await erase({ to: person })).json).toMatchObject({ erased: 1, left: [] });
  });

  it('erases more than one batch', async () => {
    for (let n = 0; n < 1_201; n++) await store.insert(newMessage(`s${n}`, { to: person }));
    expect((await erase({ to: person })).json).toMatchObject({ cancelled: 1_201, erased: 1_201, left: [] });
  });

  it('is audited with the number masked, and with what was done', async () => {
    await text(crmKey);
    await erase({ to: person });
    const [line, ...more] = auditLines(service);
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      act: 'person-erase',
      caller: 'writer',
      outcome: 'done',
      about: { to: '***1000', dryRun: false, erased: 1, cancelled: 0, left: [] },
    });
    expect(JSON.stringify(service.logs())).not.toContain(person);
  });

  it('is for operators who may act', async () => {
    await text(crmKey);
    for (const key of [readerKey, crmKey]) expect((await erase({ to: person }, key)).status).toBe(403);
    expect(await store.countPerson('crm', person)).toHaveLength(1);
  });

  it.each([{}, { to: '' }, { to: '+49 151 1234' }, { to: '%' }, { to: person, dryrun: true }, { to: [person] }])(
    'refuses %j',
    async (body) => {
      await text(crmKey);
      expect((await erase(body)).status).toBe(400);
      expect(await store.countPerson('crm', person)).toHaveLength(1);
    },
  );

  it('reports what was done if the store fails half way', async () => {
    await text(crmKey);
    vi.spyOn(store, 'erasePerson').mockRejectedValue(new StoreError('the disk is full'));
    await store.insert(newMessage('q', { caller: 'gone', to: person }));
    expect((await erase({ to: person })).status).toBe(503);
    expect(auditLines(service)[0]).toMatchObject({ outcome: 'failed', about: { to: '***1000', cancelled: 1 } });
  });
});
