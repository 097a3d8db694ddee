/**
 * The generic cell rate algorithm. It paces evenly and its only state is the theoretical arrival time (`arrivalTime`). Times
 * are ms of any monotonic clock.
 */
export interface Rate {
  perSecond: number;
  /** How many permits may be taken at once after a pause. */
  burst: number;
}

/** Takes one permit at `now`. `waitMs` 0: granted, keep `arrivalTime`. Otherwise refused; it would be granted after `waitMs`. */
export function acquire(
  arrivalTime: number,
  now: number,
  { perSecond, burst }: Rate,
): { arrivalTime: number; waitMs: number } {
  const interval = 1000 / perSecond;
  const next = Math.max(arrivalTime, now) + interval;
  const waitMs = next - now - burst * interval;
  return waitMs > 1e-6 ? { arrivalTime, waitMs } : { arrivalTime: next, waitMs: 0 };
}
