import type { OpenRecipient, SendingConnection } from '../store/poll-store.ts';

/** Decides whose history is read, and when. No I/O. */

export type PollMode = 'auto' | 'off' | 'always';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** When a recipient's history is read, counted from the end of the last message to it. */
const looksMs = [2 * minuteMs, 15 * minuteMs, 2 * hourMs, 24 * hourMs];
const firstLookMs = 2 * minuteMs;
/** Up to this age of the message, a first read that was missed is made up for. */
const firstUntilMs = 15 * minuteMs;

/** Messages older than this are not polled any more. The last read may wait for its turn beyond that. */
export const openMs = 25 * hourMs;

/** A running listener writes a note each minute. */
const listeningMs = 10 * minuteMs;
const silentMs = 6 * hourMs;
const silentSends = 5;

/** Whether the histories of a connection are polled, because no webhooks report on its messages. */
export function isPolled(
  mode: PollMode,
  { listenedMsAgo, eventMsAgo, silentSends: silent }: SendingConnection,
): boolean {
  if (mode !== 'auto') return mode === 'always';
  if (listenedMsAgo === undefined || listenedMsAgo > listeningMs) return true;
  return eventMsAgo !== undefined && eventMsAgo >= silentMs && silent >= silentSends;
}

/** The time until the next read, given the age of the last message; undefined: there is no further read. */
export function nextLook(endedMsAgo: number): number | undefined {
  const next = looksMs.find((ms) => ms > endedMsAgo);
  return next === undefined ? undefined : next - endedMsAgo;
}

/**
 * The reads to schedule: earlier ones for scheduled recipients that got another message since, then the newest of the others as
 * far as there is room.
 */
export function planLooks(open: readonly OpenRecipient[], room: number): { recipient: string; inMs: number }[] {
  let left = room;
  return open.flatMap(({ recipient, endedMsAgo, dueInMs }) => {
    const next = nextLook(endedMsAgo);
    if (dueInMs !== undefined) return next !== undefined && dueInMs > next ? [{ recipient, inMs: next }] : [];
    const inMs = endedMsAgo <= firstUntilMs ? Math.max(0, firstLookMs - endedMsAgo) : next;
    if (inMs === undefined || left <= 0) return [];
    left -= 1;
    return [{ recipient, inMs }];
  });
}

/** The share of a month's calls at which polling stops; the rest is for callers. */
const monthPart = 0.8;

/** Reads per day. On the smaller plans this is about a fifth of a month's calls. */
export const pollsPerDay = { growth: 60, pro: 600, business: 6_000, none: 6_000 } as const;

/** Whether the month's calls are used up as far as polling may use them. */
export const isMonthSpent = (calls: number, quota: number | undefined): boolean =>
  quota !== undefined && calls >= quota * monthPart;
