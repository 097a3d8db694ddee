import { BroadcastActs } from './broadcast-acts.js';
import { BroadcastBar, broadcastStanding, isOpen, newerOf, parts, progressWords } from './broadcast-bar.js';
import { useAct } from './dialog.js';
import { Field } from './find-filters.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { changedBroadcasts } from './live.js';
import { useFollow, useLoad, usePages } from './load.js';
import { MessageTable } from './message-table.js';
import { linkTo } from './router.js';
import { useStore } from './store.js';
import { Chip, Empty, ErrorNote, Figure, Loading, Pager, Table, Time } from './ui.js';
import { count } from './words.js';

/** @import { OperatorBroadcast, OperatorMessage } from './shapes.d.ts' */

/** @type {[value: string, words: string][]} */
const outcomes = [
  ['', 'All'],
  ['queued', 'Queued'],
  ['accepted', 'Accepted'],
  ['rejected', 'Rejected'],
  ['not_sent', 'Not sent'],
  ['unknown', 'Unknown'],
  ['cancelled', 'Cancelled'],
];

/** @type {[name: 'sent' | 'delivered' | 'read' | 'replied' | 'failed', words: string][]} */
const deliveryNames = [
  ['sent', 'Sent'],
  ['delivered', 'Delivered'],
  ['read', 'Read'],
  ['replied', 'Answered'],
  ['failed', 'Not delivered'],
];

/** @param {{ id: string }} props */
function Recipients({ id }) {
  const [status, setStatus] = useState('');
  /** @type {import('./load.js').Paged<OperatorMessage>} */
  const pages = usePages('/v1/operations/messages', { broadcastId: id, status, limit: 25 });
  const { rows, loading, error, reload, older } = pages;
  return html`
    <section aria-labelledby="recipients-title">
      <div class="card-head">
        <h2 id="recipients-title">Recipients</h2>
        <${Field} name="Outcome" value=${status} onChange=${setStatus} options=${outcomes} />
      </div>
      <${ErrorNote} error=${error} retry=${reload} />
      ${loading && rows.length === 0 && html`<${Loading} />`}
      ${!loading && !error && rows.length === 0 && html`<${Empty}>${older ? 'None on this page; there may be some on the next.' : 'None.'}</${Empty}>`}
      ${rows.length > 0 && html`<${MessageTable} label="Recipients" messages=${rows} busy=${loading} ofOne=${true} />`}
      <${Pager} pages=${pages} what="recipients" />
    </section>
  `;
}

/** @param {{ broadcast: OperatorBroadcast }} props */
const Counts = ({ broadcast: { counts, delivery, rejections } }) => html`
  <dl class="figures">
    <${Figure} name="Recipients" value=${count(counts.total)} />
    <${Figure} name="Queued" value=${count(counts.queued)} />
    ${parts.map(([name, words]) => html`<${Figure} key=${name} mark=${name} name=${words[0]?.toUpperCase() + words.slice(1)} value=${count(counts[name])} />`)}
  </dl>
  ${
    delivery &&
    html`<dl class="figures">
      ${deliveryNames.map(([name, words]) => html`<${Figure} key=${name} name=${words} value=${count(delivery[name])} />`)}
    </dl>`
  }
  ${
    rejections &&
    Object.keys(rejections).length > 0 &&
    html`<p class="muted">Rejected: ${Object.entries(rejections)
      .map(([why, n]) => `${count(n)} ${why}`)
      .join(', ')}</p>`
  }
`;

/** @param {{ looks: NonNullable<OperatorBroadcast['looks']> }} props */
const Looks = ({ looks: { left, lostCalls } }) => html`
  <section aria-labelledby="looks-title">
    <h2 id="looks-title">Calls whose answer was lost</h2>
    <p class="muted lead">${count(left)} still to be looked for. Any that is found means that its whole call went through.</p>
    <${Table} label="Lost calls" head=${html`<th>Sent</th><th class="n">Recipients</th><th class="n">Found</th><th class="n">Looked for in vain</th>`}>
      ${lostCalls.map(
        ({ sentAt, recipients, found, looked }) => html`<tr key=${sentAt}>
          <td><${Time} at=${sentAt} /></td><td class="n">${count(recipients)}</td><td class="n">${count(found)}</td><td class="n">${count(looked)}</td>
        </tr>`,
      )}
    </${Table}>
  </section>
`;

/** @param {{ id: string }} props */
export function BroadcastDetail({ id }) {
  /** @type {import('./load.js').Loaded<OperatorBroadcast>} */
  const { data, error, reload } = useLoad(`/v1/operations/broadcasts/${encodeURIComponent(id)}`);
  const changed = useStore(changedBroadcasts).get(id);
  const [dialog, ask] = useAct();
  useFollow(data !== undefined && isOpen(newerOf(data, changed)), reload);
  if (error) return html`<${ErrorNote} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} />`;
  const broadcast = { ...data, ...newerOf(data, changed) };
  const { tone, words } = broadcastStanding(broadcast);
  return html`
    <div class="stack">
      <p><a href="#/broadcasts">All broadcasts</a></p>
      <section class="card broadcast" aria-labelledby="broadcast-title">
        <div class="broadcast-head">
          <h2 id="broadcast-title">${broadcast.broadcastName}</h2>
          <${Chip} tone=${tone}>${words}</${Chip}>
          <span class="muted">${broadcast.caller} · ${broadcast.template} · <${Time} at=${broadcast.createdAt} />${broadcast.notAfter && html` · not after <${Time} at=${broadcast.notAfter} />`}${broadcast.perMinute && ` · at most ${count(broadcast.perMinute)} a minute`}${broadcast.resendOf && html` · <a href=${linkTo('broadcasts', broadcast.resendOf)}>sends another again</a>`}</span>
        </div>
        <${BroadcastBar} broadcast=${broadcast} />
        <div class="broadcast-foot">
          <p>${progressWords(broadcast)}</p>
          <${BroadcastActs} broadcast=${broadcast} ask=${ask} all=${true} />
        </div>
      </section>
      <${Counts} broadcast=${broadcast} />
      ${broadcast.looks && broadcast.looks.lostCalls.length > 0 && html`<${Looks} looks=${broadcast.looks} />`}
      <${Recipients} id=${id} />
      ${dialog}
    </div>
  `;
}
