import { setTimeout as sleep } from 'node:timers/promises';
import { cpuUs, pinSelf, rssMb } from './cpu.ts';
import { away, dispatch, replay } from './events-endpoints.ts';
import { call, customer, openReceiver, openScene, openStream } from './events-scene.ts';
import { atRate, createCaller, percentile } from './open-load.ts';
import { createPeers, type Peer } from './peers.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- events [--quick]`: how soon those hear of it who read or are posted to, how fast one endpoint is posted to, what
 * 200 streams cost, a replay, and a receiver that was away. On a file, and the first also on PostgreSQL, with a second replica, where
 * BENCH_POSTGRES_URL names an empty database.
 */
const quick = process.argv.includes('--quick');
const warmUpSeconds = 1;
const one = { name: 'bench', key: 'bench-key-0123456789abcdef', inbound: 'all' } as const;

const peers = createPeers();
const goals: Goal[] = [];
try {
  console.log(`Node ${process.version}, ${pinSelf() ? 'service on core 0, load on core 1' : 'not pinned'}`);
  const upstream = await peers.upstream();
  await idle(upstream, { name: 'SQLite', store: 'file:' });
  const postgres = process.env.BENCH_POSTGRES_URL;
  if (postgres === undefined) console.log('PostgreSQL: not measured, BENCH_POSTGRES_URL is not set');
  else await idle(upstream, { name: 'PostgreSQL', store: postgres });
  goals.push(...(await dispatch(peers, upstream, { events: quick ? 1_000 : 10_000 })));
  await streams(upstream);
  goals.push(...(await replay(peers, upstream, { events: quick ? 2_000 : 100_000 })));
  goals.push(...(await away(peers, upstream, { seconds: quick ? 8 : 120 })));
  console.log(`\n${goalsTable(goals)}`);
} finally {
  await peers.close();
}

/** One customer after another writes. Each event is awaited in the feed, on the stream and at the receiver. */
async function idle(upstream: Peer, { name, store }: { name: string; store: string }): Promise<void> {
  const rounds = quick ? 150 : 400;
  const heard = new Map<string, () => void>();
  const told = (where: string) => (event: { n: number }) => heard.get(`${where} ${event.n}`)?.();
  const receiver = await openReceiver(0, told('posted'));
  const settings = { WEBHOOK_ALLOWED_HOSTS: `http://${receiver.host}` };
  const scene = await openScene(peers, upstream, { store, callers: [one], settings });
  const second = store === 'file:' ? undefined : await peers.service(upstream, 'file:', scene.settings);
  await call(scene.caller, 'POST /v1/webhook-endpoints', { url: receiver.url, types: ['*'] });
  const ends = [await openStream(scene.service, one.key, told('stream'))];
  if (second) ends.push(await openStream(second, one.key, told('stream of another replica')));
  const places = ['posted', 'stream', ...(second ? ['stream of another replica'] : [])];
  const waits = new Map<string, number[]>([...places, 'feed'].map((place) => [place, []]));
  let cursor: string = (await call(scene.caller, 'GET /v1/events?cursor=latest')).nextCursor;
  for (let n = 0; n < rounds; n += 1) {
    const startedAt = performance.now();
    const note = (place: string) => waits.get(place)?.push(performance.now() - startedAt);
    const all = places.map(
      (place) =>
        new Promise<void>((resolve) => {
          heard.set(`${place} ${n}`, () => {
            note(place);
            resolve();
          });
        }),
    );
    const waiting = scene.caller
      .ask('GET', `/v1/events?cursor=${cursor}`, { headers: { prefer: 'wait=10' } })
      .then(({ body }) => {
        note('feed');
        cursor = JSON.parse(body).nextCursor;
      });
    await scene.write(n);
    await Promise.all([...all, waiting]);
    await sleep(20);
  }
  const limits: Record<string, number> = { posted: 150, 'stream of another replica': 300 };
  for (const [place, ms] of waits) {
    console.log(`${name}: ${place} p50 ${percentile(ms.slice(5), 0.5).toFixed(1)} ms after the webhook was sent`);
    goals.push({
      what: `${name}, idle: webhook in -> ${place}, p99`,
      value: percentile(ms.slice(5), 0.99),
      limit: limits[place] ?? 50,
      unit: 'ms',
    });
  }
  for (const end of ends) end();
  await second?.stop();
  await receiver.close();
  await scene.close();
}

/** 200 streams of 40 callers, and a hundred customers a second, each of whom answers one of the callers. */
async function streams(upstream: Peer): Promise<void> {
  const [callers, each, perSecond, seconds] = [40, 5, 100, quick ? 5 : 30];
  const named = Array.from({ length: callers }, (_, n) => ({
    name: `bench-${n}`,
    key: `bench-key-of-${String(n).padStart(3, '0')}-0123456789`,
    inbound: 'own' as const,
  }));
  const scene = await openScene(peers, upstream, { store: 'file:', callers: named });
  for (const [n, { key }] of named.entries()) {
    const caller = createCaller(scene.service.url, key);
    await call(caller, 'POST /v1/messages/text', { to: customer(n), text: 'Your parcel is on its way.' });
    caller.close();
  }
  await sleep(1_000);
  const before = rssMb(scene.service.pid);
  const waits: number[] = [];
  const startedAt: number[] = [];
  const ends = await Promise.all(
    named.flatMap(({ key }) =>
      Array.from({ length: each }, () =>
        openStream(scene.service, key, ({ n }) => void waits.push(performance.now() - (startedAt[n] ?? 0))),
      ),
    ),
  );
  const load = async (forSeconds: number, first: number) => {
    waits.length = 0;
    await atRate(perSecond, forSeconds, async (turn) => {
      const n = first + turn;
      startedAt[n] = performance.now();
      await scene.write(n, customer(n % callers));
    });
    const expected = perSecond * forSeconds * each;
    for (let waited = 0; waits.length < expected && waited < 10_000; waited += 50) await sleep(50);
    return expected;
  };
  await load(warmUpSeconds, 0);
  const busyBefore = cpuUs(scene.service.pid);
  const expected = await load(seconds, perSecond * warmUpSeconds);
  const busy = (cpuUs(scene.service.pid) - busyBefore) / (seconds * 10_000);
  const more = rssMb(scene.service.pid) - before;
  console.log(
    `${callers * each} streams: ${waits.length} of ${expected} told, p50 ${percentile(waits, 0.5).toFixed(0)} ms, service ${busy.toFixed(0)} % of a core`,
  );
  goals.push(
    { what: `${callers * each} streams, ${perSecond}/s: not told`, value: expected - waits.length, limit: 0, unit: '' },
    { what: `${callers * each} streams, ${perSecond}/s: p99`, value: percentile(waits, 0.99), limit: 300, unit: 'ms' },
    { what: `${callers * each} streams: memory`, value: more, limit: 60, unit: 'MB' },
  );
  for (const end of ends) end();
  await scene.close();
}
