import { createServer } from 'node:http';
import { argv } from 'node:process';
import { startSimulator } from '../../src/simulator/simulator.ts';

/** What the simulator has seen since it started. */
export interface Seen {
  gatewayUrl: string;
  controlUrl: string;
  key: string;
  calls: number;
  /** 429s that it answered. */
  refused: number;
  /** The most calls in any 1,000 ms. */
  densest: number;
  /** Messages that went out, to how many different numbers, and the most to one of them. */
  sent: number;
  recipients: number;
  mostToOne: number;
  /** When the last call came that put messages before people (ms since 1970), and the most receivers of one. */
  lastSendAt: number;
  largest: number;
  violations: number;
}

/**
 * Maton with its strict ten calls in any 1,000 ms, and WATI with the limits of a plan behind it. On the port of the first argument:
 * what it has seen; the second is the plan.
 */
const spanMs = 1_000;
const plan = argv[3] === 'business' ? 'business' : 'none';
const now = () => performance.timeOrigin + performance.now();
const simulator = await startSimulator({ perSecond: 10, plan, now });

function seen(): Seen {
  const { entries } = simulator.ledger;
  const times = entries.map(({ at }) => at);
  const counts = new Map<string, number>();
  let [lastSendAt, largest] = [0, 0];
  for (const { at, operation, processed, recipients } of entries) {
    if (!processed || !operation.startsWith('send')) continue;
    lastSendAt = at;
    largest = Math.max(largest, recipients.length);
    for (const to of recipients) counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  let [from, densest, sent, mostToOne] = [0, 0, 0, 0];
  for (const [index, time] of times.entries()) {
    while ((times[from] ?? time) <= time - spanMs) from += 1;
    densest = Math.max(densest, index - from + 1);
  }
  for (const count of counts.values()) {
    sent += count;
    mostToOne = Math.max(mostToOne, count);
  }
  const { gatewayUrl, controlUrl, key } = simulator;
  return {
    gatewayUrl,
    controlUrl,
    key,
    calls: entries.length,
    refused: entries.filter(({ status }) => status === 429).length,
    densest,
    sent,
    recipients: counts.size,
    mostToOne,
    lastSendAt,
    largest,
    violations: simulator.violations.length,
  };
}

createServer((request, response) => {
  request.resume();
  response.setHeader('content-type', 'application/json').end(JSON.stringify(seen()));
}).listen(Number(argv[2]), '127.0.0.1');
