import { html } from './html.js';
import { clock, count, duration, percent } from './words.js';

/** @import { OperatorBroadcast } from './shapes.d.ts' */
/** @import { Tone } from './ui.js' */

/** @type {Record<OperatorBroadcast['status'] | 'scheduled' | 'recording', { tone: Tone, words: string }>} */
const statuses = {
  recording: { tone: 'info', words: 'Recording' },
  scheduled: { tone: 'idle', words: 'Scheduled' },
  running: { tone: 'info', words: 'Running' },
  paused: { tone: 'warn', words: 'Paused' },
  cancelled: { tone: 'idle', words: 'Cancelled' },
  done: { tone: 'ok', words: 'Done' },
};

/** @param {OperatorBroadcast} broadcast */
export const broadcastStanding = ({ status, hold }) =>
  hold && status === 'running' ? { tone: /** @type {Tone} */ ('warn'), words: 'Held' } : statuses[status];

/** @param {OperatorBroadcast} broadcast */
export const isOpen = ({ status }) => status !== 'done' && status !== 'cancelled';

/**
 * Returns the newer one of a broadcast that was read and one that the stream has sent since.
 * @param {OperatorBroadcast} read
 * @param {OperatorBroadcast | undefined} told
 */
export const newerOf = (read, told) => (told !== undefined && told.updatedAt >= read.updatedAt ? told : read);

/** In the order of the bar. @type {[name: Exclude<keyof OperatorBroadcast['counts'], 'total'>, words: string][]} */
export const parts = [
  ['accepted', 'accepted'],
  ['rejected', 'rejected'],
  ['notSent', 'not sent'],
  ['unknown', 'unknown'],
  ['cancelled', 'cancelled'],
  ['sending', 'on the wire'],
];

/** @param {OperatorBroadcast['counts']} counts */
const handledOf = ({ total, queued, sending }) => total - queued - sending;

/** Shows the progress of a broadcast, as a bar of its outcomes and in words. @param {{ broadcast: OperatorBroadcast }} props */
export function BroadcastBar({ broadcast: { broadcastName, counts } }) {
  const { total } = counts;
  const handled = handledOf(counts);
  const shown = parts.filter(([name]) => counts[name] > 0);
  const said = [
    `${count(handled)} of ${count(total)}`,
    ...shown.map(([name, words]) => `${count(counts[name])} ${words}`),
  ];
  return html`
    <div
      class="meter" role="progressbar" aria-label=${`Progress of ${broadcastName}`} aria-valuemin="0" aria-valuemax=${total}
      aria-valuenow=${handled} aria-valuetext=${said.join(', ')}
    >
      ${shown.map(([name]) => html`<span key=${name} class=${name} style=${{ width: `${(counts[name] / Math.max(1, total)) * 100}%` }}></span>`)}
    </div>
  `;
}

/** @param {OperatorBroadcast} broadcast */
export function progressWords({ status, counts, estimatedEndAt, batchSize, sendAt, pauseReason, hold }) {
  const handled = handledOf(counts);
  const share = `${count(handled)} of ${count(counts.total)} (${percent(handled / Math.max(1, counts.total))})`;
  const held = hold ? `; waits: ${hold.detail}` : '';
  if (status === 'recording') return `${count(counts.total)} so far`;
  if (status === 'running' && hold) return `${share}${held}`;
  if (status === 'running' && estimatedEndAt) {
    const together = batchSize ? `; up to ${count(batchSize)} in one call now` : '';
    return `${share}, done in about ${duration(Date.parse(estimatedEndAt) - Date.now())}${together}`;
  }
  if (status === 'paused' && pauseReason) return `${share}; ${pauseReason}`;
  if (sendAt !== undefined && Date.parse(sendAt) > Date.now())
    return `${count(counts.total)}, due ${clock(sendAt)}${held}`;
  return share;
}
