import { expect, test } from 'vitest';
import { createStopSwitch } from '../../src/holds/sending-stop.ts';
import type { SendingStop, Stopped } from '../../src/store/operator-store.ts';

const nothing: Stopped = { all: false, callers: [], connections: [] };
const word = (stopped: Partial<Stopped>): SendingStop => ({
  stopped: { ...nothing, ...stopped },
  reason: 'r',
  changedBy: 'o',
  changedAt: '2026-11-02T09:30:00.000Z',
});

const aSwitch = (findSendingStop: () => Promise<SendingStop | undefined>) => {
  const faults: unknown[] = [];
  const stopSwitch = createStopSwitch({
    store: { findSendingStop, stopSending: async (stop) => ({ ...word(stop.stopped), reason: stop.reason }) },
    onFault: (error) => faults.push(error),
    lookEveryMs: 1,
  });
  const isStopped = (caller = 'crm') => stopSwitch.reasonFor({ caller }) !== undefined;
  return { stopSwitch, faults, isStopped };
};

test('everything is stopped until the store was read', async () => {
  let works = false;
  const { stopSwitch, faults, isStopped } = aSwitch(async () => {
    if (!works) throw new Error('no store');
    return undefined;
  });
  expect(isStopped()).toBe(true);
  await stopSwitch.start();
  expect([isStopped(), faults.length > 0]).toEqual([true, true]);
  works = true;
  await expect.poll(() => isStopped(), { timeout: 10_000 }).toBe(false);
  await stopSwitch.close();
});

test('the last known state applies while the store cannot be read', async () => {
  let fails = false;
  const { stopSwitch, faults, isStopped } = aSwitch(async () => {
    if (fails) throw new Error('no store');
    return word({ callers: ['crm'] });
  });
  await stopSwitch.start();
  fails = true;
  await expect.poll(() => faults.length, { timeout: 10_000 }).toBeGreaterThan(2);
  expect([isStopped(), isStopped('shop')]).toEqual([true, false]);
  await stopSwitch.close();
});

test('a read that began before a change does not undo the change', async () => {
  const answers: ((stop: SendingStop | undefined) => void)[] = [];
  const { stopSwitch, isStopped } = aSwitch(() => new Promise((resolve) => answers.push(resolve)));
  const started = stopSwitch.start();
  answers.shift()?.(undefined);
  await started;
  await expect.poll(() => answers.length, { timeout: 10_000 }).toBe(1);
  await stopSwitch.set({ stopped: { ...nothing, all: true }, reason: 'r', changedBy: 'o' });
  answers.shift()?.(undefined);
  await expect.poll(() => answers.length, { timeout: 10_000 }).toBe(1);
  expect(isStopped()).toBe(true);
  answers.shift()?.(undefined);
  await expect.poll(() => isStopped(), { timeout: 10_000 }).toBe(false);
  for (const answer of answers) answer(undefined);
  const closed = stopSwitch.close();
  for (const answer of answers) answer(undefined);
  await closed;
});
