import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { atRate } from '../../bench/open-load.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase } from './database.ts';
import { aPlace } from './service.ts';
import { aWati } from './webhooks.ts';

/** `DATABASE_DOWN_MS=60000 .ci/postgres webhooks` is the full minute. */
const downMs = Number(process.env.DATABASE_DOWN_MS ?? 8_000);
const perSecond = 100;
const aroundMs = 3_000;

const postgres = join(import.meta.dirname, '../../.ci/postgres.sh');

async function server(step: string): Promise<void> {
  const [code] = await once(spawn(postgres, [step], { stdio: 'ignore' }), 'exit');
  expect(code).toBe(0);
}

test.each([
  ['with a spool each is answered 200', true],
  ['without one those that were refused come again', false],
])(
  `the database is gone for ${downMs} ms under ${perSecond} webhooks a second: %s, and none is lost`,
  async (_name, hasSpool) => {
    const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
    const database = await aDatabase();
    const place = aPlace(simulator, database.url);
    const seconds = Math.ceil((downMs + 2 * aroundMs) / 1_000) + 2;
    const wati = await aWati(place, database.url, { messages: (perSecond * seconds) / 2, repeatMs: 1_000 });
    try {
      const spool = hasSpool ? { INTAKE_SPOOL: `file:${join(place.folder, 'spool.db')}` } : {};
      const service = await place.start({ settings: { ...wati.settings, ...spool } });
      const answers: number[] = [];
      const posting = atRate(perSecond, seconds, async () => {
        answers.push(await wati.post());
      });
      await sleep(aroundMs);
      await server('crash');
      await sleep(downMs);
      await server('resume');
      const there = performance.now();
      await posting;
      await wati.repeat();
      await expect.poll(() => countDone(database.url), { timeout: 60_000, interval: 50 }).toBe(wati.events.length);
      const appliedMs = performance.now() - there;
      expect(await wati.lost()).toEqual([]);
      const refused = answers.filter((status) => status !== 200);
      console.log(
        `webhooks, database gone for ${downMs} ms, ${hasSpool ? 'with' : 'without'} a spool: ${wati.events.length} events, ` +
          `${refused.length} answers without a 200; all applied ${Math.round(appliedMs)} ms after it was back, ` +
          `the last of them posted ${Math.round(wati.lastPostedMs - there)} ms after it`,
      );
      if (hasSpool) expect(refused).toEqual([]);
      else expect(refused.length).toBeGreaterThan(0);
      expect(wati.events.filter((event) => !event.answers.includes(200))).toEqual([]);
      expect(service.alive).toBe(true);
    } finally {
      await wati.close();
      await place.close();
      await database.drop();
      await simulator.close();
    }
  },
);

async function countDone(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ n: string }>("SELECT count(*) AS n FROM intake WHERE state = 'done'");
    return Number(rows[0]?.n);
  } finally {
    await client.end();
  }
}
