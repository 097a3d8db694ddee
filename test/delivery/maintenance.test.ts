import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMaintenance } from '../../src/delivery/recovery/maintenance.ts';
import type { Delivery } from '../../src/delivery/types.ts';
import type { EventStore } from '../../src/store/event-store.ts';
import type { MessageStore } from '../../src/store/message-store.ts';

const leaseMs = 15_000;

/** Maintenance of a store that has so many rows to purge; nothing else of it is there. */
function startMaintenance(
  rows: number,
  overrides: Partial<MessageStore> = {},
  deliveryOverrides: Partial<Delivery> = {},
) {
  const purged: { at: number; limit: number }[] = [];
  const expired: number[] = [];
  const faults: string[] = [];
  let left = rows;
  const store = {
    heartbeat: async () => {},
    resolveInDoubt: async () => {},
    purge: async (limit: number) => {
      purged.push({ at: Date.now(), limit });
      const took = Math.min(limit, left);
      left -= took;
      return took;
    },
    expireEvents: async (olderThanMs: number) => {
      expired.push(olderThanMs);
      return 0;
    },
    ...overrides,
  } as unknown as MessageStore & EventStore;
  const maintenance = createMaintenance({
    store,
    delivery: { recover: async () => {}, feed: async () => {}, ...deliveryOverrides } as unknown as Delivery,
    leaseMs,
    eventRetentionMs: 604_800_000,
    onFault: (task) => void faults.push(task),
  });
  return { maintenance, purged, expired, faults };
}

describe('the maintenance', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  it('purges until nothing is left, with a pause between full batches, and again a minute later', async () => {
    const { maintenance, purged, expired } = startMaintenance(10_000);
    await maintenance.start();
    await vi.advanceTimersByTimeAsync(119_000);
    expect(purged).toHaveLength(21);
    for (const [n, { at }] of purged.entries()) expect(at - (purged[n - 1]?.at ?? 0)).toBeGreaterThanOrEqual(100);
    expect(purged.at(-1)?.at).toBeLessThan(70_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(purged).toHaveLength(22);
    expect(expired).toEqual([604_800_000, 604_800_000]);
    await maintenance.stop();
  });

  it('delays a start for a second at most, and has recovered once everything that was left is read', async () => {
    const looked = Promise.withResolvers<void>();
    const { maintenance } = startMaintenance(0, {}, { feed: () => looked.promise });
    const started = maintenance.start();
    await vi.advanceTimersByTimeAsync(1_000);
    await started;
    expect(maintenance.hasRecovered).toBe(false);
    looked.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(maintenance.hasRecovered).toBe(true);
    await maintenance.stop();
  });

  it('fails a start whose recovery fails at once, and retries if it fails later', async () => {
    const down = new Error('down');
    const { maintenance: failing } = startMaintenance(0, {}, { recover: () => Promise.reject(down) });
    await expect(failing.start()).rejects.toBe(down);
    await failing.stop();

    const late = Promise.withResolvers<void>();
    let tries = 0;
    const recover = async () => {
      tries += 1;
      if (tries === 1) await late.promise;
    };
    const { maintenance, faults } = startMaintenance(0, {}, { recover });
    const started = maintenance.start();
    await vi.advanceTimersByTimeAsync(1_000);
    await started;
    late.reject(down);
    await vi.advanceTimersByTimeAsync(0);
    expect([faults, maintenance.hasRecovered]).toEqual([['recover'], false]);
    await vi.advanceTimersByTimeAsync(leaseMs);
    expect([tries, maintenance.hasRecovered]).toEqual([2, true]);
    await maintenance.stop();
  });

  it('stops between two batches, and waits for nothing', async () => {
    const { maintenance, purged } = startMaintenance(1_000_000);
    await maintenance.start();
    await vi.advanceTimersByTimeAsync(61_000);
    const sofar = purged.length;
    expect(sofar).toBeGreaterThan(2);
    await maintenance.stop();
    await vi.advanceTimersByTimeAsync(300_000);
    expect(purged).toHaveLength(sofar);
  });

  it('keeps the lease while inserts in doubt are resolved, however long that takes', async () => {
    let beats = 0;
    let resolved = 0;
    const { maintenance } = startMaintenance(0, {
      heartbeat: async () => void beats++,
      resolveInDoubt: async () => {
        resolved++;
        await new Promise((done) => setTimeout(done, 40_000));
      },
    });
    await maintenance.start();
    await vi.advanceTimersByTimeAsync(30_000);
    expect([beats, resolved]).toEqual([6, 1]);
    const stopped = maintenance.stop();
    await vi.advanceTimersByTimeAsync(40_000);
    await stopped;
  });

  it('purges again after its interval when a purge has failed', async () => {
    let fails = true;
    const { maintenance, faults } = startMaintenance(0, {
      purge: async () => {
        if (fails) throw new Error('the disk is full');
        return 0;
      },
    });
    await maintenance.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(faults).toEqual(['purge']);
    fails = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(faults).toEqual(['purge']);
    await maintenance.stop();
  });
});
