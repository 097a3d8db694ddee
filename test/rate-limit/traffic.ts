import type { RateLimiterOptions } from '../../src/rate-limit/options.ts';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import {
  LimiterClosedError,
  type OutboundRateLimiter,
  type PermitRequest,
  RateLimitTimeoutError,
} from '../../src/rate-limit/types.ts';
import { FakeTime } from './fake-time.ts';

export interface Outcome {
  ask: PermitRequest;
  askedAt: number;
  promisedMs: number;
  /** How often it was answered; one, or something is wrong. */
  answers: number;
  at: number;
  how: 'waiting' | 'granted' | 'spent' | 'aborted' | 'closed';
  retryAfterMs?: number;
}

export interface Bench {
  time: FakeTime;
  budget: OutboundRateLimiter;
  outcomes: Outcome[];
  ask(ask: Partial<PermitRequest> & { timeoutMs?: number }): Outcome;
  granted(): Outcome[];
}

/** A budget under a fake clock, and all that was asked of it. */
export function bench(options: Partial<RateLimiterOptions> = {}, time = new FakeTime()): Bench {
  const budget = createRateLimiter({
    perSecond: 10,
    plan: 'none',
    ...options,
    clock: time.clock,
    setTimer: time.setTimer,
  });
  const outcomes: Outcome[] = [];
  return {
    time,
    budget,
    outcomes,
    granted: () => outcomes.filter(({ how }) => how === 'granted').sort((a, b) => a.at - b.at),
    ask({ timeoutMs = Number.POSITIVE_INFINITY, ...given }) {
      const ask: PermitRequest = { lane: 'interactive', caller: 'crm', deadline: time.now + timeoutMs, ...given };
      const promisedMs = budget.expectedWaitMs(ask);
      const outcome: Outcome = { ask, askedAt: time.now, promisedMs, answers: 0, at: Number.NaN, how: 'waiting' };
      outcomes.push(outcome);
      const ended = (how: Outcome['how']): void => {
        outcome.how = how;
        outcome.at = time.now;
        outcome.answers++;
      };
      budget.acquire(ask).then(
        () => ended('granted'),
        (reason: unknown) => {
          ended(
            reason instanceof RateLimitTimeoutError
              ? 'spent'
              : reason instanceof LimiterClosedError
                ? 'closed'
                : 'aborted',
          );
          if (reason instanceof RateLimitTimeoutError) outcome.retryAfterMs = reason.retryAfterMs;
        },
      );
      return outcome;
    },
  };
}
