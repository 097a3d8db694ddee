import { call, callJson } from './api.js';
import { isOpen } from './broadcast-bar.js';
import { html } from './html.js';
import { noteBroadcast } from './live.js';
import { announce } from './notice.js';
import { may } from './session.js';
import { count, counted } from './words.js';

/** @import { OperatorBroadcast } from './shapes.d.ts' */
/** @import { Act } from './dialog.js' */

/**
 * @param {OperatorBroadcast} broadcast
 * @param {'pause' | 'resume' | 'cancel'} verb
 * @param {string} done
 */
async function steer({ id, broadcastName }, verb, done) {
  /** @type {OperatorBroadcast} */
  const changed = await callJson(`/v1/operations/broadcasts/${encodeURIComponent(id)}/${verb}`, {
    method: 'POST',
    body: {},
  });
  noteBroadcast(changed);
  announce(`${done} ${broadcastName}.`);
}

/** @param {OperatorBroadcast} broadcast @returns {Act} */
const cancelling = (broadcast) => ({
  title: `Cancel ${broadcast.broadcastName}`,
  words: html`<p>${counted(broadcast.counts.queued, 'recipient')} of <strong>${broadcast.caller}</strong> get nothing any more. What is on the wire ends as it ends. There is no way back.</p>`,
  confirm: 'Cancel the broadcast',
  tone: 'danger',
  act: () => steer(broadcast, 'cancel', 'Cancelled'),
});

/** @param {OperatorBroadcast} broadcast @returns {Act} */
const pausing = (broadcast) => ({
  title: `Pause ${broadcast.broadcastName}`,
  words: html`<p>${counted(broadcast.counts.queued, 'recipient')} of <strong>${broadcast.caller}</strong> wait until somebody resumes it.</p>`,
  confirm: 'Pause',
  act: () => steer(broadcast, 'pause', 'Paused'),
});

/** @param {OperatorBroadcast} broadcast @returns {Act} */
const resuming = (broadcast) => ({
  title: `Resume ${broadcast.broadcastName}`,
  words: html`<p>It goes on to ${counted(broadcast.counts.queued, 'recipient')} of <strong>${broadcast.caller}</strong>.</p>
    ${broadcast.pauseReason && html`<p class="note" data-tone="warn">It was paused because: ${broadcast.pauseReason}</p>`}`,
  confirm: 'Resume',
  act: () => steer(broadcast, 'resume', 'Resumed'),
});

/** @param {OperatorBroadcast} broadcast @returns {Act} */
const looking = ({ id, counts }) => ({
  title: 'Look for the unknown ones',
  words: html`<p>${counted(counts.unknown, 'recipient')} whose answer was lost are looked for in the history of WATI, at a pace that leaves room for what is sent. Nothing is sent.</p>`,
  confirm: 'Look now',
  act: () => callJson(`/v1/operations/broadcasts/${encodeURIComponent(id)}/reconcile`, { method: 'POST', body: {} }),
  onDone: () => announce(`Looking for ${count(counts.unknown)} recipients.`),
});

/** Offers the report to the browser as a download. @param {OperatorBroadcast} broadcast */
async function download({ id, broadcastName }) {
  const answer = await call(`/v1/operations/broadcasts/${encodeURIComponent(id)}/recipients.csv`);
  const url = URL.createObjectURL(await answer.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = `${broadcastName.replace(/[^\w-]+/g, '-')}-recipients.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {OperatorBroadcast} broadcast @returns {Act} */
const reporting = (broadcast) => ({
  title: 'Download the report',
  words: html`<p>One row for each of ${counted(broadcast.counts.total, 'recipient')}: outcome, delivery, failure and times. Numbers are shown by their last four digits.</p>`,
  confirm: 'Download',
  act: () => download(broadcast),
  onDone: () => announce('The report is among your downloads.'),
});

/**
 * @param {{ broadcast: OperatorBroadcast, ask: (act: Act) => void, all?: boolean }} props
 */
export function BroadcastActs({ broadcast, ask, all = false }) {
  const { status, counts, broadcastName: name } = broadcast;
  const mayChange = isOpen(broadcast) && status !== 'recording';
  /** Keyed, so that a focused button does not become another one when the state changes. */
  /** @param {string} words @param {(broadcast: OperatorBroadcast) => Act} act */
  const button = (words, act) =>
    html`<button key=${words} type="button" aria-label=${`${words} ${name}`} onClick=${() => ask(act(broadcast))}>${words}</button>`;
  const mayWrite = may('operations:write');
  return html`
    <div class="actions">
      ${mayWrite && (status === 'running' || status === 'scheduled') && button('Pause', pausing)}
      ${mayWrite && status === 'paused' && button('Resume', resuming)}
      ${mayWrite && mayChange && button('Cancel', cancelling)}
      ${all && mayWrite && counts.unknown > 0 && button('Look for unknown', looking)}
      ${(all || !isOpen(broadcast)) && status !== 'recording' && button('Report', reporting)}
    </div>
  `;
}
