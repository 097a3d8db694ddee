import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { eventOf, newFact } from '../store/event-samples.ts';
import { insertFinished, insertSending, newMessage, OPTIONS } from '../store/samples.ts';
import { NO_BATCH } from '../store/tracking-samples.ts';

const person = '4915112345678';
const wroteAt = '2026-11-30T10:00:00.000Z';

let folder: string;
let url: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wati-bff-erase-'));
  url = `file:${join(folder, 'records.db')}`;
});
afterEach(() => rmSync(folder, { recursive: true }));

function run(args: string[], settings: Record<string, string> = {}) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, STORE_URL: url, ...settings } };
    const child = execFile(process.execPath, ['src/bin/wati-bff.ts', 'erase', ...args], options, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
  });
}

async function withStore(work: (store: Store) => Promise<unknown>): Promise<void> {
  const store = await openStore(url, OPTIONS);
  await work(store);
  await store.close();
}

const fill = (store: Store) =>
  Promise.all([
    insertFinished(store, newMessage('a', { to: person, content: { text: 'your secret' } }), 'unknown'),
    insertFinished(store, newMessage('b', { to: person, caller: 'shop' }), 'accepted'),
    store.insert(newMessage('c', { to: person, content: { text: 'your secret' } })),
    insertFinished(store, newMessage('d'), 'accepted'),
    store.noteConversations([
      { connectionId: 'c1', contact: { phone: person, bsuid: 'US.1' }, inAt: Date.parse(wroteAt) },
      { connectionId: 'c2', contact: { bsuid: 'US.1', username: '@asha' } },
      { connectionId: 'c1', contact: { phone: '4930' } },
    ]),
    store.recordIntake([
      { key: 'k', connectionId: 'c1', receivedAtMs: 0, body: `{"waId":"${person}","text":"a waiting word"}` },
    ]),
  ]);

/** An event that a caller has, and a fact that is not an event yet. */
async function fillEvents(store: Store): Promise<void> {
  await store.setSubscriptions([{ caller: 'crm', types: ['message.received'] }]);
  const about = (fact: string) => newFact(fact, { at: 0, contact: 'US.1', detail: { text: 'a waiting fact' } });
  await store.applyTracking({ ...NO_BATCH, facts: [about('in:1')] });
  const events = (await store.pendingFacts(9)).map((fact) => eventOf(fact, { data: '{"text":"a told word"}' }));
  await store.recordEvents(events, []);
  await store.applyTracking({ ...NO_BATCH, facts: [about('in:2')] });
}

const files = () => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));

describe('wati-bff erase', () => {
  it('counts on a dry run, prints on an export, and then leaves neither number nor words in any file', async () => {
    await withStore(async (store) => {
      await fill(store);
      await fillEvents(store);
    });
    const dry = await run([person, '--dry-run']);
    expect([dry.code, dry.err]).toEqual([0, '']);
    for (const line of ['crm  queued  1', 'crm  unknown  1', 'shop  accepted  1', 'events  2'])
      expect(dry.out).toContain(line);
    const { code, out } = await run([`+${person}`, '--export']);
    expect(code).toBe(0);
    const { messages, conversations, webhooks, events } = JSON.parse(out);
    expect(messages.map(({ id, caller, to }: Record<string, string>) => [id, caller, to])).toEqual([
      ['c', 'crm', person],
      ['a', 'crm', person],
      ['b', 'shop', person],
    ]);
    expect(out).toContain('your secret');
    expect(conversations).toEqual([
      { connectionId: 'c1', phone: person, bsuid: 'US.1', lastInSource: 'webhook', lastReceivedAt: wroteAt },
      { connectionId: 'c2', bsuid: 'US.1', username: '@asha' },
    ]);
    expect(webhooks).toEqual([
      { connectionId: 'c1', receivedAt: new Date(0).toISOString(), body: expect.stringContaining('a waiting word') },
    ]);
    expect(events).toEqual([
      {
        ...{ id: expect.stringMatching(/^evt_/), caller: 'crm', type: 'message.received', connectionId: 'c1' },
        ...{ timestamp: new Date(0).toISOString(), data: { text: 'a told word' } },
      },
    ]);
    expect(files().some((bytes) => bytes.includes(person))).toBe(true);
    const erased = await run([person]);
    expect([erased.code, erased.err]).toEqual([0, '']);
    expect(erased.out).toContain('Cancelled 1, erased 3. Nothing is left.');
    expect(erased.out).not.toContain(person);
    for (const word of [person, 'your secret', '@asha', 'a waiting word', 'a waiting fact', 'a told word'])
      expect(files().filter((bytes) => bytes.includes(word))).toEqual([]);
    await withStore(async (store) => expect(await store.find('crm', 'd')).toMatchObject({ status: 'accepted' }));
    expect((await run([person])).out).toBe('Nothing is kept of this person.\n');
    const nothing = { messages: [], conversations: [], webhooks: [], events: [] };
    expect(JSON.parse((await run([person, '--export'])).out)).toEqual(nothing);
  });

  it('reports what is left, with exit code 1', async () => {
    await withStore((store) => insertSending(store, newMessage('wire', { to: person })));
    const { code, out } = await run([person]);
    expect(code).toBe(1);
    expect(out).toContain('Cancelled 0, erased 0.');
    expect(out).toContain('crm  sending  1');
  });

  it('names the route to use while a running service has the file', async () => {
    await withStore(async (store) => {
      await fill(store);
      const { code, err } = await run([person]);
      expect(code).toBe(1);
      expect(err).toContain('use POST /v1/operations/erase');
      expect(await store.countPerson('shop', person)).toHaveLength(1);
    });
  });

  it('creates no file if there is none', async () => {
    expect(await run([person])).toMatchObject({ code: 1, err: expect.stringContaining('there is no file') });
    expect(readdirSync(folder)).toEqual([]);
    expect(await run([person], { STORE_URL: 'memory:' })).toMatchObject({ code: 1 });
  });

  it.each([
    [[]],
    [['4915', '112345678']],
    [['everybody']],
    [['%']],
    [[person, '--dryrun']],
    [[person, '--dry-run', '--export']],
  ])('does not take %j', async (args) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('npm run erase -- NUMBER');
  });

  it('explains itself', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes: 0 ') });
  });
});
