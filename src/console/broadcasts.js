import { BroadcastDetail } from './broadcast.js';
import { BroadcastActs } from './broadcast-acts.js';
import { BroadcastBar, broadcastStanding, newerOf, progressWords } from './broadcast-bar.js';
import { useAct } from './dialog.js';
import { Field } from './find-filters.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { changedBroadcasts, goneBroadcasts } from './live.js';
import { usePages } from './load.js';
import { linkTo } from './router.js';
import { useStore } from './store.js';
import { Chip, Empty, ErrorNote, Loading, Pager, Time } from './ui.js';

/** @import { OperatorBroadcast } from './shapes.d.ts' */
/** @import { Act } from './dialog.js' */

/** @type {[value: string, words: string][]} */
const statuses = [
  ['', 'All'],
  ['recording', 'Recording'],
  ['scheduled', 'Scheduled'],
  ['running', 'Running'],
  ['paused', 'Paused'],
  ['done', 'Done'],
  ['cancelled', 'Cancelled'],
];

/** @param {{ broadcast: OperatorBroadcast, ask: (act: Act) => void }} props */
function Row({ broadcast, ask }) {
  const { id, broadcastName, caller, template, createdAt, counts } = broadcast;
  const { tone, words } = broadcastStanding(broadcast);
  const failed = counts.rejected + counts.notSent + counts.unknown;
  return html`
    <li class="broadcast">
      <div class="broadcast-head">
        <h2><a href=${linkTo('broadcasts', id)}>${broadcastName}</a></h2>
        <${Chip} tone=${tone}>${words}</${Chip}>
        <span class="muted">${caller} · ${template} · <${Time} at=${createdAt} /></span>
      </div>
      <${BroadcastBar} broadcast=${broadcast} />
      <div class="broadcast-foot">
        <p>${progressWords(broadcast)}${failed > 0 && html`<span class="muted"> · ${failed} not accepted</span>`}</p>
        <${BroadcastActs} broadcast=${broadcast} ask=${ask} />
      </div>
    </li>
  `;
}

function List() {
  const [status, setStatus] = useState('');
  const changed = useStore(changedBroadcasts);
  /** @type {import('./load.js').Paged<OperatorBroadcast>} */
  const pages = usePages('/v1/operations/broadcasts', { status, limit: 20 });
  const { loading, error, reload } = pages;
  const gone = useStore(goneBroadcasts);
  const rows = pages.rows.filter(({ id }) => !gone.has(id));
  const [dialog, ask] = useAct();
  const known = new Set(rows.map(({ id }) => id));
  const isNew = [...changed.values()].some(
    ({ id, createdAt }) => !known.has(id) && !gone.has(id) && createdAt > (rows[0]?.createdAt ?? ''),
  );
  return html`
    <div class="stack">
      <div class="tools">
        <${Field} name="Show" value=${status} onChange=${setStatus} options=${statuses} />
        ${isNew && pages.number === 1 && html`<button type="button" onClick=${reload}>Show new ones</button>`}
      </div>
      <${ErrorNote} error=${error} retry=${reload} />
      ${loading && rows.length === 0 && html`<${Loading} />`}
      ${!loading && !error && rows.length === 0 && html`<${Empty}>${status === '' ? 'No broadcast is on record.' : 'None of this state.'}</${Empty}>`}
      ${rows.length > 0 && html`<ul class="broadcasts">${rows.map((row) => html`<${Row} key=${row.id} broadcast=${newerOf(row, changed.get(row.id))} ask=${ask} />`)}</ul>`}
      <${Pager} pages=${pages} what="broadcasts" />
      ${dialog}
    </div>
  `;
}

/** @param {{ argument: string | undefined }} props */
export const Section = ({ argument }) =>
  argument === undefined ? html`<${List} />` : html`<${BroadcastDetail} key=${argument} id=${argument} />`;
