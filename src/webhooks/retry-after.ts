const hourMs = 60 * 60 * 1000;

/** `Retry-After` (RFC 9110) in ms from now, as seconds or as a date, at most an hour; undefined: absent, or nonsense. */
export function retryAfterMs(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string' || value.length > 64) return undefined;
  // Date.parse takes `-1` and `1.5` for days of 2001, which would mean "at once": a date has a name of a day in it.
  const ms = /^\d+$/.test(value)
    ? Number(value) * 1000
    : /^[A-Z][a-z]{2}/.test(value)
      ? Date.parse(value) - nowMs
      : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), hourMs);
}
