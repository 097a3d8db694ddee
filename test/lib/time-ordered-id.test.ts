import { expect, it } from 'vitest';
import { timeOrderedId } from '../../src/lib/time-ordered-id.ts';

it('is a UUID of version 7 that sorts by its time, and none is made twice', () => {
  const at = Date.parse('2026-11-30T12:00:00Z');
  const ids = Array.from({ length: 1_000 }, (_, n) => timeOrderedId(at + Math.floor(n / 100)));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const times = ids.map((id) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
  expect(times).toEqual(ids.map((_, n) => at + Math.floor(n / 100)));
  expect(new Set(ids).size).toBe(1_000);
});
