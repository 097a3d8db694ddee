import { setTimeout as sleep } from 'node:timers/promises';
import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { ServiceProcess } from './process.ts';
import type { Random } from './random.ts';

const html = '<!DOCTYPE html><html><body>Bad gateway</body></html>';

/**
 * Everything that an upstream can do without lying: a success for what was not done, or a refusal of what was done, would
 * make every service wrong.
 */
const faults: readonly [Scripted, ...Scripted[]] = [
  { fault: 'refuse' },
  { fault: 'reset-before' },
  { fault: 'reset-after' },
  { fault: 'close-after' },
  { fault: 'hang' },
  { fault: 'hang-processed' },
  { fault: 'late' },
  { fault: 'truncate' },
  { fault: 'drip' },
  { fault: 'reset-mid-body' },
  { fault: 'early', status: 413 },
  { fault: 'early', status: 422 },
  { fault: 'early', status: 503 },
  { delayMs: 200 },
  { status: 429, headers: { 'retry-after': '0' } },
  { status: 429, headers: { 'retry-after': '1' } },
  { status: 429 },
  { status: 421 },
  { status: 425 },
  { status: 400, body: { message: 'no' } },
  { status: 404 },
  { status: 422, body: { message: 'no' } },
  { status: 422, body: { message: 'no' }, fault: 'truncate' },
  { status: 408 },
  { status: 500, body: html },
  { status: 500, body: html, process: true },
  { status: 502, body: html },
  { status: 503, process: true },
  { status: 504 },
  { status: 302, headers: { location: 'https://evil.example/' } },
  { status: 303, headers: { location: 'https://evil.example/' }, process: true },
  { status: 307, headers: { location: 'https://evil.example/' } },
  { status: 200, body: html },
  { status: 200, body: html, process: false },
  { status: 200, body: '{"result":true,"mess' },
  { status: 200, body: {} },
  { status: 200, body: '' },
  { status: 200, body: { ok: true, result: false } },
  { status: 200, body: { result: false, message: 'no' }, process: false },
  { status: 200, body: { result: true, validWhatsAppNumber: false }, process: false },
];

/** The next request of this operation meets a fault, whosever it is. */
export function scriptOne(simulator: Simulator, operation: Operation, random: Random): void {
  simulator.script(operation, random.pick(faults));
}

export interface Blows {
  kills: number;
  stops: number;
  gatewayStops: number;
}

/** One blow: the process is killed, ends in peace, or the gateway is gone for a while. */
export async function strike(simulator: Simulator, service: ServiceProcess, random: Random, blows: Blows) {
  const what = random.pick(['kill', 'kill', 'gateway', 'gateway', 'stop']);
  if (what === 'gateway') {
    blows.gatewayStops += 1;
    await simulator.stopGateway();
    await sleep(random.between(50, 800));
    await simulator.startGateway();
    return;
  }
  blows[what === 'kill' ? 'kills' : 'stops'] += 1;
  await (what === 'kill' ? service.kill() : service.stop());
  await service.start();
}
