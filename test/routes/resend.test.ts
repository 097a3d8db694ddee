import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { openStore } from '../../src/store/open.ts';
import { DAY_MS, OPTIONS } from '../store/samples.ts';
import { slugOf } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { askFor, fields, idOf, type Subject } from './outcomes.ts';
import { csvSubject, fileSubject, sendingTo, textTo } from './sending.ts';

const to = '14155551000';
const hello = textTo(to, 'Hello');
const slug = ({ json }: Answer) => slugOf(json);

describe('a resend', () => {
  let service: Service;
  let store: Store;
  let clockMs = 0;
  beforeAll(async () => {
    store = await openStore('memory:', { ...OPTIONS, monotonicClock: () => clockMs });
    service = await startService({
      store,
      settings: { UPSTREAM_TIMEOUT_MS: '8000', SEND_WAIT_MS: '10000', TEMPLATE_CACHE_MS: '0' },
    });
  });
  beforeEach(() => service.renew());
  afterAll(() => service.close());

  const resend = (id: string, headers: Record<string, string> = {}) =>
    service.ask('POST', `/v1/messages/${id}/resend`, { json: { reason: 'nothing came' }, headers });
  const unknown = async (subject: Subject = hello) => {
    service.simulator.script(subject.operation, { fault: 'reset-before' });
    const answer = await askFor(service, subject);
    expect(answer).toMatchObject({ status: 202, json: { status: 'unknown' } });
    return idOf(answer);
  };
  const requests = () => service.simulator.ledger.of('sendSessionMessage').length;

  it.each(sendingTo(() => to))('is a new message, linked to the original: $name', async (subject) => {
    const id = await unknown(subject);
    const again = await resend(id);
    expect(again).toMatchObject({ status: 201, json: { kind: subject.name, to, status: 'accepted', resendOf: id } });
    expect(idOf(again)).not.toBe(id);
    expect((await service.ask('GET', `/v1/messages/${id}`)).json).toMatchObject({ status: 'unknown' });
    const entries = service.simulator.ledger.of(subject.operation);
    expect(entries.map(({ processed }) => processed)).toEqual([false, true]);
    const [first, second] = entries.map(({ query, body }) =>
      JSON.stringify([query, body]).replace(/[0-9a-f-]{36}/g, ''),
    );
    expect(second).toBe(first);
  });

  it('happens once', async () => {
    const id = await unknown();
    const child = await resend(id);
    const second = await resend(id);
    expect([second.status, slug(second), second.headers.location]).toEqual([
      409,
      'message-not-resendable',
      child.headers.location,
    ]);
    expect(requests()).toBe(2);
  });

  it('happens once, however many requests come at once', async () => {
    const id = await unknown();
    const answers = await Promise.all(Array.from({ length: 20 }, () => resend(id)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter((answer) => slug(answer) === 'message-not-resendable')).toHaveLength(19);
    expect(requests()).toBe(2);
  });

  it('is repeated under its key, which is bound to that message', async () => {
    const [id, other] = [await unknown(), await unknown()];
    const first = await resend(id, { 'idempotency-key': 'again' });
    const second = await resend(id, { 'idempotency-key': 'again' });
    expect([second.status, second.headers['idempotency-replayed'], idOf(second)]).toEqual([201, 'true', idOf(first)]);
    const mixedUp = await resend(other, { 'idempotency-key': 'again' });
    expect([mixedUp.status, slug(mixedUp)]).toEqual([422, 'idempotency-mismatch']);
    expect(requests()).toBe(3);
  });

  it('happens once under one key, however many requests come at once', async () => {
    const id = await unknown();
    const answers = await Promise.all(Array.from({ length: 20 }, () => resend(id, { 'idempotency-key': 'many' })));
    const kinds = new Set(answers.map((answer) => slug(answer) ?? answer.status));
    expect([...kinds].filter((kind) => kind !== 201 && kind !== 'idempotency-in-progress')).toEqual([]);
    expect(requests()).toBe(2);
  });

  it('is possible for what was not sent, and for a resend that is unknown again', async () => {
    service.simulator.script('sendSessionMessage', ...Array(3).fill({ status: 429, headers: { 'retry-after': '0' } }));
    const refused = await askFor(service, hello);
    expect(refused).toMatchObject({ status: 503, json: { outcome: 'not_sent' } });
    service.simulator.script('sendSessionMessage', { fault: 'reset-before' });
    const again = await resend(idOf(refused));
    expect(again).toMatchObject({ status: 202, json: { status: 'unknown', resendOf: idOf(refused) } });
    expect(await resend(idOf(again))).toMatchObject({ status: 201, json: { resendOf: idOf(again) } });
  });

  it('is refused for accepted and rejected messages and for files', async () => {
    const accepted = idOf(await askFor(service, hello));
    const rejected = idOf(await askFor(service, textTo('14155551010', 'closed')));
    const file = await unknown(fileSubject(to));
    const csv = await unknown(csvSubject(to));
    const before = service.simulator.ledger.entries.length;
    for (const [id, detail] of [
      [accepted, /accepted/],
      [rejected, /rejected/],
      [file, /bytes/],
      [csv, /bytes/],
    ] as const) {
      const answer = await resend(id);
      expect([answer.status, slug(answer)]).toEqual([409, 'message-not-resendable']);
      expect(fields(answer.json).detail).toMatch(detail);
    }
    expect(service.simulator.ledger.entries).toHaveLength(before);
  });

  it('is refused once the content is no longer kept', async () => {
    const id = await unknown();
    clockMs += 29 * DAY_MS;
    await store.purge(500);
    clockMs += DAY_MS + 60_000;
    await store.purge(500);
    const answer = await resend(id);
    expect([answer.status, slug(answer)]).toEqual([409, 'message-not-resendable']);
    expect(fields(answer.json).detail).toMatch(/no longer kept/);
    expect(requests()).toBe(1);
  });

  it.each([
    ['is not approved any more', { status: 'PAUSED' }, 'template-unknown'],
    ['takes another parameter now', { body: 'Hi {{1}}', bodyOriginal: 'Hi {{name}}' }, 'template-parameters-invalid'],
  ])('of a template that %s is refused, and nothing is sent', async (_name, change, why) => {
    const [subject = hello] = sendingTo(() => to).filter(({ name }) => name === 'template');
    const id = await unknown(subject);
    const early = await unknown(subject);
    const key = { 'idempotency-key': `early-${why}` };
    expect((await resend(early, key)).status).toBe(201);
    const { templates } = service.simulator.tenant;
    const at = templates.findIndex(({ elementName }) => elementName === 'welcome');
    const [welcome] = templates.splice(at, 1);
    if (welcome) templates.push({ ...welcome, ...change });
    const before = service.simulator.ledger.of(subject.operation).length;
    const answer = await resend(id);
    expect([answer.status, slug(answer)]).toEqual([422, why]);
    expect(service.simulator.ledger.of(subject.operation)).toHaveLength(before);
    // What was sent once is answered as it was, whatever became of its template.
    expect(await resend(early, key)).toMatchObject({ status: 201, headers: { 'idempotency-replayed': 'true' } });
  });

  it('is refused if the original was found to be accepted while its template was read', async () => {
    const [subject = hello] = sendingTo(() => to).filter(({ name }) => name === 'template');
    const id = await unknown(subject);
    const listed = Promise.withResolvers<void>();
    service.simulator.script('getMessageTemplates', { until: listed.promise });
    const asked = () => service.simulator.ledger.of('getMessageTemplates').length;
    const before = asked();
    const answer = resend(id, { 'idempotency-key': 'late' });
    await expect.poll(asked).toBe(before + 1);
    await store.markReconciled(id, { outcome: { outcome: 'accepted', evidence: 'content' } });
    listed.resolve();
    const { status, json } = await answer;
    expect([status, fields(json).type]).toEqual([409, problem('message-not-resendable')]);
    expect(fields(json).detail).toMatch(/accepted/);
    expect(service.simulator.ledger.of(subject.operation)).toHaveLength(1);
  });

  it("is logged with its reason and no number in it, and only where the message is the caller's", async () => {
    const lines = () => service.logs().filter(({ msg }) => msg === 'resend');
    const reason = 'call 12 of +1 (415) 555-1000, 14155551000 and ٠١٢٣٤٥: nothing came';
    expect((await service.ask('POST', '/v1/messages/nobodys/resend', { json: { reason } })).status).toBe(404);
    expect(lines()).toEqual([]);
    const id = await unknown();
    expect((await service.ask('POST', `/v1/messages/${id}/resend`, { json: { reason } })).status).toBe(201);
    expect(lines()).toMatchObject([{ resendOf: id, reason: 'call 12 of +***1000 and ***٢٣٤٥: nothing came' }]);
  });

  it('requires a reason', async () => {
    const answer = await service.ask('POST', '/v1/messages/x/resend', { json: {} });
    expect([answer.status, slug(answer)]).toEqual([400, 'validation-failed']);
  });
});
