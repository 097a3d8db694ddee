import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contentFingerprint } from '../../src/delivery/send-content.ts';
import type { Store } from '../../src/store/open.ts';
import { openStore } from '../../src/store/open.ts';
import { askFor, fields, type Subject, seededConnection, text } from '../routes/outcomes.ts';
import { csvSubject, fileSubject, formHeaders, formOf } from '../routes/sending.ts';
import { DAY_MS, HOUR_MS, OPTIONS } from '../store/samples.ts';
import { type Service, startService } from '../support/service.ts';

/** In every place where a caller's words can stand. */
const secret = 'Rhabarberkompott';
const to = '14155551000';
const post = (name: string, operation: Subject['operation'], json: object): Subject => ({
  name,
  operation,
  method: 'POST',
  path: `/v1/messages/${name}`,
  ask: { json: { to, ...json } },
});
const subjects: Subject[] = [
  post('text', 'sendSessionMessage', { text: `Your ${secret}` }),
  post('file-link', 'sendSessionFileViaUrl', { url: `https://example.com/${secret}.pdf`, caption: secret }),
  post('buttons', 'sendInteractiveButtonsMessage', { body: secret, footer: secret, buttons: [{ text: secret }] }),
  post('list', 'sendInteractiveListMessage', {
    body: secret,
    buttonText: secret,
    sections: [{ title: secret, rows: [{ title: secret }] }],
  }),
  post('template', 'sendTemplateMessagesV2', {
    template: 'order_update',
    parameters: { customer_name: secret, order_id: 'A-1', order_status: 'shipped' },
  }),
  { ...fileSubject(to, secret), path: `/v1/messages/file?to=${to}&caption=${secret}` },
  {
    ...csvSubject(to),
    ask: { body: formOf(`Name,Phone\r\n${secret},${to}\r\n`, 'text/csv', 'people.csv'), headers: formHeaders },
  },
];

describe('the database file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'wati-bff-privacy-'));
  let path = '';
  let service: Service;
  let store: Store;
  let clockMs = 0;
  let files = 0;
  beforeEach(async () => {
    clockMs = 0;
    files += 1;
    path = join(directory, `${files}.db`);
    store = await openStore(`file:${path}`, { ...OPTIONS, monotonicClock: () => clockMs });
    service = await startService({ store, settings: { UPSTREAM_TIMEOUT_MS: '8000', SEND_WAIT_MS: '10000' } });
  });
  afterEach(async () => {
    await service.close();
    rmSync(path, { force: true });
  });

  /** How often the words stand in the file, its log or its index, whatever a table says. */
  const occurrences = (words: string): number =>
    readdirSync(directory)
      .filter((name) => name.startsWith(`${files}.db`))
      .map((name) => readFileSync(join(directory, name)).toString('latin1').split(words).length - 1)
      .reduce((sum, each) => sum + each, 0);
  const send = (subject: Subject) => askFor(service, subject, { 'idempotency-key': `privacy-${subject.name}` });
  const passes = async (ms: number) => {
    clockMs += ms;
    while ((await store.purge(500)) > 0);
  };

  it.each(subjects)('contains no word of a message that was accepted, after a purge: $name', async (subject) => {
    expect((await send(subject)).status).toBe(201);
    await passes(0);
    expect(occurrences(secret)).toBe(0);
    // What the contract shows stays: it was looked for in the right place.
    expect(occurrences('accepted')).toBeGreaterThan(0);
  });

  it.each(subjects)('nor of one that was refused: $name', async (subject) => {
    service.simulator.script(subject.operation, { status: 422, body: { message: 'no' } });
    expect((await send(subject)).status).toBe(422);
    await passes(0);
    expect(occurrences(secret)).toBe(0);
  });

  it.each([true, false])('contains no digest against which guesses could be tried (a key: %s)', async (keyed) => {
    const body = { to, text: `Your ${secret}` };
    const headers = keyed ? { 'idempotency-key': 'k' } : {};
    const answer = await service.ask('POST', '/v1/messages/text', { json: body, headers });
    const { id } = fields(answer.json);
    const known = async () => (await store.find('tester', String(id)))?.contentMac ?? '';
    const mac = await known();
    expect(mac).toHaveLength(43);
    expect(occurrences(contentFingerprint(seededConnection, { kind: 'text', body }))).toBe(0);
    await passes(HOUR_MS);
    expect([await known(), occurrences(mac) > 0]).toEqual(keyed ? [mac, true] : ['', false]);
    if (!keyed) return;
    expect((await service.ask('POST', '/v1/messages/text', { json: body, headers })).status).toBe(201);
    const other = { json: { to, text: 'other' }, headers };
    expect((await service.ask('POST', '/v1/messages/text', other)).status).toBe(422);
  });

  it('contains the words of an unknown message for as long as it can be resent', async () => {
    const [subject = fileSubject(to)] = subjects;
    service.simulator.script(subject.operation, { fault: 'reset-before' });
    const answer = await send(subject);
    expect(answer.status).toBe(202);
    await passes(30 * DAY_MS - HOUR_MS);
    expect(occurrences(secret)).toBeGreaterThan(0);
    await passes(HOUR_MS + 1_000);
    expect(occurrences(secret)).toBe(0);
    expect(await service.ask('GET', text(answer.headers.location) ?? '')).toMatchObject({
      json: { status: 'unknown' },
    });
  });

  it('contains those of an unsent message for as long as its key', async () => {
    const [subject = fileSubject(to)] = subjects;
    service.simulator.script(subject.operation, ...Array(3).fill({ status: 429, headers: { 'retry-after': '0' } }));
    expect((await send(subject)).status).toBe(503);
    await passes(72 * HOUR_MS - 1_000);
    expect(occurrences(secret)).toBeGreaterThan(0);
    await passes(2_000);
    expect(occurrences(secret)).toBe(0);
  });

  it('contains a number until the record is deleted, and a key until it is released', async () => {
    const [subject = fileSubject(to)] = subjects;
    const { headers } = await send(subject);
    const location = text(headers.location) ?? '';
    await passes(72 * HOUR_MS - 1_000);
    expect((await send(subject)).headers['idempotency-replayed']).toBe('true');
    expect(occurrences('privacy-text')).toBeGreaterThan(0);
    await passes(2_000);
    expect(occurrences('privacy-text')).toBe(0);
    expect((await service.ask('GET', location)).status).toBe(200);
    expect(occurrences(to)).toBeGreaterThan(0);
    await passes(90 * DAY_MS - 72 * HOUR_MS);
    expect((await service.ask('GET', location)).status).toBe(404);
    expect(occurrences(to)).toBe(0);
  });

  it('contains no number of a CSV at any time', async () => {
    const csv = csvSubject('14155551007');
    expect((await send(csv)).status).toBe(201);
    expect(occurrences('14155551007')).toBe(0);
    expect(existsSync(path)).toBe(true);
  });

  it('is not repeated in the log either', async () => {
    for (const subject of subjects) expect((await send(subject)).status).toBe(201);
    const log = JSON.stringify(service.logs());
    for (const words of [secret, to]) expect(log).not.toContain(words);
  });
});
