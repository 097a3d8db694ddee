import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import {
  broadcastOf,
  cancel,
  csvOf,
  expectStatus,
  finished,
  importCsv,
  numberOf,
  onScene,
  parameters,
  type Scene,
} from './budget-scene.ts';
import { cpuUs, pinSelf, rssMb } from './cpu.ts';
import { type Answer, atRate, createCaller, percentile } from './open-load.ts';
import type { Peer } from './peers.ts';
import { type Goal, goalsTable } from './table.ts';
import { forgetPeak, peakMb } from './upload-load.ts';

/**
 * `npm run bench -- budget [--quick]`: what callers get out of Maton's ten calls a second, and what they meet who want more.
 * Against the simulator, which counts strictly; the service on core 0, simulator and load on core 1.
 */
const quick = process.argv.includes('--quick');
const only = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const parts = { bursts, lanes, broadcast, overload, imported };

console.log(`Node ${process.version}, ${pinSelf() ? 'service on core 0, load and simulator on core 1' : 'not pinned'}`);
const goals: Goal[] = [];
const goal = (what: string, value: number, bound: Omit<Goal, 'what' | 'value'>) =>
  goals.push({ what, value, ...bound });
const none = { limit: 0, unit: '' };
const atLeast = (limit: number) => ({ limit, unit: '', atLeast: true as const });
for (const [name, part] of Object.entries(parts)) if (only.length === 0 || only.includes(name)) await part();
console.log(`\n${goalsTable(goals)}`);
process.exit();

/** Single template sends, by a thousand. */
async function bursts() {
  const some = 1_000;
  await onScene('1,000 at once, through a plain proxy', async ({ seen }, peers) => {
    const { gatewayUrl, key } = await seen();
    const proxy = await peers.httpProxy({ url: gatewayUrl });
    const caller = createCaller(proxy.url, key);
    await sleep(1_100);
    const answers: Answer[] = [];
    await atRate(some, 1, async (n) => {
      const receivers = [{ whatsappNumber: numberOf(n), customParams: [] }];
      const body = JSON.stringify({ template_name: 'welcome', broadcast_name: 'bench', receivers });
      // WATI's edge turns away who names no agent, or a library.
      const headers = { 'content-type': 'application/json', 'user-agent': 'bench/1' };
      answers.push(await caller.ask('POST', '/wati/api/v1/sendTemplateMessages', { headers, body }));
    });
    caller.close();
    console.log(`  ${told(answers)}`);
  });

  await onScene('1,000 in a second', async (scene) => {
    const answers = await templates(scene, some, 1);
    const ids = new Set(answers.map(({ body }) => JSON.parse(body).localMessageId));
    const { sent, recipients } = await scene.seen();
    goal('1,000 single sends in a second: accepted', answers.filter(is201).length, atLeast(some));
    goal('  with ids of their own', ids.size, atLeast(some));
    goal('  the slowest', percentile(times(answers), 1), { limit: 3_000, unit: 'ms' });
    goal('  sent too often', sent - recipients, none);
  });

  const seconds = quick ? 10 : 30;
  await onScene(`1,000 a second for ${seconds} s`, async (scene) => {
    const before = cpuUs(scene.service.pid);
    const answers = await templates(scene, some, seconds);
    const busy = (cpuUs(scene.service.pid) - before) / answers.length;
    const { sent, recipients } = await scene.seen();
    const [p50, p99] = [percentile(times(answers), 0.5), percentile(times(answers), 0.99)];
    console.log(`  ${told(answers)}; p50 ${p50.toFixed(0)} ms, CPU ${busy.toFixed(0)} µs a send`);
    goal(`1,000 a second for ${seconds} s: accepted`, answers.filter(is201).length, atLeast(some * seconds));
    goal('  p99', p99, { limit: 3_000, unit: 'ms' });
    goal('  sent too often', sent - recipients, none);
  });
}

