import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/store/open.ts';
import type { StoreFixture } from './fixture.ts';
import { OPTIONS } from './samples.ts';

function fixture(url: string, { sameThread, tearDown }: { sameThread: boolean; tearDown: () => void }): StoreFixture {
  let steady = 1_000;
  let ahead = 0;
  const clocks = { monotonicClock: () => steady, wallClock: () => Date.now() + ahead };
  return {
    open: () => openStore(url, { ...OPTIONS, ...clocks, sameThread }),
    setWall: async (byMs) => {
      ahead += byMs;
    },
    advance: async (ms) => {
      steady += ms;
    },
    tearDown: async () => tearDown(),
  };
}

export const inMemory = async (): Promise<StoreFixture> =>
  fixture('memory:', { sameThread: true, tearDown: () => undefined });

function inFile(sameThread: boolean): StoreFixture {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  return fixture(`file:${folder}/store.db`, { sameThread, tearDown: () => rmSync(folder, { recursive: true }) });
}

/** In the thread of the test: a thread of its own costs most of the time of a short test. */
export const inFileHere = async (): Promise<StoreFixture> => inFile(true);
/** As the service opens it. */
export const inFileOfThread = async (): Promise<StoreFixture> => inFile(false);
