import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { newMessage, OPTIONS } from './samples.ts';

const callers = ['crm', 'shop', 'bank'];

/** Returns numbers that are scattered over the indexes, and the same in each run. */
const number = (n: number) =>
  `49${createHash('sha256').update(String(n)).digest().readBigUInt64BE().toString().padStart(20, '0').slice(-11)}`;
const person = (n: number) => number(-1 - n);

/** Records thousands of sends with all outcomes, so that pages are split; every fourth goes to one of a few people. */
async function fill(store: Store, people: number): Promise<void> {
  const send = async (n: number) => {
    const to = n % 4 === 0 ? person((n / 4) % people) : number(n);
    const content = { text: `words for ${to} ${'-'.repeat(n % 900)}` };
    const idempotency = { route: 'r', key: `${to}-${n}` };
    await store.insert(newMessage(`s${n}`, { caller: callers[n % 3] ?? '', to, content, idempotency }));
    if (n % 7 === 0) return;
    await store.claim(`s${n}`, 1);
    const status = (['accepted', 'unknown', 'rejected', 'not_sent'] as const)[n % 4] ?? 'accepted';
    const failure = { code: 'recipient', detail: `${to} is not on WhatsApp` };
    await store.complete(`s${n}`, { status, outcome: { to }, whatsappMessageId: `wamid.${to}`, failure });
  };
  for (let n = 0; n < 6_000; n += 100) await Promise.all(Array.from({ length: 100 }, (_, at) => send(n + at)));
}

describe('SQLite: of a person who was erased', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'erased-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Finds the numbers of these people in the files. Reads copies, because reading an open file here would drop its locks. */
  const traces = (people: readonly string[]) =>
    readdirSync(folder).flatMap((name) => {
      const bytes = readFileSync(join(folder, name), 'latin1');
      return people.filter((to) => bytes.includes(to)).map((to) => `${to} in ${name}`);
    });

  test.each([false, true])('nothing stands in any file (alone: %s)', async (exclusive) => {
    const store = await openStore(`file:${folder}/store.db`, OPTIONS);
    const people = Array.from({ length: 300 }, (_, n) => person(n));
    await fill(store, people.length);
    for (const to of people) {
      for (const caller of callers) {
        await store.cancelPerson(caller, to, 500);
        await store.erasePerson(caller, to, 500);
      }
    }
    await store.scrub({ exclusive });
    // Copies the state that a power cut would leave, before a close can clean up.
    expect(spawnSync('cp', ['-r', folder, `${folder}-cut`]).status).toBe(0);
    const cut = readdirSync(`${folder}-cut`).map((name) => readFileSync(join(`${folder}-cut`, name), 'latin1'));
    rmSync(`${folder}-cut`, { recursive: true });
    expect(people.filter((to) => cut.some((bytes) => bytes.includes(to)))).toEqual([]);
    expect(cut.some((bytes) => bytes.includes(number(1)))).toBe(true);
    await store.close();
    expect(traces(people)).toEqual([]);
    expect(traces([number(1)])).toEqual([`${number(1)} in store.db`]);
  });
});
