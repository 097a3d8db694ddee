import { callJson, newIdempotencyKey } from './api.js';
import { useAct } from './dialog.js';
import { html } from './html.js';
import { useLoad, usePages } from './load.js';
import { isLate, lateWords } from './message-words.js';
import { announce } from './notice.js';
import { linkTo } from './router.js';
import { showMessages } from './search.js';
import { may } from './session.js';
import { Chip, Empty, ErrorNote, Loading, Pager, Table, Time } from './ui.js';
import { count, counted } from './words.js';

/** @import { OperatorBroadcast, UnknownGroup } from './shapes.d.ts' */
/** @import { Act } from './dialog.js' */

/** @param {UnknownGroup} group @param {() => void} reload @returns {Act} */
const looking = ({ broadcastId, sampleId, count: n }, reload) => ({
  title: 'Look for them now',
  words: html`<p>${
    broadcastId === undefined
      ? n === 1
        ? 'The message is looked for in the history of WATI.'
        : `One of the ${count(n)} is looked for in the history of WATI: if it arrived, its whole call went through.`
      : 'All unknown recipients of this broadcast are looked for in the history of WATI, at a pace that leaves room for what is sent.'
  } Nothing is sent.</p>`,
  confirm: 'Look now',
  act: () =>
    callJson(
      broadcastId === undefined
        ? `/v1/operations/messages/${encodeURIComponent(sampleId)}/reconcile`
        : `/v1/operations/broadcasts/${encodeURIComponent(broadcastId)}/reconcile`,
      { method: 'POST', body: {} },
    ),
  onDone: () => {
    announce(
      broadcastId === undefined ? 'Looked for. What was found is shown.' : `Looking for ${counted(n, 'message')}.`,
    );
    reload();
  },
});

/** @param {UnknownGroup} group @param {() => void} reload @returns {Act} */
function resending({ sampleId, caller, notAfter }, reload) {
  const key = newIdempotencyKey();
  return {
    title: 'Send it again',
    words: html`<p>A new message with the same content goes out for <strong>${caller}</strong>. If the first one arrived after all, <strong>the customer gets it twice</strong>.</p>`,
    confirm: 'Send again',
    tone: 'danger',
    askReason: 'Reason, for the log',
    ...(isLate(notAfter) && { askTime: lateWords }),
    act: (reason, at) =>
      callJson(`/v1/operations/messages/${encodeURIComponent(sampleId)}/resend`, {
        method: 'POST',
        body: { reason, ...(at && { notAfter: at }) },
        headers: { 'idempotency-key': key },
      }),
    onDone: () => {
      announce('Sent again, as a new message.');
      reload();
    },
  };
}

/** Describes what the search has found for a group so far. @param {UnknownGroup} group */
function findings({ count: n, found, looked }) {
  if (found > 0) {
    return { tone: 'ok', words: 'Found', detail: `${count(found)} of the same call arrived, so very likely all did` };
  }
  if (looked === 0) return { tone: 'idle', words: 'Not looked for', detail: '' };
  return {
    tone: 'doubt',
    words: 'Not found',
    detail: `${count(looked)} of ${count(n)} looked for; that proves nothing`,
  };
}

/** @param {{ group: UnknownGroup, ask: (act: Act) => void, reload: () => void }} props */
function Row({ group, ask, reload }) {
  const { caller, broadcastId, lostCall, sentAt, count: n, resent, template, sampleId, nextLookAt } = group;
  const { tone, words, detail } = findings(group);
  const name = template ?? 'message';
  return html`
    <tr>
      <td>
        <a href=${linkTo('messages', sampleId)}>${n === 1 ? name : `${counted(n, 'message')} of ${name}`}</a>
        <br /><span class="muted">${caller}${broadcastId && html` · <a href=${linkTo('broadcasts', broadcastId)}>broadcast</a>`}
        ${n > 1 && html` · <button type="button" class="link" onClick=${() => showMessages({ caller, lostCall, status: 'unknown' })}>all of this call</button>`}
        ${resent > 0 && ` · ${count(resent)} sent again`}</span>
      </td>
      <td data-label="Sent"><${Time} at=${sentAt} /></td>
      <td data-label="Search"><span><${Chip} tone=${tone}>${words}</${Chip}>${detail && html` <span class="muted">${detail}</span>`}</span></td>
      <td class="wide" data-label="Next look">${nextLookAt ? html`<${Time} at=${nextLookAt} />` : html`<span class="muted">not by itself</span>`}</td>
      <td>
        ${
          may('operations:write') &&
          html`<div class="actions">
            <button key="look" type="button" onClick=${() => ask(looking(group, reload))}>Look now</button>
            ${n === 1 && html`<button key="resend" type="button" onClick=${() => ask(resending(group, reload))}>Send again…</button>`}
          </div>`
        }
      </td>
    </tr>
  `;
}

/** Lists paused broadcasts: those that the service has paused, and those that have not been resumed. */
function Paused() {
  /** @type {import('./load.js').Loaded<{ data: OperatorBroadcast[] }>} */
  const { data } = useLoad('/v1/operations/broadcasts', { status: 'paused', limit: 20 });
  const paused = data?.data ?? [];
  if (paused.length === 0) return null;
  return html`
    <section aria-labelledby="paused-title">
      <h2 id="paused-title">Paused broadcasts</h2>
      <${Table} label="Paused broadcasts" stacks=${true} head=${html`<th>Broadcast</th><th>Paused by</th><th>Why</th><th class="n">Wait</th>`}>
        ${paused.map(
          ({ id, broadcastName, caller, pausedBy, pauseReason, counts }) => html`<tr key=${id}>
            <td><a href=${linkTo('broadcasts', id)}>${broadcastName}</a><br /><span class="muted">${caller}</span></td>
            <td data-label="Paused by">${pausedBy ?? ''}</td><td data-label="Why">${pauseReason ?? ''}</td><td class="n" data-label="Wait">${count(counts.queued)}</td>
          </tr>`,
        )}
      </${Table}>
    </section>
  `;
}

export function Section() {
  /** @type {import('./load.js').Paged<UnknownGroup>} */
  const pages = usePages('/v1/operations/unknown', { limit: 25 });
  const { rows, loading, error, reload, older, newer } = pages;
  const [dialog, ask] = useAct();
  return html`
    <div class="stack">
      <section aria-labelledby="unknown-title">
        <h2 id="unknown-title">Unknown sends</h2>
        <p class="muted lead">Their answer was lost, so each may or may not have arrived. The service looks for them by itself 1, 5, 15 and 60 minutes later, and never sends them again. What was sent again by somebody is not listed here any more.</p>
        <${ErrorNote} error=${error} retry=${reload} />
        ${loading && rows.length === 0 && html`<${Loading} />`}
        ${!loading && !error && rows.length === 0 && html`<${Empty}>${older || newer ? 'None on this page.' : 'None: the outcome of every message is known, or it was sent again.'}</${Empty}>`}
        ${
          rows.length > 0 &&
          html`<${Table} label="Unknown sends" stacks=${true} busy=${loading}
            head=${html`<th>What</th><th>Sent</th><th>Search</th><th class="wide">Next look</th><th><span class="hidden">Acts</span></th>`}>
            ${rows.map((group) => html`<${Row} key=${group.sampleId} group=${group} ask=${ask} reload=${reload} />`)}
          </${Table}>`
        }
        <${Pager} pages=${pages} what="unknown sends" />
      </section>
      <${Paused} />
      ${dialog}
    </div>
  `;
}