/** Who is in a hurry, beside a broadcast to 50,000. */
async function lanes() {
  await onScene('beside a broadcast to 50,000', async (scene) => {
    const { id } = JSON.parse(expectStatus(await importCsv(scene, csvOf(50_000), 'lanes'), 202).body);
    const [urgent, ordinary]: [Answer[], Answer[]] = [[], []];
    for (let n = 0; n < (quick ? 15 : 40); n += 1) {
      urgent.push(expectStatus(await scene.text({ priority: 'u=0' }), 201));
      await sleep(Math.random() * 150);
      ordinary.push(expectStatus(await scene.text(), 201));
      await sleep(Math.random() * 150);
    }
    const { counts, finishedAt } = await broadcastOf(scene, id);
    console.log(`  ${counts.accepted} of ${counts.total} went out meanwhile${finishedAt ? ', which was all' : ''}`);
    const slowest = (answers: Answer[]) => percentile(times(answers), 1);
    const ms = (limit: number) => ({ limit, unit: 'ms' });
    goal(`beside a broadcast: the slowest of ${urgent.length} urgent texts`, slowest(urgent), ms(300));
    goal(`  the slowest of ${ordinary.length} ordinary texts`, slowest(ordinary), ms(1_000));
  });
}

async function broadcast() {
  const many = 10_000;
  const recipients = Array.from({ length: many }, (_, n) => ({ to: numberOf(n), parameters }));
  const body = JSON.stringify({ template: 'order_update', broadcastName: 'bench', recipients });
  const post = ({ caller }: Scene) =>
    caller.ask('POST', '/v1/broadcasts', {
      headers: { 'content-type': 'application/json', 'idempotency-key': 'broadcast' },
      body,
    });
  await onScene('a broadcast to 10,000', async (scene) => {
    const answer = expectStatus(await post(scene), 202);
    const startedAt = performance.now();
    const { counts } = await finished(scene, JSON.parse(answer.body).id);
    goal('a broadcast to 10,000: recorded', answer.ms, { limit: 1_000, unit: 'ms' });
    goal('  sent', performance.now() - startedAt, { limit: 15_000, unit: 'ms' });
    goal('  accepted', counts.accepted, atLeast(many));
    const { sent, recipients } = await scene.seen();
    goal('  sent too often', sent - recipients, none);
  });
  await onScene('a broadcast to 10,000, cancelled', async (scene) => {
    const { id } = JSON.parse(expectStatus(await post(scene), 202).body);
    while ((await broadcastOf(scene, id)).counts.accepted < many / 2) await sleep(20);
    const { counts: then } = await cancel(scene, id);
    const { counts } = await finished(scene, id);
    await sleep(1_000);
    const { sent } = await scene.seen();
    console.log(`  ${then.sending} were on their way; ${counts.accepted} accepted, ${counts.cancelled} cancelled`);
    goal('cancelled half way: went out afterwards', sent - then.accepted - then.sending, none);
    goal('  accepted and cancelled', counts.accepted + counts.cancelled, atLeast(many));
  });
}

/** Three times what ten calls can carry at all. */
async function overload() {
  const [perSecond, seconds, connections] = [3_000, quick ? 10 : 60, 3_000];
  for (const kind of ['template', 'text'] as const) {
    await onScene(`${perSecond} ${kind}s a second for ${seconds} s`, async (scene) => {
      const { service, caller } = scene;
      // Kept by the callers, as pools do: Node takes one new connection each turn of its loop.
      await caller.prepare(connections);
      const idle = rssMb(service.pid);
      forgetPeak(service.pid);
      const health = watchHealth(service);
      const [startedAt, own, its] = [performance.now(), process.cpuUsage(), cpuUs(service.pid)];
      const answers: Answer[] = [];
      await atRate(perSecond, seconds, async (n) => {
        const { status, ms } = kind === 'template' ? await scene.template(numberOf(n)) : await scene.text();
        answers.push({ status, ms, head: '', body: '' });
      });
      const took = performance.now() - startedAt;
      const { user, system } = process.cpuUsage(own);
      const shares = [cpuUs(service.pid) - its, user + system].map((us) => (us / took / 10).toFixed(0));
      const healthMs = await health();
      const peak = peakMb(service.pid);
      const early = answers.filter(({ status }) => status === 429);
      // A 202 is recorded, and goes out later.
      const taken = answers.filter(({ status }) => status === 201 || status === 202);
      for (let n = 0; n < 200 && (await scene.seen()).sent < taken.length; n += 1) await sleep(100);
      console.log(`  ${told(answers)} in ${(took / 1000).toFixed(1)} s, over ${connections} connections`);
      console.log(`  service ${shares[0]} % of its core, load ${shares[1]} %; memory before ${idle.toFixed(0)} MB`);
      const { sent, recipients } = await scene.seen();
      const what = `${perSecond} ${kind}s a second for ${seconds} s`;
      goal(`${what}: p99 of the 429s`, percentile(times(early), 0.99), { limit: 1_000, unit: 'ms' });
      goal('  p99 of health', percentile(healthMs, 0.99), { limit: 100, unit: 'ms' });
      goal('  memory at its peak', peak, { limit: 300, unit: 'MB' });
      goal('  accepted, and not sent', taken.length - sent, none);
      if (kind === 'template') goal('  sent too often', sent - recipients, none);
      goal('  neither accepted nor a 429', answers.length - taken.length - early.length, none);
    });
  }
}

