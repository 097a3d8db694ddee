import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { cpuUs, familyCpuUs, limitCpu, parentOf, pinFamily, pinSelf } from './cpu.ts';
import { median } from './load.ts';
import { createPeers, type Peer } from './peers.ts';
import { callers, floodOnce } from './send-load.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- replicas [--store=postgres://… of an empty database on this machine] [--share=0.25] [--quick]`: texts recorded in
 * PostgreSQL by one replica and by two, in alternating rounds, with 64 callers for each replica. The database has core 0 to itself.
 * Replicas, load and upstream are on core 1, where each replica gets the same share of it: so a second one brings as much CPU as the
 * first, as on a machine of its own. Then what replicas cost that have nothing to do. Needs root, for taskset and control groups.
 */
const { values } = parseArgs({
  options: {
    store: { type: 'string', default: process.env.BENCH_POSTGRES_URL ?? '' },
    share: { type: 'string', default: '0.25' },
    quick: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const rounds = values.quick ? 3 : 5;
const seconds = values.quick ? 3 : 5;
const idleSeconds = values.quick ? 5 : 10;

interface Turn {
  perSecond: number;
  p99: number;
  /** CPU time per send, µs, of all replicas and of the database. */
  service: number;
  database: number;
  /** Use of the database's core. */
  busy: number;
  commits: number;
}

const sum = (each: number[]) => each.reduce((total, one) => total + one, 0);

/** Finds the server by one of its processes. */
async function openDatabase(url: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const server = parentOf(rows[0]?.pid ?? 0);
  return {
    server,
    commits: async () => {
      await sleep(1_100); // connections report once a second
      const of = 'SELECT xact_commit::float8 AS n FROM pg_stat_database WHERE datname = current_database()';
      return (await client.query<{ n: number }>(of)).rows[0]?.n ?? Number.NaN;
    },
    end: () => client.end(),
  };
}

type Database = Awaited<ReturnType<typeof openDatabase>>;

async function turn(replicas: Peer[], { database, upstream }: { database: Database; upstream: Peer }): Promise<Turn> {
  const commits = await database.commits();
  const [cpu, startedAt] = [familyCpuUs(database.server), performance.now()];
  const floods = await Promise.all(replicas.map((replica) => floodOnce(replica, upstream, seconds)));
  const spentUs = familyCpuUs(database.server) - cpu;
  const elapsedUs = (performance.now() - startedAt) * 1_000;
  const perSecond = sum(floods.map((flood) => flood.perSecond));
  const sends = perSecond * seconds;
  return {
    perSecond,
    p99: Math.max(...floods.map(({ p99 }) => p99)),
    service: sum(floods.map((flood) => flood.cpu * flood.perSecond)) / perSecond,
    database: spentUs / sends,
    busy: spentUs / elapsedUs,
    commits: ((await database.commits()) - commits) / sends,
  };
}

/** CPU time a second, µs, of the last replica and of the database, while nothing is sent. */
async function idle(replicas: Peer[], { server }: Database): Promise<{ replica: number; database: number }> {
  await sleep(2_000);
  const [cpu, database] = [cpuUs(replicas.at(-1)?.pid ?? 0), familyCpuUs(server)];
  await sleep(idleSeconds * 1_000);
  const ofReplica = cpuUs(replicas.at(-1)?.pid ?? 0) - cpu;
  return { replica: ofReplica / idleSeconds, database: (familyCpuUs(server) - database) / idleSeconds };
}

function report(name: string, turns: Turn[]): (figure: keyof Turn) => number {
  const of = (figure: keyof Turn) => median(turns.map((each) => each[figure]));
  console.log(
    `${name}: ${of('perSecond').toFixed(0)}/s, p99 ${of('p99').toFixed(0)} ms; CPU a send ${of('service').toFixed(0)} µs of the service, ${of('database').toFixed(0)} µs of the database, which used ${(of('busy') * 100).toFixed(0)} % of its core; ${of('commits').toFixed(2)} commits a send`,
  );
  return of;
}

if (values.store === '') console.log('not measured: neither --store nor BENCH_POSTGRES_URL names a database');
else {
  const peers = createPeers();
  const lifts: (() => void)[] = [];
  pinSelf();
  const database = await openDatabase(values.store);
  pinFamily(database.server, 0);
  try {
    const upstream = await peers.upstream();
    const started = async () => {
      const replica = await peers.service(upstream, 'file:', { STORE_URL: values.store });
      pinFamily(replica.pid, 1);
      lifts.push(limitCpu(replica.pid, Number(values.share)));
      await floodOnce(replica, upstream, 2);
      return replica;
    };
    const first = await started();
    const alone = await idle([first], database);
    const both = [first, await started()];
    const together = await idle(both, database);
    const turns: Record<'one' | 'two', Turn[]> = { one: [], two: [] };
    for (let round = 0; round < rounds; round += 1) {
      turns.one.push(await turn([first], { database, upstream }));
      turns.two.push(await turn(both, { database, upstream }));
    }
    console.log(`${callers} callers and ${values.share} of a core for each replica, ${rounds} rounds of ${seconds} s`);
    const of = { one: report('one replica', turns.one), two: report('two replicas', turns.two) };
    console.log(
      `idle: ${(alone.replica / 1_000).toFixed(1)} ms of CPU a second a replica; the database ${(alone.database / 1_000).toFixed(1)} ms for one, ${(together.database / 1_000).toFixed(1)} ms for two`,
    );
    const goals: Goal[] = [
      {
        what: 'sends, two replicas to one',
        value: of.two('perSecond') / of.one('perSecond'),
        limit: 1.2,
        atLeast: true,
        unit: 'x',
      },
      ...(['service', 'database'] as const).map((whose) => ({
        what: `CPU of the ${whose} a send, two replicas to one`,
        value: of.two(whose) / of.one(whose),
        limit: 1.1,
        unit: 'x',
      })),
    ];
    console.log(`\n${goalsTable(goals)}`);
  } finally {
    for (const lift of lifts) lift();
    await database.end();
    await peers.close();
  }
}
