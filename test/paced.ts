import { setTimeout as sleep } from 'node:timers/promises';
import { createBudget } from '../src/budget/budget.ts';
import type { Budget } from '../src/budget/words.ts';
import { FakeTime } from './budget/fake-time.ts';
import { type Service, startService } from './helper.ts';

/** Before all that performance.now() says: a deadline is never near, and a turn never old. */
const longAgo = -1_000_000_000;

/** A service whose turns come by a clock that stands still unless the test moves it. */
export interface Paced {
  service: Service;
  budget: Budget;
  /** In order: when a call had its turn, and when a 429 was heard of. */
  events: readonly { what: 'turn' | 'refusal'; at: number }[];
  /** Lets time run on by so much, no faster than the service follows. */
  run(ms: number): Promise<void>;
  /** Lets time run on until that is over. */
  during<Value>(work: Promise<Value>): Promise<Value>;
}

const stepMs = 10;

export async function startPaced(
  perSecond: number,
  options: NonNullable<Parameters<typeof startService>[0]> = {},
): Promise<Paced> {
  const time = new FakeTime(() => 0, longAgo);
  const real = createBudget({ perSecond, plan: 'none', clock: time.clock, setTimer: time.setTimer });
  const events: { what: 'turn' | 'refusal'; at: number }[] = [];
  const budget: Budget = {
    take: async (ask) => {
      await real.take(ask);
      events.push({ what: 'turn', at: time.now });
    },
    isGood: (turnCameMs) => real.isGood(turnCameMs),
    expectedWaitMs: (ask) => real.expectedWaitMs(ask),
    refused: (group, retryAfterMs) => {
      events.push({ what: 'refusal', at: time.now });
      real.refused(group, retryAfterMs);
    },
    stats: () => real.stats(),
    close: () => real.close(),
  };
  const service = await startService({ ...options, seams: { ...options.seams, budget } });
  const step = async () => {
    await time.run(stepMs);
    await sleep(1);
  };
  return {
    service,
    budget,
    events,
    run: async (ms) => {
      for (let run = 0; run < ms; run += stepMs) await step();
    },
    during: async (work) => {
      let isOver = false;
      const end = () => {
        isOver = true;
      };
      work.then(end, end);
      while (!isOver) await step();
      return work;
    },
  };
}

/** After each 429, how long no call had its turn, ms. */
export function silences({ events }: Pick<Paced, 'events'>): number[] {
  return events.flatMap(({ what, at }, index) => {
    if (what !== 'refusal') return [];
    const next = events.slice(index).find((event) => event.what === 'turn');
    return [(next?.at ?? Number.POSITIVE_INFINITY) - at];
  });
}
