import { callJson, newIdempotencyKey } from './api.js';
import { useAct } from './dialog.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { useFollow, useLoad } from './load.js';
import { answerOf, isLate, isMoving, kindWords, lateWords, standingOf } from './message-words.js';
import { announce } from './notice.js';
import { linkTo } from './router.js';
import { search } from './search.js';
import { may } from './session.js';
import { Timeline } from './timeline.js';
import { Chip, Empty, ErrorNote, Loading, Time } from './ui.js';

/** @import { OperatorMessageDetail } from './shapes.d.ts' */
/** @import { Act } from './dialog.js' */

/**
 * @param {OperatorMessageDetail} message
 * @param {() => void} reload
 * @returns {Record<'look' | 'resend' | 'cancel', Act>}
 */
function actsOf({ id, notAfter }, reload) {
  const path = `/v1/operations/messages/${encodeURIComponent(id)}`;
  const key = newIdempotencyKey();
  return {
    look: {
      title: 'Look for it now',
      words: html`<p>It is looked for in the history of WATI, by its own id and by its content. Nothing is sent.</p>`,
      confirm: 'Look now',
      act: () => callJson(`${path}/reconcile`, { method: 'POST', body: {} }),
      onDone: () => {
        announce('Looked for. What was found is shown.');
        reload();
      },
    },
    resend: {
      title: 'Send it again',
      words: html`<p>A new message with the same content goes out for the same caller. If the first one arrived after all, <strong>the customer gets it twice</strong>.</p>`,
      confirm: 'Send again',
      tone: 'danger',
      askReason: 'Reason, for the log',
      ...(isLate(notAfter) && { askTime: lateWords }),
      act: (reason, at) =>
        callJson(`${path}/resend`, {
          method: 'POST',
          body: { reason, ...(at && { notAfter: at }) },
          headers: { 'idempotency-key': key },
        }),
      onDone: () => {
        announce('Sent again, as a new message.');
        reload();
      },
    },
    cancel: {
      title: 'Cancel this message',
      words: html`<p>It is taken out of the queue and does not go out. There is no way back.</p>`,
      confirm: 'Cancel it',
      tone: 'danger',
      act: () => callJson(`${path}/cancel`, { method: 'POST', body: {} }),
      onDone: () => {
        announce('Cancelled.');
        reload();
      },
    },
  };
}

/** @param {{ message: OperatorMessageDetail, ask: (act: Act) => void, reload: () => void }} props */
function Acts({ message, ask, reload }) {
  const { status, resentAs, broadcastId } = message;
  if (!may('operations:write')) return null;
  const { look, resend, cancel } = actsOf(message, reload);
  const isResendable = (status === 'unknown' || status === 'not_sent') && resentAs === undefined;
  return html`
    <p class="actions">
      ${status === 'unknown' && html`<button key="look" type="button" onClick=${() => ask(look)}>Look for it now</button>`}
      ${isResendable && html`<button key="resend" type="button" onClick=${() => ask(resend)}>Send it again…</button>`}
      ${status === 'queued' && broadcastId === undefined && html`<button key="cancel" type="button" onClick=${() => ask(cancel)}>Cancel it…</button>`}
    </p>
  `;
}

/** Shows the last digits of the number, and the whole number on request, which the audit log records. */
/** @param {{ message: OperatorMessageDetail, ask: (act: Act) => void }} props */
function Recipient({ message: { id, to }, ask }) {
  const [full, setFull] = useState(/** @type {string | undefined} */ (undefined));
  if (to === undefined) return 'several';
  /** @type {Act} */
  const reveal = {
    title: 'Show the number in full',
    words: html`<p>That you asked, and for which message, is written to the audit log with the name of your key.</p>`,
    confirm: 'Show it',
    act: async () => {
      /** @type {OperatorMessageDetail} */
      const revealed = await callJson(`/v1/operations/messages/${encodeURIComponent(id)}`, { query: { reveal: true } });
      setFull(revealed.to);
    },
  };
  return html`
    <span class="number">${full ?? to}</span>
    ${
      full
        ? html`<button type="button" class="small" onClick=${() => setFull(undefined)}>Hide</button>`
        : may('operations:reveal') &&
          html`<button type="button" class="small" onClick=${() => ask(reveal)}>Show…</button>`
    }
  `;
}

/** @param {{ message: OperatorMessageDetail, ask: (act: Act) => void }} props */
function Facts({ message, ask }) {
  const { id, caller, kind, template, reference, idempotencyKey, broadcastId, resendOf, resentAs, connectionId } =
    message;
  const { sendAt, notAfter } = message;
  /** @type {[string, unknown][]} */
  const rows = [
    ['Reference', reference],
    ['To', html`<${Recipient} key=${id} message=${message} ask=${ask} />`],
    ['Caller', caller],
    ['Kind', kindWords[kind] ?? kind],
    ['Template', template],
    ['Send at', sendAt && html`<${Time} at=${sendAt} long=${true} />`],
    ['Not after', notAfter && html`<${Time} at=${notAfter} long=${true} />`],
    ['Broadcast', broadcastId && html`<a href=${linkTo('broadcasts', broadcastId)}><code>${broadcastId}</code></a>`],
    ['Repeats', resendOf && html`<a href=${linkTo('messages', resendOf)}><code>${resendOf}</code></a>`],
    ['Sent again as', resentAs && html`<a href=${linkTo('messages', resentAs)}><code>${resentAs}</code></a>`],
    ['Idempotency key', idempotencyKey && html`<code>${idempotencyKey}</code>`],
    ['Connection', html`<code>${connectionId}</code>`],
    ['Message id', html`<code>${id}</code>`],
  ];
  return html`
    <dl class="facts">
      ${rows.filter(([, value]) => value !== undefined).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  `;
}

/** @param {{ argument: string | undefined }} props */
export function Section({ argument }) {
  /** @type {import('./load.js').Loaded<OperatorMessageDetail>} */
  const {
    data: message,
    error,
    reload,
  } = useLoad(argument && `/v1/operations/messages/${encodeURIComponent(argument)}`);
  const [dialog, ask] = useAct();
  useFollow(message !== undefined && isMoving(message), reload);
  if (argument === undefined) return html`<${Empty}>Which one? <a href="#/find">Find a message</a></${Empty}>`;
  if (error) return html`<${ErrorNote} error=${error} retry=${reload} />`;
  if (!message) return html`<${Loading} />`;
  const { tone, words } = standingOf(message);
  return html`
    <div class="stack">
      ${search.get() && html`<p><a href="#/find">Back to what was found</a></p>`}
      <section class="card" aria-label="Outcome">
        <p class="headline"><${Chip} tone=${tone}>${words}</${Chip}> <strong>${answerOf(message)}</strong></p>
        <${Acts} message=${message} ask=${ask} reload=${reload} />
      </section>
      <div class="halves">
        <section aria-labelledby="timeline-title">
          <h2 id="timeline-title">What happened</h2>
          <${Timeline} message=${message} />
        </section>
        <section aria-labelledby="facts-title">
          <h2 id="facts-title">The message</h2>
          <${Facts} message=${message} ask=${ask} />
        </section>
      </div>
      ${dialog}
    </div>
  `;
}
