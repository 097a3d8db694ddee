import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { rssMb } from '../../bench/cpu.ts';
import { atRate, createCaller, percentile } from '../../bench/open-load.ts';
import { callerEntry } from '../../src/callers.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import type { Attack, Told } from './every-trick.ts';
import { aPlace, callerKey } from './service.ts';

const attackerKey = 'key-of-one-with-every-trick';
/** All scopes except those of operators. */
const scopes = [
  ...['contacts:read', 'conversations:read', 'templates:read', 'media:read'],
  ...['messages:read', 'messages:send', 'broadcasts:send'],
];
/** `ATTACK_SECONDS=60 .ci/slow every-trick`, on a machine that does nothing else. Otherwise shorter, and with slack. */
const given = process.env.ATTACK_SECONDS;
const seconds = Number(given ?? 30);
const p99Max = given === undefined ? 5_000 : 1_000;

test('one caller with every trick at once does not hold another up that sends one text a second', async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY, plan: 'none' });
  // An import meets every number: none of them stands for a fault of the upstream.
  simulator.tenant.settings.magic = false;
  const place = aPlace(simulator, undefined, [callerEntry('attacker', attackerKey, { scopes })]);
  // Ten calls a second is Maton's limit, which the attacker's calls share.
  const service = await place.start({ settings: { MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'growth' } });
  const other = createCaller(service.url, callerKey);
  try {
    const data: Attack = { url: service.url, key: attackerKey, ms: seconds * 1_000 };
    const worker = new Worker(new URL('./every-trick.ts', import.meta.url), { workerData: data });
    const attack = once(worker, 'message').then(([told]): Told => told);

    const waits: number[] = [];
    const answers: { to: string; status: number; body: string }[] = [];
    await atRate(1, seconds, async (at) => {
      const to = `1415${String(at).padStart(6, '0')}5`;
      simulator.tenant.receive(to, 'Hello', Date.now());
      const headers = { 'content-type': 'application/json' };
      const text = JSON.stringify({ to, text: 'Your parcel is on its way.' });
      const { status, ms, body } = await other.ask('POST', '/v1/messages/text', { headers, body: text });
      answers.push({ to, status, body });
      waits.push(ms);
    });
    const told = await attack;
    const memoryMb = rssMb(service.pid());
    const p99 = percentile(waits, 0.99);
    console.log(
      `every trick for ${seconds} s: ${Object.entries(told)
        .map(([name, statuses]) => `${name} ${JSON.stringify(statuses)}`)
        .join(', ')}; ` +
        `${waits.length} of another, p50 ${percentile(waits, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; ${memoryMb.toFixed(0)} MB at the end`,
    );
    expect(service.alive).toBe(true);
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    for (const { to } of answers) {
      expect(simulator.ledger.sendsTo(to).filter(({ processed }) => processed)).toHaveLength(1);
    }
    expect(p99).toBeLessThan(p99Max);
    // Each trick was tried, and none caused a fault of the service.
    for (const [name, statuses] of Object.entries(told)) {
      expect(Object.keys(statuses).length, name).toBeGreaterThan(0);
      expect(statuses[500], name).toBeUndefined();
    }
  } finally {
    other.close();
    await place.close();
    await simulator.close();
  }
});
