import type { OpenRecipient, SendingConnection } from '../store/poll-store.ts';

/** Whose history is read, and when: no I/O. */

export type PollMode = 'auto' | 'off' | 'always';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** When to look, from the end of the last message to a recipient. */
const looksMs = [2 * minuteMs, 15 * minuteMs, 2 * hourMs, 24 * hourMs];
const firstLookMs = 2 * minuteMs;
/** Up to this age of the message, a first look that was missed is made up for. */
const firstUntilMs = 15 * minuteMs;

/** No message is looked for any more after so long; the last look may wait for its turn a while. */
export const openMs = 25 * hourMs;

/** A listener notes that it is up each minute. */
const listeningMs = 10 * minuteMs;
const silentMs = 6 * hourMs;
const silentSends = 5;

/** Whether histories tell of the messages of a connection, because no webhook does. */
export function isPolled(
  mode: PollMode,
  { listenedMsAgo, eventMsAgo, silentSends: silent }: SendingConnection,
): boolean {
  if (mode !== 'auto') return mode === 'always';
  if (listenedMsAgo === undefined || listenedMsAgo > listeningMs) return true;
  return eventMsAgo !== undefined && eventMsAgo >= silentMs && silent >= silentSends;
}

/** How long until the next look, so long after the last message; undefined: there is none. */
export function nextLook(endedMsAgo: number): number | undefined {
  const next = looksMs.find((ms) => ms > endedMsAgo);
  return next === undefined ? undefined : next - endedMsAgo;
}

/**
 * The looks to schedule: earlier ones for scheduled recipients who got another message since, and of the others as many as
 * there is room for, newest first.
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

/** Share of a month's calls at which polls stop: the rest is for callers. */
const monthPart = 0.8;

/** Reads per day: on the smaller plans about a fifth of a month's calls. */
export const pollsPerDay = { growth: 60, pro: 600, business: 6_000, none: 6_000 } as const;

/** Whether the calls of a month leave none for polls. */
export const isMonthSpent = (calls: number, quota: number | undefined): boolean =>
  quota !== undefined && calls >= quota * monthPart;
