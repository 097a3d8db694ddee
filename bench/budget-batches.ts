import { setTimeout as sleep } from 'node:timers/promises';
import {
  atLeast,
  csvOf,
  expectStatus,
  finished,
  importCsv,
  none,
  numberOf,
  onScene,
  type Scene,
  type SetGoal,
  times,
  told,
} from './budget-scene.ts';
import { cpuUs } from './cpu.ts';
import { type Answer, atRate, createCaller, percentile } from './open-load.ts';

interface Part {
  goal: SetGoal;
  quick: boolean;
}

const some = 1_000;

/** Single template sends, by a thousand and more. */
export async function bursts({ goal, quick }: Part) {
  await proxied();
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
  await steady({ perSecond: some, seconds, p99Ms: 2_000, busy: 2 }, goal);
  await steady({ perSecond: 2_500, seconds, p99Ms: 3_000 }, goal);
}

const proxied = () =>
  onScene('1,000 at once, through a plain proxy', async ({ seen }, peers) => {
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

interface Load {
  perSecond: number;
  seconds: number;
  p99Ms: number;
  /** Other processes that want all of a core: two make a load average of about four. */
  busy?: number;
}

async function steady({ perSecond, seconds, p99Ms, busy = 0 }: Load, goal: SetGoal) {
  const what = `${perSecond} templates a second for ${seconds} s${busy ? ', beside other work' : ''}`;
  await onScene(what, async (scene, peers) => {
    for (let n = 0; n < busy; n += 1) await peers.busy(n % 2 === 0 ? 0 : 1);
    const before = cpuUs(scene.service.pid);
    const answers = await templates(scene, perSecond, seconds);
    const us = (cpuUs(scene.service.pid) - before) / answers.length;
    const { sent, recipients, largest } = await scene.seen();
    const [p50, p99] = [percentile(times(answers), 0.5), percentile(times(answers), 0.99)];
    const calls = `${largest} in the largest call`;
    console.log(`  ${told(answers)}; p50 ${p50.toFixed(0)} ms, CPU ${us.toFixed(0)} µs a send, ${calls}`);
    goal(`${what}: accepted`, answers.filter(is201).length, atLeast(perSecond * seconds));
    goal('  p99', p99, { limit: p99Ms, unit: 'ms' });
    goal('  sent too often', sent - recipients, none);
  });
}

/** A broadcast on WATI's business plan. */
export async function campaign({ goal }: Pick<Part, 'goal'>) {
  const many = 100_000;
  const plan = 'business';
  await onScene(
    `a broadcast to ${many}, plan ${plan}`,
    async (scene) => {
      const { id } = JSON.parse(expectStatus(await importCsv(scene, csvOf(many), 'campaign'), 202).body);
      const releasedAt = Date.now();
      const before = cpuUs(scene.service.pid);
      const { counts } = await finished(scene, id);
      const { sent, recipients, lastSendAt, largest } = await scene.seen();
      const us = (cpuUs(scene.service.pid) - before) / many;
      console.log(`  ${largest} in the largest call, CPU ${us.toFixed(0)} µs a recipient`);
      goal(`a broadcast to ${many}: from release to the last call`, lastSendAt - releasedAt, {
        limit: 20_000,
        unit: 'ms',
      });
      goal('  accepted', counts.accepted, atLeast(many));
      goal('  sent too often', sent - recipients, none);
    },
    plan,
  );
}

async function templates(scene: Scene, perSecond: number, seconds: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  await atRate(perSecond, seconds, async (n) => {
    answers.push(await scene.template(numberOf(n)));
  });
  return answers;
}

const is201 = ({ status }: Answer): boolean => status === 201;
