import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { askFor, fields, type Subject, seededConnection, text } from '../routes/outcomes.ts';
import { csvSubject, fileSubject, sendingTo } from '../routes/sending.ts';
import { everyWrite, failingStore } from '../support/fake-store.ts';
import { slugOf } from '../support/json.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { standingClock } from '../support/standing-clock.ts';
import { OPTIONS } from './samples.ts';

const to = '14155551000';
const jsonSubjects = sendingTo(() => to);
const [textSubject = fileSubject(to)] = jsonSubjects;
const everySubject = [...jsonSubjects, fileSubject(to), csvSubject(to)];

describe('a failing store', () => {
  let service: Service;
  let failing: Set<keyof Store>;
  let how: { notCommitted: boolean };
  let failures: () => number;
  beforeEach(async () => {
    const made = failingStore(await openStore('memory:', OPTIONS));
    ({ failing, how, failures } = made);
    service = await startService({
      store: made.store,
      settings: { TEMPLATE_CACHE_MS: '600000' },
    });
    await service.ask('GET', '/v1/templates', { headers: { 'maton-connection': seededConnection } });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    return service.close();
  });

  const slug = ({ json }: Answer) => slugOf(json);
  const processed = (subject: Subject) =>
    service.simulator.ledger.of(subject.operation).map((entry) => entry.processed);
  const statusOf = async (location: unknown) =>
    text(fields((await service.ask('GET', text(location) ?? 'no location')).json).status);
  const becomes = async (location: unknown, status: string) => {
    await expect.poll(() => statusOf(location)).toBe(status);
  };
  const refusal = { status: 503, slug: 'store-unavailable', outcome: 'not_sent', retryable: true, retryAfter: '2' };
  const refusalOf = (answer: Answer) => ({
    status: answer.status,
    slug: slug(answer),
    outcome: fields(answer.json).outcome,
    retryable: fields(answer.json).retryable,
    retryAfter: answer.headers['retry-after'],
  });

  it.each(everySubject)('sends nothing that it cannot record: $name', async (subject) => {
    failing.add('insert');
    const refused = await askFor(service, subject, { 'idempotency-key': 'd1' });
    expect(refusalOf(refused)).toEqual(refusal);
    expect(refused.headers.location).toBeUndefined();
    expect(processed(subject)).toEqual([]);
    failing.clear();
    const sent = await askFor(service, subject, { 'idempotency-key': 'd1' });
    expect([sent.status, sent.headers['idempotency-replayed'], processed(subject)]).toEqual([201, undefined, [true]]);
  });

  it.each(everySubject)(
    'claims nothing of an insert that may be committed although it failed: $name',
    async (subject) => {
      failing.add('insert');
      how.notCommitted = false;
      const asked = await askFor(service, subject, { 'idempotency-key': 'doubt' });
      // Without a key, a repeat may send it twice.
      expect(refusalOf(asked)).toEqual({ ...refusal, outcome: 'unknown', retryable: false, retryAfter: undefined });
      expect(text(fields(asked.json).detail)).not.toContain('nothing was sent');
      expect(processed(subject)).toEqual([]);
      failing.clear();
      const sent = await askFor(service, subject, { 'idempotency-key': 'doubt' });
      expect([sent.status, processed(subject)]).toEqual([201, [true]]);
    },
  );

  it.each(jsonSubjects)(
    'keeps what is recorded until it can be claimed, then sends it once: $name',
    async (subject) => {
      failing.add('claimAll');
      const queued = await askFor(service, subject, { prefer: 'respond-async' });
      expect(queued).toMatchObject({ status: 202, json: { status: 'queued', attempts: 0 } });
      expect(processed(subject)).toEqual([]);
      expect(await statusOf(queued.headers.location)).toBe('queued');
      failing.clear();
      await becomes(queued.headers.location, 'accepted');
      expect(processed(subject)).toEqual([true]);
    },
  );

  it.each([fileSubject(to), csvSubject(to)])(
    'refuses a stream that cannot be claimed, and its key is free: $name',
    async (subject) => {
      failing.add('claimAll');
      const refused = await askFor(service, subject, { 'idempotency-key': 'd2' });
      expect(refusalOf(refused)).toEqual(refusal);
      expect(processed(subject)).toEqual([]);
      failing.clear();
      const sent = await askFor(service, subject, { 'idempotency-key': 'd2' });
      expect([sent.status, sent.headers['idempotency-replayed'], processed(subject)]).toEqual([201, undefined, [true]]);
    },
  );

  it('releases the key of a stream once it can, even if that fails at first', async () => {
    for (const operation of ['claimAll', 'deleteUnsent'] as const) failing.add(operation);
    const refused = await askFor(service, fileSubject(to), { 'idempotency-key': 'both' });
    expect(refusalOf(refused)).toEqual(refusal);
    expect((await askFor(service, fileSubject(to), { 'idempotency-key': 'both' })).status).toBe(409);
    failing.clear();
    let sent = await askFor(service, fileSubject(to), { 'idempotency-key': 'both' });
    for (; sent.status === 409; await sleep(20)) {
      sent = await askFor(service, fileSubject(to), { 'idempotency-key': 'both' });
    }
    expect([sent.status, processed(fileSubject(to))]).toEqual([201, [true]]);
  });

  it.each(everySubject)(
    'answers with an acceptance that it could not store yet, and stores it later: $name',
    async (subject) => {
      failing.add('completeAll');
      const sent = await askFor(service, subject, { 'idempotency-key': 'd3' });
      expect(sent).toMatchObject({ status: 201, json: { status: 'accepted', recorded: false } });
      expect(await statusOf(sent.headers.location)).toBe('sending');
      const meanwhile = await askFor(service, subject, { 'idempotency-key': 'd3' });
      expect([meanwhile.status, slug(meanwhile)]).toEqual([409, 'idempotency-in-progress']);
      failing.clear();
      await becomes(sent.headers.location, 'accepted');
      const again = await askFor(service, subject, { 'idempotency-key': 'd3' });
      const { recorded: _, updatedAt: _at, ...message } = fields(sent.json);
      expect(again).toMatchObject({ status: 201, headers: { 'idempotency-replayed': 'true' }, json: message });
      expect(again.json).not.toHaveProperty('recorded');
      expect(processed(subject)).toEqual([true]);
    },
  );

  it('answers with a rejection that it could not store yet', async () => {
    service.simulator.script(textSubject.operation, { status: 422 });
    failing.add('completeAll');
    const refused = await askFor(service, textSubject);
    expect([refused.status, fields(refused.json).outcome]).toEqual([422, 'rejected']);
    failing.clear();
    await becomes(refused.headers.location, 'rejected');
  });

  it('does not attempt a message again before it could be requeued', async () => {
    service.simulator.script(textSubject.operation, { status: 429, headers: { 'retry-after': '0' } });
    failing.add('requeueAll');
    const waiting = await askFor(service, textSubject, { prefer: 'respond-async' });
    await expect.poll(() => processed(textSubject)).toEqual([false]);
    const tried = failures();
    await expect.poll(failures).toBeGreaterThan(tried + 1);
    expect(await statusOf(waiting.headers.location)).toBe('sending');
    expect(processed(textSubject)).toEqual([false]);
    failing.clear();
    await becomes(waiting.headers.location, 'accepted');
    expect(processed(textSubject)).toEqual([false, true]);
  });

  it('reads on, says so in its readiness, and recovers without a restart', async () => {
    const clock = standingClock();
    const sent = await askFor(service, textSubject);
    expect(await service.ask('GET', '/health/ready')).toMatchObject({ status: 200, json: { store: 'writable' } });
    for (const operation of everyWrite) failing.add(operation);
    clock.pass(1_001);
    expect(await service.ask('GET', '/health/ready')).toMatchObject({
      status: 503,
      json: { status: 'not-ready', store: 'failing' },
    });
    expect((await askFor(service, textSubject)).status).toBe(503);
    expect((await service.ask('GET', text(sent.headers.location) ?? '')).status).toBe(200);
    expect((await service.ask('GET', '/v1/messages')).status).toBe(200);
    expect(
      (await service.ask('GET', '/v1/contacts', { headers: { 'maton-connection': seededConnection } })).status,
    ).toBe(200);
    expect((await service.ask('GET', '/health/live')).status).toBe(200);
    failing.clear();
    clock.pass(1_001);
    expect(await service.ask('GET', '/health/ready')).toMatchObject({ status: 200, json: { store: 'writable' } });
    expect((await askFor(service, textSubject)).status).toBe(201);
  });

  it.each(['find', 'findByKey', 'list'] as const)(
    'answers 503 where the records cannot be read: %s',
    async (operation) => {
      failing.add(operation);
      const read = operation === 'list' ? '/v1/messages' : '/v1/messages/4cc095d2-9d83-4857-bde4-4831283bef36';
      const answer =
        operation === 'findByKey'
          ? await askFor(service, textSubject, { 'idempotency-key': 'read' })
          : await service.ask('GET', read);
      expect([answer.status, slug(answer), answer.headers['retry-after']]).toEqual([503, 'store-unavailable', '2']);
      expect(service.simulator.ledger.of(textSubject.operation)).toEqual([]);
    },
  );
});
