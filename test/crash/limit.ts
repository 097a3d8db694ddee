import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { densest } from '../rate-limit/fake-time.ts';
import { judge } from './oracle.ts';
import { type Caller, load } from './sends.ts';

/** `LOAD_SECONDS=60` is the full time. The name is not SECONDS, because bash uses that as a clock. */
export const loadSeconds = Number(process.env.LOAD_SECONDS ?? 12);
/** Minimum share of the limit. A start or a kill weighs more in a short run: two of twelve seconds on a slow machine. */
export const leastUsed = loadSeconds >= 60 ? 0.85 : 0.7;
/** Maton's limit, without the narrower limits of WATI. */
export const limited = { MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none', SEND_WAIT_MS: '10000' };

const perSecond = 10;
const callers = 64;

/** Runs 64 callers, each with one send after another, until the time is over. Returns the calls that the simulator saw. */
export async function crowd(simulator: Simulator, caller: Caller, urlOf: (at: number) => string) {
  const from = Date.now();
  const until = from + loadSeconds * 1000;
  let at = 0;
  await load(
    callers,
    () => Date.now() < until,
    async () => {
      at += 1;
      const { status } = await caller.say(urlOf(at), caller.wish());
      // Pauses after a refusal or a kill.
      if (status === undefined || status === 429) await sleep(100);
    },
  );
  const times = simulator.ledger.entries.map(({ at }) => at);
  return { used: times.filter((time) => time >= from && time < until).length / loadSeconds / perSecond };
}

/** Checks that no second had more than ten calls, that there was no 429, and that every send has a correct outcome. */
export async function assertKept(simulator: Simulator, caller: Caller, url: string) {
  await caller.settle(url, 60_000);
  const { entries } = simulator.ledger;
  const seen = {
    densest: densest(
      entries.map(({ at }) => at),
      1_000,
    ),
    refused: entries.filter(({ status }) => status === 429).length,
  };
  const { faults, counts } = judge(caller.wishes, await caller.records(url), simulator);
  expect(faults).toEqual([]);
  expect(simulator.violations).toEqual([]);
  expect(seen).toEqual({ densest: expect.toSatisfy((most) => most <= perSecond), refused: 0 });
  return { ...seen, ...counts };
}
