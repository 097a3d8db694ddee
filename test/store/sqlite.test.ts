import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { insertPublished } from './broadcast-samples.ts';
import { storeConformance } from './conformance.ts';
import {
  DAY_MS,
  HOUR_MS,
  ids,
  insertFinished,
  mustFind,
  newMessage,
  OPTIONS,
  ROUTE,
  recoverAndAdopt,
  withKey,
} from './samples.ts';
import { inMemory } from './sqlite-fixture.ts';

const aFolder = (): string => mkdtempSync(join(tmpdir(), 'store-'));

storeConformance('SQLite in memory', inMemory, false);

describe('SQLite: the file', () => {
  let folder: string;
  beforeEach(() => {
    folder = aFolder();
  });
  afterEach(() => {
    vi.useRealTimers();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is readable by its owner only, and so is its folder', async () => {
    const store = await openStore(`file:${folder}/new/deep/store.db`, OPTIONS);
    await store.check();
    expect(statSync(`${folder}/new`).mode & 0o777).toBe(0o700);
    for (const end of ['', '-wal']) expect(statSync(`${folder}/new/deep/store.db${end}`).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test('is named, or refused', async () => {
    for (const url of ['', 'file:', 'redis://x', 'store.db']) {
      await expect(openStore(url, OPTIONS)).rejects.toBeInstanceOf(StoreError);
    }
    writeFileSync(`${folder}/text.db`, 'not a database, but long enough to look at '.repeat(50));
    await expect(openStore(`file:${folder}/text.db`, OPTIONS)).rejects.toBeInstanceOf(StoreError);
    const store = await openStore(`file://${folder}/absolute.db`, OPTIONS);
    await store.close();
    expect(statSync(`${folder}/absolute.db`).isFile()).toBe(true);
  });

  test('continues its ageing clock, which stands still while no process runs', async () => {
    let steady = 5_000;
    const open = () => openStore(`file:${folder}/store.db`, { ...OPTIONS, monotonicClock: () => steady });
    const first = await open();
    await insertFinished(first, newMessage('a', withKey('a')), 'accepted');
    steady += 71 * HOUR_MS;
    await first.close();
    steady = 100; // a restarted machine
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * DAY_MS });
    const second = await open();
    steady += 59 * 60_000;
    expect(await second.purge(10)).toBe(0);
    steady += 60_000;
    expect(await second.purge(10)).toBe(1);
    await second.close();
  });

  test('has no recorded time in the future after a crash, so what was due is due at once', async () => {
    let steady = 5_000;
    const open = (name: string) => openStore(`file:${folder}/${name}`, { ...OPTIONS, monotonicClock: () => steady });
    const killed = await open('store.db');
    const record = (key: string) => killed.recordIntake([{ key, connectionId: 'c', receivedAtMs: 0, body: '{}' }]);
    for (const [key, pause] of [
      ['a', 59_000],
      ['b', 99],
      ['c', 99],
    ] as const) {
      await record(key);
      steady += pause;
      for (const end of ['', '-wal']) copyFileSync(`${folder}/store.db${end}`, `${folder}/${key}.db${end}`);
    }
    await killed.close();
    for (const [key, due] of [
      ['a', ['a']],
      ['b', ['a', 'b']],
      ['c', ['a', 'b', 'c']],
    ] as const) {
      const next = await open(`${key}.db`);
      expect((await next.dueIntake(10)).map((entry) => entry.key)).toEqual(due);
      await next.close();
    }
  });

  test('completes earlier writes before it closes', async () => {
    const url = `file:${folder}/store.db`;
    const first = await openStore(url, OPTIONS);
    const recorded = first.insert(newMessage('a'));
    await first.close();
    await recorded;
    const second = await openStore(url, OPTIONS);
    expect(await mustFind(second, 'a')).toMatchObject({ status: 'queued' });
    await second.close();
  });

  test('of the first version is migrated with all its records', async () => {
    const file = join(folder, 'old.db');
    const old = new DatabaseSync(file);
    old.exec(readFileSync(join(import.meta.dirname, 'version-1.sql'), 'utf8'));
    old.close();
    const store = await openStore(`file:${file}`, OPTIONS);
    const counts = {
      queued: 1,
      sending: 1,
      accepted: 1,
      rejected: 0,
      not_sent: 0,
      unknown: 1,
      cancelled: 0,
      scheduled: 0,
    };
    expect(await store.counts()).toEqual(counts);
    expect(ids((await store.list('crm', {}, { limit: 9 })).messages)).toEqual(['u', 's', 'a', 'q']);
    expect(ids((await store.list('crm', { status: 'queued' }, { limit: 9 })).messages)).toEqual(['q']);
    expect(await store.findByKey('crm', ROUTE, 'k')).toMatchObject({ id: 'q', content: { text: 'q' } });
    const { unknown, adopted } = await recoverAndAdopt(store, 9);
    expect([unknown, ids(adopted)]).toEqual([1, ['q']]);
    expect(await store.claim('q', 1)).toBe(true);
    await insertPublished(store, 'b', 2);
    expect(ids(await store.claimBatch('b', 1))).toEqual(['b-0']);
    expect(await store.counts()).toEqual({ ...counts, queued: 1, sending: 2, unknown: 2 });
    await store.close();
  });

  const mounts = process.getuid?.() === 0 && canMount();
  test.skipIf(!mounts)(
    'a full disk refuses writes, loses nothing, and recovers (needs root, for a tmpfs)',
    async () => {
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', disk]);
      try {
        const url = `file:${disk}/store.db`;
        const store = await openStore(url, OPTIONS);
        const kept: string[] = [];
        const content = { text: 'x'.repeat(20_000) };
        for (let n = 0; n < 300; n += 3) {
          const group = [n, n + 1, n + 2].map((id) => store.insert(newMessage(`s${id}`, { content })));
          const answers = await Promise.allSettled(group);
          for (const answer of answers) {
            if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(StoreError);
            else if ('inserted' in answer.value) kept.push(answer.value.inserted.id);
          }
          if (answers.some((answer) => answer.status === 'rejected')) break;
        }
        expect(kept.length).toBeGreaterThan(5);
        expect(kept.length).toBeLessThan(300);
        await expect(store.insert(newMessage('big', { content: 'x'.repeat(900_000) }))).rejects.toBeInstanceOf(
          StoreError,
        );
        expect((await store.counts()).queued).toBe(kept.length);
        spawnSync('mount', ['-o', 'remount,size=20m', disk]);
        await store.check();
        await store.insert(newMessage('after', { content }));
        expect(await store.claim('after', 1)).toBe(true);
        await store.close();
        const again = await openStore(url, OPTIONS);
        for (const id of kept) expect(await mustFind(again, id)).toMatchObject({ status: 'queued', content });
        expect(await again.counts()).toMatchObject({ queued: kept.length, sending: 1 });
        await again.close();
      } finally {
        spawnSync('umount', [disk]);
      }
    },
  );
});

/** Returns false if mounting is forbidden, as it may be for root in a container. */
function canMount(): boolean {
  const folder = aFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return mounted;
}

test('what callers did is kept for a month, whichever month it is', async () => {
  const clock = { now: Date.UTC(2026, 11, 20) };
  const store = await openStore('memory:', { ...OPTIONS, wallClock: () => clock.now });
  const counted = [{ caller: 'crm', name: 'accepted' as const, n: 1 }];
  const december = async () => {
    clock.now = Date.UTC(2026, 11, 20);
    return store.callerCountsToday();
  };
  await store.addCallerCounts(counted);
  clock.now = Date.UTC(2027, 0, 19);
  await store.addCallerCounts(counted);
  expect(await december()).toEqual(counted);
  clock.now = Date.UTC(2027, 0, 21);
  await store.addCallerCounts(counted);
  expect(await december()).toEqual([]);
  await store.close();
});
