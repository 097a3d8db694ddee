import { median, ratio } from './load.ts';
import type { createPeers, Peer } from './peers.ts';
import { type Flood, floodOnce } from './send-load.ts';
import type { Goal } from './table.ts';

const rounds = 5;

/** Compares sends in PostgreSQL and SQLite in alternating rounds, because only their ratio is reliable on a busy machine. */
export async function compareStores(
  peers: ReturnType<typeof createPeers>,
  { upstream, onDisk, seconds }: { upstream: Peer; onDisk: Peer; seconds: number },
): Promise<Goal[]> {
  const postgres = process.env.BENCH_POSTGRES_URL;
  if (postgres === undefined) {
    console.log('PostgreSQL: not measured, BENCH_POSTGRES_URL is not set');
    return [];
  }
  const shared = { ...(await peers.service(upstream, 'file:', { STORE_URL: postgres })), name: 'wati-bff, postgres:' };
  const measured: Record<'file' | 'postgres', Flood[]> = { file: [], postgres: [] };
  await floodOnce(shared, upstream, 2);
  for (let round = 0; round < rounds; round += 1) {
    measured.file.push(await floodOnce(onDisk, upstream, seconds));
    measured.postgres.push(await floodOnce(shared, upstream, seconds));
  }
  await shared.stop();
  const middle = (store: keyof typeof measured) => median(measured[store].map(({ perSecond }) => perSecond)).toFixed(0);
  console.log(`in PostgreSQL ${middle('postgres')}/s, in SQLite meanwhile ${middle('file')}/s`);
  const of = (figure: 'perSecond' | 'cpu') => ratio(measured.postgres, measured.file, figure);
  return [
    { what: 'recorded sends, PostgreSQL to SQLite', value: of('perSecond'), limit: 0.7, atLeast: true, unit: 'x' },
    { what: 'CPU of a recorded send, PostgreSQL to SQLite', value: of('cpu'), limit: 1.5, unit: 'x' },
  ];
}
