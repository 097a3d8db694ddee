const counting = new Intl.NumberFormat('en-GB');
const timeOnly = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayAndMinute = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const withSeconds = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

export const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @param {number} n */
export const count = (n) => counting.format(n);

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** Formats a time of today by the clock, and other days by their date. @param {string} at */
export function clock(at) {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? timeOnly.format(date) : dayAndMinute.format(date);
}

/** @param {string} at */
export const dayAndTime = (at) => withSeconds.format(new Date(at));

/** @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5_400) return `${Math.round(s / 60)} min`;
  if (s < 129_600) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} days`;
}

/** @param {number} ratio */
export const percent = (ratio) => `${Math.round(ratio * 100)} %`;
