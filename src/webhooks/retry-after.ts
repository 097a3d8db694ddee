const hourMs = 60 * 60 * 1000;

/**
 * Parses `Retry-After` (RFC 9110), seconds or a date, to milliseconds from now, at most an hour. Undefined if it is
 * absent or invalid.
 */
export function retryAfterMs(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string' || value.length > 64) return undefined;
  // Date.parse reads `-1` and `1.5` as days of 2001, which would mean "at once". A valid date contains the name of a
  // weekday.
  const ms = /^\d+$/.test(value)
    ? Number(value) * 1000
    : /^[A-Z][a-z]{2}/.test(value)
      ? Date.parse(value) - nowMs
      : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), hourMs);
}
