import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { manyFacts } from './many-facts.ts';

/** `FACTS=100000 npm run test:thorough -- many-facts` is the full number, of a fifth as many messages. */
const facts = Number(process.env.FACTS ?? 4_000);

test.each([1, 2, 3])(
  'webhooks in random order, doubled, with twins and losses, leave each message where they say (SQLite, seed %i)',
  async (seed) => {
    const folder = mkdtempSync(join(tmpdir(), 'many-facts-'));
    let later = 0;
    const store = await openStore(`file:${folder}/store.db`, {
      ...OPTIONS,
      monotonicClock: () => performance.now() + later,
    });
    try {
      const { given, wrong, movedBack } = await manyFacts(store, { messages: facts / 5, facts, seed }, async (ms) => {
        later += ms;
      });
      expect(wrong).toEqual([]);
      expect(movedBack).toEqual([]);
      expect(given).toBeGreaterThan(facts);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  },
  600_000,
);
