const DAY_AND_TIME =
  /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(.{0,6})$/;

const EXAMPLE = '2026-11-02T09:30:00Z';

/** Parses a time in UTC (ISO 8601 with seconds and `Z`). Returns it with milliseconds, or its fault. */
export function readUtcTime(text: string): { time: string } | { fault: string } {
  const [, day, zone] = DAY_AND_TIME.exec(text) ?? [];
  if (day === undefined || (zone !== 'Z' && zone !== '' && !/^[+-]\d\d:?\d\d$/.test(zone ?? ''))) {
    return { fault: `must be a time in UTC such as ${EXAMPLE}` };
  }
  if (zone !== 'Z') return { fault: `must be a time in UTC, which ends with Z, such as ${EXAMPLE}` };
  const time = new Date(text);
  // Date reads 30 February as 2 March.
  const isReal = !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day);
  return isReal ? { time: time.toISOString() } : { fault: 'is a day that the calendar does not have' };
}
