import { parseArgs } from 'node:util';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { type Blows, strike } from './chaos.ts';
import { ask, type Sent, sendOne } from './load.ts';
import { everyMessage, settle, violations } from './oracle.ts';
import { createProcess } from './process.ts';
import { createRandom } from './random.ts';

/**
 * `npm run faults [-- --count 10000 --seed 1]`: random faults on a mixed load of all sending routes, the process killed and
 * the gateway gone in between; then everything settles, and what was promised is held against what the
 * simulated WATI processed. Exit code 1: the promise was broken.
 */
const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
const count = Number(values.count ?? 300);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const atOnce = 32;
const sendsPerBlow = 150;
const looksMax = 300;

const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY, deadlineMs: 500 });
const service = createProcess(simulator);
const random = createRandom(seed);
const blows: Blows = { kills: 0, stops: 0, gatewayStops: 0 };
const sends: Sent[] = [];
try {
  console.log(`${count} sends, seed ${seed}`);
  const startedAt = performance.now();
  await service.start();
  await load();
  await settle(service);
  report('after the load', await everyMessage(service));
  await lookAtUnknown();
  report('after looking at unknown ones', await everyMessage(service));
  console.log(`${Math.round((performance.now() - startedAt) / 1000)} s`);
} finally {
  await service.kill();
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

/** One look proves what it can, and must prove nothing that is not so. */
async function lookAtUnknown(): Promise<void> {
  const unknown = (await everyMessage(service)).filter(({ status }) => status === 'unknown').slice(0, looksMax);
  for (const { id } of unknown) await ask(service, 'POST', `/v1/messages/${id}/reconcile`);
}

function report(when: string, stored: Awaited<ReturnType<typeof everyMessage>>): void {
  const statuses = Object.groupBy(stored, ({ status }) => status);
  const tally = Object.entries(statuses).map(([status, those]) => `${status} ${those?.length}`);
  const { kills, stops, gatewayStops } = blows;
  const unanswered = sends.filter(({ said }) => said === undefined).length;
  console.log(`${when}: ${stored.length} records: ${tally.join(', ')}`);
  console.log(`  ${kills} kills, ${stops} stops, ${gatewayStops} gateway stops, ${unanswered} sends without an answer`);
  const broken = violations(simulator, sends, stored);
  console.log(`  ${broken.length} violations`);
  for (const line of broken.slice(0, 20)) console.log(`  - ${line}`);
  if (broken.length > 0) process.exitCode = 1;
}
