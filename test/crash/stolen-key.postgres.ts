import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { callerEntry } from '../../src/callers.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { isRecord, type Json } from '../support/json.ts';
import { aDatabase } from './database.ts';
import { aPlace, callerKey } from './service.ts';

const stolen = 'stolen-key-of-the-campaigns';
const rows = 100_000;
const csv = Buffer.from(
  `Phone\n${Array.from({ length: rows }, (_, at) => `91981${String(2_000_000 + at).padStart(7, '0')}`).join('\n')}\n`,
);

/** Everything that the simulated WATI took for somebody. */
const gone = (simulator: Simulator) =>
  simulator.ledger.entries.reduce((sum, { processed, recipients }) => sum + (processed ? recipients.length : 0), 0);

async function ask(url: string, path: string, key: string, init: RequestInit = {}): Promise<Json> {
  const answer = await fetch(`${url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${key}`, ...init.headers },
  });
  const json: unknown = await answer.json();
  if (!isRecord(json)) throw new Error(`${path} answers no object`);
  return { ...json, httpStatus: answer.status };
}

/** Two replicas on PostgreSQL, or one process on SQLite: `lives` starts as many of them, anew for each run. */
test.each([
  ['two replicas on PostgreSQL', 2],
  ['one process on SQLite', 1],
])(
  'a key is stolen and imports 100,000: without its entry nothing more goes out, also after a restart: %s',
  async (_name, replicas) => {
    const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY, plan: 'none' });
    const database = replicas > 1 ? await aDatabase() : undefined;
    const thief = callerEntry('campaigns', stolen, { scopes: ['broadcasts:send', 'messages:send'] });
    const place = aPlace(simulator, database?.url, [thief]);
    const settings = { MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none', CSV_MAX_ROWS: String(rows) };
    const lives = () => Promise.all(Array.from({ length: replicas }, () => place.start({ settings })));
    try {
      let services = await lives();
      const [first] = services;
      const form = new FormData();
      form.append('file', new Blob([csv], { type: 'text/csv' }), 'people.csv');
      const { id, httpStatus } = await ask(
        first?.url ?? '',
        '/v1/broadcasts/import?template=welcome&broadcastName=sale',
        stolen,
        { method: 'POST', headers: { 'idempotency-key': 'one' }, body: form },
      );
      expect(httpStatus).toBe(202);
      await expect.poll(() => gone(simulator), { timeout: 30_000 }).toBeGreaterThan(500);

      const clients = join(place.folder, 'clients.json');
      const [operator] = JSON.parse(readFileSync(clients, 'utf8')) as object[];
      writeFileSync(clients, JSON.stringify([operator]));
      const removedAt = gone(simulator);
      await sleep(5_000);
      const held = gone(simulator);
      await sleep(3_000);
      expect(gone(simulator)).toBe(held);
      expect((await ask(first?.url ?? '', '/v1/broadcasts', stolen)).httpStatus).toBe(401);

      await Promise.all(services.map((service) => service.kill()));
      services = await lives();
      await sleep(4_000);
      expect(gone(simulator)).toBe(held);
      console.log(
        `stolen key, ${replicas}: ${removedAt} gone when its entry went, ${held} five seconds later, of ${rows}`,
      );

      const url = services.at(-1)?.url ?? '';
      const seen = await ask(url, `/v1/operations/broadcasts?caller=campaigns`, callerKey);
      expect(seen.data).toEqual([
        expect.objectContaining({ id, hold: expect.objectContaining({ code: 'caller-removed' }) }),
      ]);
      expect((await ask(url, `/v1/operations/broadcasts/${id}/cancel`, callerKey, { method: 'POST' })).httpStatus).toBe(
        200,
      );
      const counts = async () => {
        const { data } = await ask(url, '/v1/operations/broadcasts?caller=campaigns', callerKey);
        return Array.isArray(data) && isRecord(data[0]) ? data[0].counts : undefined;
      };
      await expect.poll(counts, { timeout: 30_000 }).toMatchObject({ queued: 0, sending: 0 });
      const { accepted, cancelled, unknown } = (await counts()) as Record<string, number>;
      expect((accepted ?? 0) + (cancelled ?? 0) + (unknown ?? 0)).toBe(rows);
      expect(gone(simulator)).toBe(held);
    } finally {
      await place.close();
      await database?.drop();
      await simulator.close();
    }
  },
);
