import type { ParkedEvent } from '../store/webhook-endpoint-store.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Delays between attempts of one event that fails while others are delivered. */
const WAITS_MS = [5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];

interface Failure {
  eventSeq: number;
  /** Failed attempts, including this one. */
  tries: number;
  status?: number;
  error: string;
}

/** Returns when the event is tried again, with 20 % jitter; undefined after the last delay: it is given up. */
export function parked({ eventSeq, tries, status, error }: Failure, random: () => number): ParkedEvent {
  const why = { ...(status !== undefined && { lastStatus: status }), lastError: error };
  const wait = WAITS_MS[tries - 1];
  if (wait === undefined) return { eventSeq, state: 'failed', tries, ...why };
  return { eventSeq, state: 'pending', tries, dueInMs: Math.round(wait * (0.8 + 0.4 * random())), ...why };
}
