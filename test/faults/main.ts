import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { doubles } from '../crash/event-oracle.ts';
import { anEventReceiver, createEndpoint } from '../crash/event-receiver.ts';
import { type Blows, strike } from './chaos.ts';
import { eventViolations, everyEvent } from './events.ts';
import { ask, type Sent, sendOne } from './load.ts';
import { everyMessage, settle, violations } from './oracle.ts';
import { callerKey, createProcess } from './process.ts';
import { createRandom } from './random.ts';
import { everyWebhook, webhookViolations } from './webhooks.ts';

/**
 * `npm run faults [-- --count 10000 --seed 1 --store postgres://...]`: random faults on a mixed load of all sending routes, the process killed and
 * the gateway gone in between; then everything settles, and what was promised is held against what the
 * simulated WATI processed. Exit code 1: the promise was broken.
 */
const { values } = parseArgs({
  options: { count: { type: 'string' }, seed: { type: 'string' }, store: { type: 'string' } },
});
const count = Number(values.count ?? 300);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const atOnce = 32;
const sendsPerBlow = 150;
const looksMax = 300;
/** Of so many that were accepted, webhooks are not all lost. */
const acceptedMin = 10;

const simulator = await startSimulator({
  perSecond: Number.POSITIVE_INFINITY,
  lateMs: 500,
  webhooks: {
    twins: true,
    duplicates: 1,
    disorderMs: 1_000,
    lossRatio: 0.1,
    retrySeconds: 1,
    seed: String(seed),
    keptMax: 1_000_000,
    // A service that is killed all the time would be off most of it.
    failuresMax: Number.POSITIVE_INFINITY,
  },
});
// Draws of its own: the load's are to be the same whatever comes when.
const refusals = createRandom(seed);
const receiver = await anEventReceiver(() => refusals.chance(0.02));
const service = await createProcess(simulator, receiver, values.store);
const random = createRandom(seed);
const blows: Blows = { kills: 0, stops: 0, gatewayStops: 0 };
const sends: Sent[] = [];
try {
  console.log(`${count} sends, seed ${seed}`);
  const startedAt = performance.now();
  await service.start();
  await createEndpoint(await service.url(), receiver, callerKey);
  await load();
  await settle(service);
  await everyWebhook(simulator);
  await applied();
  await report('after the load');
  await lookAtUnknown();
  await report('after looking at unknown ones');
  console.log(`${Math.round((performance.now() - startedAt) / 1000)} s`);
} finally {
  await service.kill();
  await receiver.goAway();
  await simulator.close();
  service.remove();
}

async function load(): Promise<void> {
  let next = 0;
  let striking: Promise<void> | undefined;
  const worker = async () => {
    while (next < count) {
      next += 1;
      const at = next;
      if (at % sendsPerBlow === sendsPerBlow - 1 && !striking) {
        striking = strike(simulator, service, random, blows).finally(() => {
          striking = undefined;
        });
      }
      sends.push(await sendOne(simulator, service, at, random));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await striking;
}

/** What was recorded is applied within moments; what names an unknown message is tried again for ten minutes. */
async function applied(): Promise<void> {
  for (const until = performance.now() + 20_000; performance.now() < until; await sleep(500)) {
    if (webhookViolations(simulator, await everyMessage(service)).length === 0) return;
  }
}

/** One look proves what it can, and must prove nothing that is not so. */
async function lookAtUnknown(): Promise<void> {
  const unknown = (await everyMessage(service)).filter(({ status }) => status === 'unknown').slice(0, looksMax);
  for (const { id } of unknown) await ask(service, 'POST', `/v1/messages/${id}/reconcile`);
}

async function report(when: string): Promise<void> {
  const feed = await everyEvent(service, receiver);
  const stored = await everyMessage(service);
  const statuses = Object.groupBy(stored, ({ status }) => status);
  const tally = Object.entries(statuses).map(([status, those]) => `${status} ${those?.length}`);
  const { kills, stops, gatewayStops } = blows;
  const unanswered = sends.filter(({ said }) => said === undefined).length;
  console.log(`${when}: ${stored.length} records: ${tally.join(', ')}`);
  console.log(`  ${kills} kills, ${stops} stops, ${gatewayStops} gateway stops, ${unanswered} sends without an answer`);
  const broken = [
    ...violations(simulator, sends, stored),
    ...webhookViolations(simulator, stored),
    ...eventViolations({ stored, feed, receiver, kills }),
  ];
  const states = Object.entries(Object.groupBy(simulator.webhooks.posts, ({ state }) => state));
  const told = stored.filter(({ delivery }) => delivery !== undefined).length;
  // Where none is posted, none can be wrong.
  if (told === 0 && (statuses.accepted?.length ?? 0) >= acceptedMin) broken.push('no webhook told of any message');
  console.log(
    `  ${told} with a delivery; webhooks: ${states.map(([state, those]) => `${those?.length} ${state}`).join(', ')}`,
  );
  console.log(
    `  ${feed.length} events, ${doubles(receiver.seen)} received again, ${receiver.refused.size} refused at first`,
  );
  console.log(`  ${broken.length} violations`);
  for (const line of broken.slice(0, 20)) console.log(`  - ${line}`);
  if (broken.length > 0) process.exitCode = 1;
}