/** Answers how to end it and have its times. */
function watchHealth({ url }: Peer): () => Promise<number[]> {
  const worker = new Worker(new URL('./children/health.ts', import.meta.url), { workerData: url });
  const times = new Promise<number[]>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return () => {
    worker.postMessage('over');
    return times;
  };
}

async function imported() {
  const rows = quick ? 200_000 : 1_000_000;
  const left = await onScene(`an import of ${rows} rows`, async (scene) => {
    const { service, databaseFile } = scene;
    const peakOver = async (run: () => Promise<void>) => {
      const idle = rssMb(service.pid);
      forgetPeak(service.pid);
      await run();
      return peakMb(service.pid) - idle;
    };
    // What the code itself takes is there from here on.
    expectStatus(await importCsv(scene, csvOf(2_000, true), 'warm-up'), 422);
    await sleep(quick ? 1_000 : 3_000);
    const faulty = await peakOver(async () => {
      expectStatus(await importCsv(scene, csvOf(rows, true), 'faulty'), 422);
    });
    const { data } = JSON.parse((await scene.caller.ask('GET', '/v1/broadcasts')).body);
    await finishedSweep(scene);
    let ms = 0;
    const sound = await peakOver(async () => {
      const answer = expectStatus(await importCsv(scene, csvOf(rows), 'sound'), 202);
      ms = answer.ms;
      await cancel(scene, JSON.parse(answer.body).id);
    });
    console.log(`  ${(ms / 1000).toFixed(1)} s for ${rows} rows, ${(rows / (ms / 1000)).toFixed(0)} a second`);
    goal(`import of ${rows} rows: memory over idle`, sound, { limit: 64, unit: 'MB' });
    goal('  the same with the last row at fault', faulty, { limit: 64, unit: 'MB' });
    goal('  broadcasts to be seen after that', data.length, none);
    await service.stop();
    const db = new DatabaseSync(databaseFile, { readOnly: true });
    const found = db.prepare("SELECT COUNT(*) AS n FROM broadcasts WHERE status = 'discarded'").get();
    db.close();
    return Number(found?.n);
  });
  goal('  left behind by it in the store', left, none);
}

/** The rows of a faulty import are deleted in small steps, while no other work waits. */
async function finishedSweep({ service }: Scene): Promise<void> {
  for (;;) {
    const before = cpuUs(service.pid);
    await sleep(3_000);
    if (cpuUs(service.pid) - before < 200_000) return;
  }
}

async function templates(scene: Scene, perSecond: number, seconds: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  await atRate(perSecond, seconds, async (n) => {
    answers.push(await scene.template(numberOf(n)));
  });
  return answers;
}

function is201({ status }: Answer): boolean {
  return status === 201;
}

function times(answers: Answer[]): number[] {
  return answers.map(({ ms }) => ms);
}

function told(answers: Answer[]): string {
  const counts = Map.groupBy(answers, ({ status }) => status);
  return [...counts].map(([status, some]) => `${status}: ${some.length}`).join(', ');
}
