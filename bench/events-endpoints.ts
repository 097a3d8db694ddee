import { setTimeout as sleep } from 'node:timers/promises';
import { cpuUs } from './cpu.ts';
import { call, customer, openReceiver, openScene, type Peers, type Scene, type Told } from './events-scene.ts';
import { atRate, percentile } from './open-load.ts';
import type { Peer } from './peers.ts';
import type { Goal } from './table.ts';

const one = { name: 'bench', key: 'bench-key-0123456789abcdef', inbound: 'all' } as const;
const types = ['message.received'];

/** As many as they come, over 32 connections: first everything is recorded, then somebody wants it. */
async function record(scene: Scene, events: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (next < events) await scene.write(next++);
    }),
  );
  const recorded = async () => {
    const { body } = await scene.caller.ask('GET', '/metrics');
    return Number(/^wati_bff_events_total\{type="message.received"\} (\d+)$/m.exec(body)?.[1] ?? 0);
  };
  while ((await recorded()) < events) await sleep(50);
}

const endpoint = async (scene: Scene, url: string, from: 'earliest' | 'latest'): Promise<string> =>
  (await call(scene.caller, 'POST /v1/webhook-endpoints', { url, types, from })).id;

/** Those that are there go to one endpoint that takes 20 ms for each. */
export async function dispatch(peers: Peers, upstream: Peer, { events }: { events: number }): Promise<Goal[]> {
  let got = 0;
  const receiver = await openReceiver(20, () => {
    got += 1;
  });
  const settings = { WEBHOOK_ALLOWED_HOSTS: `http://${receiver.host}` };
  const scene = await openScene(peers, upstream, { store: 'file:', callers: [one], settings });
  await record(scene, events);
  const [startedAt, busyBefore] = [performance.now(), cpuUs(scene.service.pid)];
  await endpoint(scene, receiver.url, 'earliest');
  while (got < events) await sleep(10);
  const seconds = (performance.now() - startedAt) / 1_000;
  const busyUs = cpuUs(scene.service.pid) - busyBefore;
  console.log(
    `dispatch: ${events} posted, CPU ${(busyUs / events).toFixed(0)} µs each, ${(busyUs / seconds / 10_000).toFixed(0)} % of a core`,
  );
  await receiver.close();
  await scene.close();
  return [{ what: 'posted to one endpoint of 20 ms', value: events / seconds, limit: 300, atLeast: true, unit: '/s' }];
}

/** All that was delivered once goes out again, while customers go on writing. */
export async function replay(peers: Peers, upstream: Peer, { events }: { events: number }): Promise<Goal[]> {
  const times = new Map<string, number>();
  const waits: number[] = [];
  const startedAt: number[] = [];
  const receiver = await openReceiver(0, ({ n, eventId }: Told) => {
    times.set(eventId, (times.get(eventId) ?? 0) + 1);
    const at = startedAt[n];
    if (at !== undefined && times.get(eventId) === 1) waits.push(performance.now() - at);
  });
  const settings = { WEBHOOK_ALLOWED_HOSTS: `http://${receiver.host}` };
  const scene = await openScene(peers, upstream, { store: 'file:', callers: [one], settings });
  await record(scene, events);
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const id = await endpoint(scene, receiver.url, 'earliest');
  while (times.size < events) await sleep(50);
  const first = new Set(times.keys());
  const begun = performance.now();
  await call(scene.caller, `POST /v1/webhook-endpoints/${id}/replay`, { since });
  const again = () => [...first].filter((each) => (times.get(each) ?? 0) > 1).length;
  let done = false;
  const live = async () => {
    for (let n = events; !done; n += 1) {
      startedAt[n] = performance.now();
      await scene.write(n, customer(n % 1_000));
      await sleep(100);
    }
  };
  const writing = live();
  while (again() < events) await sleep(500);
  const seconds = (performance.now() - begun) / 1_000;
  done = true;
  await writing;
  await sleep(2_000);
  const ids = [...first].filter((each) => times.get(each) === 2).length;
  console.log(`replay: ${events} in ${seconds.toFixed(1)} s`);
  await receiver.close();
  await scene.close();
  return [
    // 100,000 in ten minutes.
    { what: `replay of ${events}`, value: events / seconds, limit: 167, atLeast: true, unit: '/s' },
    { what: 'replay: not once more with the same id', value: events - ids, limit: 0, unit: '' },
    { what: 'replay: live events meanwhile, slowest', value: Math.max(...waits), limit: 5_000, unit: 'ms' },
  ];
}

/** A hundred events a second; one receiver is away for some of it, another one is not. */
export async function away(peers: Peers, upstream: Peer, { seconds }: { seconds: number }): Promise<Goal[]> {
  const startedAt: number[] = [];
  const [alone, beside]: number[][] = [[], []];
  let isAway = false;
  let firstAt = 0;
  const missed = new Set<number>();
  const gone = await openReceiver(0, ({ n }) => {
    if (firstAt === 0 && !isAway) firstAt = performance.now();
    missed.delete(n);
  });
  const there = await openReceiver(0, ({ n }) => {
    (isAway ? beside : alone)?.push(performance.now() - (startedAt[n] ?? 0));
  });
  const settings = { WEBHOOK_ALLOWED_HOSTS: `http://${gone.host},http://${there.host}` };
  const scene = await openScene(peers, upstream, { store: 'file:', callers: [one], settings });
  const id = await endpoint(scene, gone.url, 'latest');
  await endpoint(scene, there.url, 'latest');
  let next = 0;
  const load = (forSeconds: number) =>
    atRate(100, forSeconds, async () => {
      const n = next++;
      startedAt[n] = performance.now();
      missed.add(n);
      await scene.write(n);
    });
  await load(seconds / 2);
  while (missed.size > 0) await sleep(20);
  isAway = true;
  firstAt = 0;
  await gone.leave();
  await load(seconds);
  await sleep(500);
  const { parked, failed } = await call(scene.caller, `GET /v1/webhook-endpoints/${id}`);
  isAway = false;
  const waiting = missed.size;
  await gone.comeBack();
  const backAt = performance.now();
  while (missed.size > 0) await sleep(20);
  const perSecond = (waiting / (performance.now() - firstAt)) * 1_000;
  console.log(
    `away: ${waiting} waited for a receiver that was gone for ${seconds} s; first try ${((firstAt - backAt) / 1_000).toFixed(1)} s after its return, ${perSecond.toFixed(0)} a second from then on`,
  );
  await Promise.all([gone.close(), there.close()]);
  await scene.close();
  return [
    { what: 'away: events set aside for it', value: parked + failed, limit: 5, unit: '' },
    { what: 'away: delivered after its return', value: perSecond, limit: 240, atLeast: true, unit: '/s' },
    {
      what: 'away: another endpoint, p99 later by',
      value: percentile(beside ?? [], 0.99) - percentile(alone ?? [], 0.99),
      limit: 20,
      unit: 'ms',
    },
  ];
}
