import { setTimeout as sleep } from 'node:timers/promises';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import type { OutboundRateLimiter } from '../../src/rate-limit/types.ts';
import { FakeTime } from '../rate-limit/fake-time.ts';
import { type Service, startService } from './service.ts';

/** Before all that performance.now() says: a deadline is never near, and a turn never old. */
const longAgo = -1_000_000_000;

/** A service whose turns come by a clock that stands still unless the test moves it. */
export interface Paced {
  service: Service;
  rateLimiter: OutboundRateLimiter;
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
  const real = createRateLimiter({ perSecond, plan: 'none', clock: time.clock, setTimer: time.setTimer });
  const events: { what: 'turn' | 'refusal'; at: number }[] = [];
  const rateLimiter: OutboundRateLimiter = {
    acquire: async (ask) => {
      await real.acquire(ask);
      events.push({ what: 'turn', at: time.now });
    },
    isPermitValid: (permitGrantedAt) => real.isPermitValid(permitGrantedAt),
    expectedWaitMs: (ask) => real.expectedWaitMs(ask),
    reportTooManyRequests: (group, retryAfterMs) => {
      events.push({ what: 'refusal', at: time.now });
      real.reportTooManyRequests(group, retryAfterMs);
    },
    stats: () => real.stats(),
    close: () => real.close(),
  };
  const service = await startService({ ...options, seams: { ...options.seams, rateLimiter } });
  const step = async () => {
    await time.run(stepMs);
    await sleep(1);
  };
  return {
    service,
    rateLimiter,
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
