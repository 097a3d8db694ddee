import { expect, it } from 'vitest';
import { IntakeWatch } from '../../src/intake/intake-watch.ts';
import type { ListeningNote } from '../../src/store/intake-store.ts';

const minuteMs = 60_000;

function aWatch(ago: (Omit<ListeningNote, 'connectionId'> | 'away')[]) {
  const notes: object[] = [];
  const gaps: [string, number][] = [];
  const faults: unknown[] = [];
  const watch = new IntakeWatch({
    store: {
      noteListening: async (given) => {
        const last = ago.shift();
        if (last === 'away') throw new Error('away');
        notes.push(Object.fromEntries(given.map(({ connectionId, received }) => [connectionId, received])));
        return last === undefined ? [] : given.map(({ connectionId }) => ({ connectionId, ...last }));
      },
    },
    connections: () => ['c1', 'c2'],
    onGap: (connectionId, fromMs) => gaps.push([connectionId, fromMs / minuteMs]),
    onFault: (error) => faults.push(error),
  });
  return { watch, notes, gaps, faults };
}

const usual = { agoMs: minuteMs, wallAgoMs: minuteMs };

it('notes what it received, and detects a gap by either clock', async () => {
  const { watch, notes, gaps } = aWatch([
    usual,
    usual,
    { agoMs: 10 * minuteMs, wallAgoMs: 10 * minuteMs },
    // The service was down, and its own clock stood.
    { agoMs: 500, wallAgoMs: 30 * minuteMs },
  ]);
  await watch.note();
  watch.received('c2');
  await watch.note();
  expect(gaps).toEqual([]);
  expect(notes).toEqual([
    { c1: false, c2: false },
    { c1: false, c2: true },
  ]);
  await watch.note();
  expect(gaps.splice(0)).toEqual([
    ['c1', 12],
    ['c2', 12],
  ]);
  await watch.note();
  expect(gaps.map(([, from]) => Math.floor(from))).toEqual([2, 2]);
});

it('reports a gap for the connection of a refused webhook once it can write a note again', async () => {
  const { watch, notes, gaps, faults } = aWatch([usual, 'away', usual, usual]);
  await watch.note();
  watch.refused('c1');
  watch.received('c1');
  await watch.note();
  expect([gaps, faults.length]).toEqual([[], 1]);
  await watch.note();
  expect(gaps).toEqual([['c1', 3]]);
  expect(notes.at(-1)).toEqual({ c1: true, c2: false });
  await watch.note();
  expect(gaps).toHaveLength(1);
});
