import { expect, it } from 'vitest';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import type { LaneStats, OutboundRateLimiter } from '../../src/rate-limit/types.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore } from '../../src/store/open.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { insertFinished, newMessage, OPTIONS } from '../store/samples.ts';
import { startService } from '../support/service.ts';

const [polled, inDoubt] = ['14155551000', '14155551001'];

it('a history is polled after those of unknown messages, and not while any call waits', async () => {
  let steady = 1_000;
  const store = await openStore('memory:', { ...OPTIONS, monotonicClock: () => steady });
  const send = (id: string, to: string, status: 'accepted' | 'unknown') =>
    insertFinished(
      store,
      newMessage(id, { to, connectionId: seededConnection, content: { kind: 'text', body: { to, text: 'Hello' } } }),
      status,
    );
  await send('accepted', polled, 'accepted');
  await send('unknown', inDoubt, 'unknown');
  steady += 3 * 60_000;
  let queued = 1;
  let asked = 0;
  const real = createRateLimiter({ perSecond: 1_000, plan: 'none' });
  const busy = (lane: LaneStats): LaneStats => ({ ...lane, queued });
  const rateLimiter: OutboundRateLimiter = {
    acquire: (ask) => real.acquire(ask),
    isPermitValid: (at) => real.isPermitValid(at),
    expectedWaitMs: (ask) => real.expectedWaitMs(ask),
    reportTooManyRequests: (...told) => real.reportTooManyRequests(...told),
    close: () => real.close(),
    stats: () => {
      asked += 1;
      const stats = real.stats();
      return { ...stats, lanes: { ...stats.lanes, interactive: busy(stats.lanes.interactive) } };
    },
  };
  const service = await startService({
    store,
    settings: { MATON_CONNECTION_ID: seededConnection, TRACKING_POLL: 'always' },
    seams: { rateLimiter, pauses: { ...defaultRetryDelays, pollEveryMs: 20 } },
  });
  const reads = () => service.simulator.ledger.of('getMessages').map(({ path }) => path.replace(/.*\//, ''));
  await expect.poll(reads, { timeout: 10_000 }).toEqual([inDoubt]);
  // By then it has had its turn a few times.
  const since = asked;
  await expect.poll(() => asked, { timeout: 10_000 }).toBeGreaterThan(since + 5);
  expect(reads()).toEqual([inDoubt]);
  queued = 0;
  await expect.poll(reads, { timeout: 10_000 }).toEqual([inDoubt, polled]);
  await service.close();
});
