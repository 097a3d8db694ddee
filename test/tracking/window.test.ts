import { expect, it } from 'vitest';
import { receivedTime, type WindowKnowledge, windowOf } from '../../src/tracking/window.ts';

const hour = 3_600_000;
const now = Date.parse('2026-11-30T10:00:00.500Z');
const day = 24 * hour;

it.each<[string, WindowKnowledge, object]>([
  ['is not known without a message: that is not closed', {}, { source: 'none' }],
  [
    'is open for a day after the last message',
    { receivedAt: now - hour, receivedBy: 'webhook' },
    { open: true, expiresAt: now + 23 * hour, source: 'webhook' },
  ],
  [
    'closes when the day is over, to the millisecond',
    { receivedAt: now - day, receivedBy: 'history' },
    { open: false, expiresAt: now, source: 'history' },
  ],
  [
    'is open in its last millisecond',
    { receivedAt: now - day + 1, receivedBy: 'webhook' },
    { open: true, expiresAt: now + 1, source: 'webhook' },
  ],
  ['is closed after a refusal', { closedAt: now - hour }, { open: false, source: 'refusal' }],
  [
    'is closed by a refusal that is newer than the message',
    { receivedAt: now - 2 * hour, receivedBy: 'webhook', closedAt: now - hour },
    { open: false, source: 'refusal' },
  ],
  [
    'is closed by a refusal in the same second as the message',
    { receivedAt: now, receivedBy: 'webhook', closedAt: now - 400 },
    { open: false, source: 'refusal' },
  ],
  [
    'is opened anew by a message of the next second',
    { receivedAt: now, receivedBy: 'webhook', closedAt: now - 501 },
    { open: true, expiresAt: now + day, source: 'webhook' },
  ],
])('a window %s', (_title, knowledge, window) => expect(windowOf(knowledge, now)).toEqual(window));

it('uses WATI’s time of a message, but never a later one than its receipt', () => {
  expect(receivedTime(now - hour, now)).toBe(now - hour);
  expect(receivedTime(now + hour, now)).toBe(now);
  expect(receivedTime(undefined, now)).toBe(now);
});
