import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { atRate, percentile } from '../../bench/open-load.ts';
import { contactToWire, newContact } from '../../src/simulator/contacts.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { type HoldingGateway, startHolding } from './held-answers.ts';
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

const name = 'held';
let simulator: Simulator;
let gateway: HoldingGateway;
let service: Attacked;
afterEach(async () => {
  await service.remove();
  gateway.close();
  await simulator.close();
});

/** A page of a hundred with 27 KB each. */
function pageOf({ ids }: Simulator): Buffer {
  const attributes = Object.fromEntries(Array.from({ length: 270 }, (_, at) => [`field_${at}`, 'x'.repeat(64)]));
  const contact = contactToWire(newContact('14155551000', { attributes }, { now: Date.now(), ids }));
  const link = { prevPage: null, nextPage: null, pageNumber: 1, pageSize: 100, total: 100 };
  return Buffer.from(JSON.stringify({ result: 'success', contact_list: Array(100).fill(contact), link }));
}

/** Reads that are answered by pages, none twice. */
const reads: [name: string, path: (at: number) => string][] = [
  ['contacts', (at) => `/v1/contacts?page=${at + 1}&pageSize=100`],
  ['contacts, messages and templates by turns', (at) => paths[at % paths.length]?.(at) ?? ''],
];
const paths: ((at: number) => string)[] = [
  (at) => `/v1/contacts?page=${at + 1}&pageSize=100`,
  (at) => `/v1/conversations/1415555${String(at % 10_000).padStart(4, '0')}/messages?pageSize=100`,
  () => '/v1/templates',
];

it.each(reads)(
  'lives in 256 MB while the upstream holds back the ends of a hundred answers of megabytes: %s',
  { timeout: 150_000 },
  async (_name, path) => {
    simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
    const body = pageOf(simulator);
    gateway = await startHolding(simulator, [{ path: /getContacts|getMessages\/|getMessageTemplates/, body }]);
    service = await serveAttacked(name, { ...simulator, gatewayUrl: gateway.url, connection: seededConnection });
    const attacker = callerOf(service.url, attackerKey);
    const other = callerOf(service.url, otherKey);

    const statuses = new Map<number, number>();
    let asked = 0;
    const end = performance.now() + attackMs;
    let most = 0;
    const holding = (async () => {
      while (performance.now() < end + 2_000) {
        await sleep(2_000);
        most = Math.max(most, gateway.held);
        gateway.release();
      }
    })();
    const attack = inLanes(100, end, async () => {
      const { status } = await attacker.ask('GET', path(asked++));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      // Those that are refused at once come again, but not so often that only that is measured.
      if (status !== 200) await sleep(500);
    });
    const told: [string, number][] = [];
    const waits: number[] = [];
    await atRate(5, attackMs / 1_000, async (at) => {
      const to = `1415${String(at).padStart(6, '0')}5`;
      simulator.tenant.receive(to, 'Hello', Date.now());
      const { status, ms } = await other.ask('POST', '/v1/messages/text', textTo(to));
      told.push([to, status]);
      waits.push(ms);
    });
    await Promise.all([attack, holding]);
    const used = await memory(name);
    const p99 = percentile(waits, 0.99);
    console.log(
      `answers of ${(body.length / 1e6).toFixed(1)} MB, ${most} held at most: ${[...statuses].map((pair) => pair.join(' × ')).join(', ')}; ` +
        `${used.most} MB at most, other p99 ${Math.round(p99)} ms of ${waits.length}`,
    );
    attacker.close();
    other.close();
    // Several at once; how many depends on the share of one caller.
    expect(most).toBeGreaterThan(1);
    expect(used.most).toBeLessThan(256);
    expect(p99).toBeLessThan(p99Max);
    expect(told.filter(([, status]) => status !== 201)).toEqual([]);
    for (const [to] of told) {
      expect(simulator.ledger.sendsTo(to).filter(({ processed }) => processed)).toHaveLength(1);
    }
    expect(simulator.violations).toEqual([]);
  },
);
