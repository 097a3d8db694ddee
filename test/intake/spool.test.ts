import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Spool, type SpoolOptions } from '../../src/intake/spool.ts';
import type { IntakeRow } from '../../src/store/intake-store.ts';
import { connectionId, delivered, memorySink, startDoor } from './door.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-spool-'));
afterAll(() => rmSync(folder, { recursive: true }));
const newPath = () => join(mkdtempSync(join(folder, 'one-')), 'spool.db');

const row = (n: number, body = `{"n":${n}}`): IntakeRow => ({
  key: `key-${n}`,
  connectionId,
  receivedAtMs: 1_000 + n,
  body,
});
const rows = (count: number) => Array.from({ length: count }, (_, n) => row(n));
const openSpool = (options: SpoolOptions) => Spool.open({ ...options, sameThread: true });
const away = new Error('the database is away');

it('records everything while the store is unavailable, and moves it when the store is back', async () => {
  const target = memorySink();
  target.state.failure = away;
  const faults: unknown[] = [];
  const spool = await openSpool({
    path: newPath(),
    target: target.sink,
    onFault: (error) => faults.push(error),
    now: () => 61_000,
    retryMs: 5,
  });
  const { post, intake } = await startDoor({ sink: spool });
  for (const id of ['1', '2', '3']) {
    // Its entries have been moved to the store, so repeats are not looked for here.
    expect(JSON.parse((await post(delivered(id))).text)).toEqual({ received: 1 });
  }
  expect(JSON.parse((await post(delivered('3'))).text)).toEqual({ received: 1 });
  await spool.recordIntake(rows(600));
  expect(await spool.state()).toEqual({ waiting: 603, oldestMs: 61_000 - 1_000 });
  await expect.poll(target.asked).toBeGreaterThan(5);
  expect(faults).toEqual([away]);
  target.state.failure = undefined;
  await expect.poll(async () => (await spool.state()).waiting).toBe(0);
  const moved = [...target.rows.values()].filter(({ key }) => key.startsWith('key-'));
  expect(moved.toSorted((a, b) => a.receivedAtMs - b.receivedAtMs)).toMatchObject(rows(600));
  expect(target.rows.size).toBe(603);
  await intake.close();
  await spool.close();
});

it('does not retry an unavailable store for each event', async () => {
  const target = memorySink();
  target.state.failure = away;
  const spool = await openSpool({ path: newPath(), target: target.sink, retryMs: 60_000 });
  for (const each of rows(20)) await spool.recordIntake([each]);
  expect(target.asked()).toBe(1);
  await spool.close();
});

it('moves each row by itself, in a thread of its own', async () => {
  const target = memorySink();
  const spool = await Spool.open({ path: newPath(), target: target.sink, retryMs: 60_000 });
  await Promise.all(rows(50).map((each) => spool.recordIntake([each])));
  await expect.poll(() => target.rows.size).toBe(50);
  await expect.poll(async () => (await spool.state()).waiting).toBe(0);
  await spool.close();
});

it('counts no more than 10,000 of the events that wait', async () => {
  const target = memorySink();
  target.state.failure = away;
  const spool = await openSpool({ path: newPath(), target: target.sink, retryMs: 60_000 });
  await spool.recordIntake(rows(10_001));
  expect((await spool.state()).waiting).toBe(10_000);
  await spool.close();
});

it('keeps what a process left, for the next one, and deletes what was moved', async () => {
  const path = newPath();
  const target = memorySink();
  target.state.failure = away;
  const first = await openSpool({ path, target: target.sink, retryMs: 5 });
  await first.recordIntake([row(1, '{"text":"A text of a customer"}'), row(2)]);
  await first.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  target.state.failure = undefined;
  // Recorded there, and killed before it was deleted here: its key makes it once.
  await target.sink.recordIntake([row(2)]);
  const second = await openSpool({ path, target: target.sink });
  second.wake();
  await expect.poll(async () => (await second.state()).waiting).toBe(0);
  expect([...target.rows.keys()].toSorted()).toEqual(['key-1', 'key-2']);
  await second.close();
  for (const file of [path, `${path}-wal`]) {
    if (existsSync(file)) expect(readFileSync(file, 'latin1')).not.toContain('A text of a customer');
  }
});

it('does not let one row that the store refuses block the others', async () => {
  const target = memorySink();
  const moved: string[] = [];
  const picky = {
    recordIntake: async (given: readonly IntakeRow[]) => {
      if (given.some(({ key }) => key === 'key-7')) throw new Error('not this one');
      moved.push(...given.map(({ key }) => key));
      return target.sink.recordIntake(given);
    },
  };
  const spool = await openSpool({ path: newPath(), target: picky, retryMs: 1 });
  await spool.recordIntake(rows(40));
  await expect.poll(async () => (await spool.state()).waiting).toBe(1);
  expect(moved.toSorted()).toEqual(
    rows(40)
      .map(({ key }) => key)
      .filter((key) => key !== 'key-7')
      .toSorted(),
  );
  await spool.close();
});

it('does not wait for a store that hangs when it closes, and belongs to one process', async () => {
  const path = newPath();
  const target = memorySink();
  let calls = 0;
  const hangs = {
    recordIntake: () => {
      calls += 1;
      return new Promise<never>(() => {});
    },
  };
  const spool = await openSpool({ path, target: hangs, closeMs: 10 });
  await spool.recordIntake(rows(3));
  await expect.poll(() => calls).toBe(1);
  await expect(openSpool({ path, target: target.sink })).rejects.toThrow(/another process has it open/);
  await spool.close();
  expect(await spool.state()).toEqual({ waiting: 0, oldestMs: 0 });
  const next = await openSpool({ path, target: target.sink });
  expect((await next.state()).waiting).toBe(3);
  await next.close();
});
