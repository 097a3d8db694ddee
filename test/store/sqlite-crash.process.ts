import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MessageStatus } from '../../src/store/message-store.ts';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS, recoverAndAdopt } from './samples.ts';

const CHILD = join(import.meta.dirname, 'crash-child.ts');
/** For each acknowledged state, the states that the send may have at the time of the kill. */
const REACHED: Readonly<Record<string, readonly MessageStatus[]>> = {
  queued: ['queued', 'sending', 'accepted'],
  sending: ['sending', 'accepted'],
  accepted: ['accepted'],
};

/** Reads whole lines of a child until it exits. `opened` resolves at its first line, `marked` at the first acknowledged write. */
function listen(child: ChildProcess): { opened: Promise<void>; marked: Promise<void>; ended: Promise<string[]> } {
  let output = '';
  const opened = Promise.withResolvers<void>();
  const marked = Promise.withResolvers<void>();
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    opened.resolve();
    if (output.includes('queued')) marked.resolve();
  });
  const ended = new Promise<string[]>((resolve) => {
    child.once('close', () => {
      opened.reject(new Error('the child ended before it opened the store'));
      resolve(output.split('\n').slice(0, -1));
    });
  });
  return { opened: opened.promise, marked: marked.promise, ended };
}

describe('SQLite: crashes', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'store-crash-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  let kills = 0;
  async function killOnce(url: string, name: string): Promise<number> {
    const child = spawn(process.execPath, [CHILD, url, 'work', name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const { opened, marked, ended } = listen(child);
    // Alternates, because a slow machine may have written nothing soon after it opened the store.
    await (kills++ % 2 === 0 ? marked : opened);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
    child.kill('SIGKILL');
    const reached = new Map<string, string>();
    for (const line of await ended) {
      const [state, id] = line.split(' ');
      if (state !== undefined && id !== undefined) reached.set(id, state);
    }
    const store = await openStore(url, OPTIONS);
    for (const [id, state] of reached) {
      expect(REACHED[state], `${id} was ${state}`).toContain((await store.find('crm', id))?.status);
    }
    const before = await store.counts();
    const { unknown, adopted } = await recoverAndAdopt(store, 1_000);
    expect(unknown).toBe(before.sending);
    const after = await store.counts();
    expect([after.sending, after.queued]).toEqual([0, adopted.length]);
    expect(after.not_sent - before.not_sent + adopted.length).toBe(before.queued);
    for (const { id } of adopted) await store.complete(id, { status: 'cancelled', outcome: null });
    await store.close();
    return reached.size;
  }

  test('30 kills at random moments lose nothing that was acknowledged', { timeout: 180_000 }, async () => {
    const lane = async (n: number): Promise<number> => {
      let sends = 0;
      for (let kill = 0; kill < 6; kill++) sends += await killOnce(`file:${folder}/${n}.db`, `${n}-${kill}`);
      return sends;
    };
    const sends = await Promise.all([lane(0), lane(1), lane(2), lane(3), lane(4)]);
    expect(Math.min(...sends)).toBeGreaterThan(0);
  });

  test('a second process is refused, and let in once the first is killed', async () => {
    const url = `file:${folder}/one.db`;
    const child = spawn(process.execPath, [CHILD, url], { stdio: ['ignore', 'pipe', 'inherit'] });
    const { opened, ended } = listen(child);
    await opened;
    await expect(openStore(url, OPTIONS)).rejects.toMatchObject({
      name: 'StoreError',
      message: expect.stringContaining('another process has it open'),
    });
    child.kill('SIGKILL');
    await ended;
    const store = await openStore(url, OPTIONS);
    await expect(openStore(url, OPTIONS)).rejects.toMatchObject({ name: 'StoreError' });
    await store.check();
    await store.close();
  });

  test.each(['thread-fails', 'thread-ends'])('%s: every caller is answered, and the process ends', async (mode) => {
    const url = `file:${folder}/${mode}.db`;
    const child = spawn(process.execPath, [CHILD, url, mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 20_000,
    });
    const ended = once(child, 'exit');
    const lines = await listen(child).ended;
    expect(lines.toSorted()).toEqual(
      ['after notCommitted=true', 'closed', 'during notCommitted=false', 'fault StoreError', 'open'].toSorted(),
    );
    expect(await ended).toEqual([3, null]);
  });

  const traced = spawnSync('strace', ['-e', 'trace=none', 'true']).status === 0;
  test.skipIf(!traced)('a record whose fsync failed (EIO) is not there after a crash (needs strace)', async () => {
    const url = `file:${folder}/eio.db`;
    const faults = ['-f', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync'];
    const inject = ['-e', 'inject=fsync,fdatasync:error=EIO:when=60'];
    const child = spawn('strace', [...faults, ...inject, process.execPath, CHILD, url, 'until-refused', 'e'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = await listen(child).ended;
    const refused = lines.at(-1)?.split(' ') ?? [];
    expect(refused[0]).toBe('refused');
    const store = await openStore(url, OPTIONS);
    expect(await store.find('crm', String(refused[1]))).toBeUndefined();
    expect((await store.counts()).queued).toBe(lines.filter((line) => line.startsWith('queued')).length);
    await store.close();
  });
});
