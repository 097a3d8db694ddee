import { afterEach, expect, it } from 'vitest';
import { atRate, percentile } from '../../bench/open-load.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { memory } from './podman.ts';
import {
  type Attacked,
  attackerKey,
  attackMs,
  callerOf,
  inLanes,
  otherKey,
  p99Max,
  serveAttacked,
  textTo,
} from './serving.ts';

const name = 'queued';
let simulator: Simulator;
let service: Attacked;
afterEach(async () => {
  await service.remove();
  await simulator.close();
});

/** The ways in which Maton says no to all that is sent: the key at both hosts, or WATI behind it. */
const refusals: [string, (simulator: Simulator, refuses: boolean) => void][] = [
  ['the key', ({ tenant }, refuses) => Object.assign(tenant.settings, { matonKey: refuses ? 'revoked' : 'ok' })],
  [
    'the token behind it',
    ({ tenant }, refuses) => Object.assign(tenant.settings, { watiToken: refuses ? 'revoked' : 'ok' }),
  ],
];

it.each(refusals)(
  'lives in 256 MB while one caller queues what it can over 60 connections and made-up ones, and Maton refuses %s',
  { timeout: 150_000 },
  async (_name, set) => {
    simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
    const listed = Array.from({ length: 60 }, (_, at) => simulator.tenant.addConnection({ id: `brand-${at}` }).id);
    service = await serveAttacked(name, { ...simulator, connection: seededConnection });
    const attacker = callerOf(service.url, attackerKey);
    const other = callerOf(service.url, otherKey);
    // Customers that have written may be answered with a text.
    const customers = (area: string, count: number) =>
      Array.from({ length: count }, (_, at) => {
        const to = `${area}${String(at).padStart(6, '0')}5`;
        simulator.tenant.receive(to, 'Hello', Date.now());
        return to;
      });
    const others = customers('1415', attackMs / 200 + 10);
    expect((await other.ask('POST', '/v1/messages/text', textTo(others.at(-1) ?? ''))).status).toBe(201);
    set(simulator, true);

    const statuses = new Map<number, number>();
    const accepted: string[] = [];
    const told: [string, number][] = [];
    const waits: number[] = [];
    let asked = 0;
    const attack = inLanes(40, performance.now() + attackMs, async () => {
      const at = asked++;
      const to = `1212${String(at).padStart(6, '0')}5`;
      simulator.tenant.receive(to, 'Hello', Date.now());
      const connection = at % 3 === 2 ? `evil-${at}` : (listed[at % listed.length] ?? '');
      const headers = { 'maton-connection': connection, prefer: 'respond-async' };
      const { status } = await attacker.ask('POST', '/v1/messages/text', textTo(to, headers));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 202) accepted.push(to);
    });
    await atRate(5, attackMs / 1_000, async (at) => {
      const to = others[at] ?? '';
      const reading = await other.ask('GET', '/v1/messages?limit=10');
      const { status, ms } = await other.ask('POST', '/v1/messages/text', textTo(to, { prefer: 'respond-async' }));
      told.push([to, status]);
      expect(reading.status).toBe(200);
      waits.push(reading.ms, ms);
    });
    await attack;
    const { most } = await memory(name);
    const p99 = percentile(waits, 0.99);
    const upMs = await service.restart();
    const again = await memory(name);

    set(simulator, false);
    const mended = performance.now();
    /** How often each customer got something. */
    const gone = () => {
      const times = new Map<string, number>();
      for (const { processed, recipients } of simulator.ledger.entries) {
        if (processed) for (const to of recipients) times.set(to, (times.get(to) ?? 0) + 1);
      }
      return times;
    };
    const unsent = (list: readonly string[]) => {
      const times = gone();
      return list.filter((to) => !times.has(to)).length;
    };
    const late: number[] = [];
    const sent = async () => {
      const to = others.at(-2) ?? '';
      late.push((await other.ask('POST', '/v1/messages/text', textTo(to))).status);
    };
    const queued = told.map(([to]) => to);
    await expect.poll(() => sent().then(() => unsent(queued)), { timeout: 60_000, interval: 500 }).toBe(0);
    const othersMs = performance.now() - mended;
    await expect.poll(() => unsent(accepted), { timeout: 60_000, interval: 500 }).toBe(0);
    const allMs = performance.now() - mended;
    console.log(
      `a queue over ${listed.length} connections: ${[...statuses].map((pair) => pair.join(' × ')).join(', ')}; ${most} MB at most, ` +
        `other p99 ${Math.round(p99)} ms of ${waits.length}; again up after ${upMs} ms with ${again.most} MB; ` +
        `once mended, the other's gone in ${Math.round(othersMs)} ms, all ${accepted.length} in ${Math.round(allMs)} ms`,
    );
    attacker.close();
    other.close();
    expect(upMs).toBeLessThan(10_000);
    expect(most).toBeLessThan(256);
    expect(p99).toBeLessThan(p99Max);
    expect(told.filter(([, status]) => status !== 202)).toEqual([]);
    expect(late.filter((status) => status === 429 || status === 0)).toEqual([]);
    const times = gone();
    expect([...accepted, ...queued].filter((to) => times.get(to) !== 1)).toEqual([]);
    expect(simulator.violations).toEqual([]);
  },
);
