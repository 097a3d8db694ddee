import { callJson } from './api.js';
import { useAct } from './dialog.js';
import { html } from './html.js';
import { useLoad } from './load.js';
import { announce } from './notice.js';
import { may } from './session.js';
import { Chip, Empty, ErrorNote, Loading, Table, Time } from './ui.js';
import { count, counted } from './words.js';

/** @import { OperatorCaller } from './shapes.d.ts' */
/** @import { Act } from './dialog.js' */

/** @param {OperatorCaller} caller @param {() => void} reload @returns {Act} */
const cancelling = ({ id, name, queued }, reload) => ({
  title: `Cancel all that ${name ?? id} has queued`,
  words: html`<p>${counted(queued, 'message')} and all its running and paused broadcasts. What is on the wire ends as it ends. There is no way back.</p>
    <p>Stop the caller first under <a href="#/sending">Sending</a>, or it may queue more meanwhile.</p>`,
  confirm: 'Cancel all',
  tone: 'danger',
  act: async () => {
    /** @type {{ messages: number, broadcasts: number, left: boolean }} */
    const done = await callJson(`/v1/operations/callers/${encodeURIComponent(id)}/cancel`, {
      method: 'POST',
      body: {},
    });
    announce(
      `Cancelled ${counted(done.messages, 'message')} and ${counted(done.broadcasts, 'broadcast')}.${done.left ? ' There are more: cancel again.' : ''}`,
    );
  },
  onDone: reload,
});

/** @param {{ left: OperatorCaller['quotaLeft'] }} props */
function Quota({ left }) {
  const parts = [
    ...(left?.hour === undefined ? [] : [`${count(left.hour)} this hour`]),
    ...(left?.day === undefined ? [] : [`${count(left.day)} today`]),
  ];
  if (parts.length === 0) return html`<span class="muted">no limit</span>`;
  const isLow = left?.hour === 0 || left?.day === 0;
  return isLow ? html`<${Chip} tone="bad">${parts.join(', ')}</${Chip}>` : parts.join(', ');
}

/** @param {{ endpoints: OperatorCaller['endpoints'] }} props */
const Endpoints = ({ endpoints = [] }) =>
  endpoints
    .filter(({ status, failingSince }) => status !== 'enabled' || failingSince !== undefined)
    .map(
      ({ id, host, status, failingSince }) =>
        html`<${Chip} key=${id} tone="bad">${host}: ${status === 'enabled' ? html`failing since <${Time} at=${failingSince} />` : status}</${Chip}> `,
    );

/** @type {[key: 'accepted' | 'rejected' | 'notSent' | 'unknown' | 'refused429', words: string][]} */
const todayColumns = [
  ['accepted', 'Accepted'],
  ['rejected', 'Rejected'],
  ['notSent', 'Not sent'],
  ['unknown', 'Unknown'],
  ['refused429', '429s'],
];

/** @param {{ caller: OperatorCaller, ask: (act: Act) => void, reload: () => void }} props */
function Row({ caller, ask, reload }) {
  const { id, name, inFile, today, queued, sending, quotaLeft, hold, endpoints } = caller;
  return html`
    <tr>
      <th scope="row">
        ${name ?? id}${name !== undefined && name !== id && html`<br /><span class="muted">${id}</span>`}
        ${!inFile && html`<br /><${Chip} tone="warn">Removed</${Chip}>`}
        ${hold && html`<br /><${Chip} tone="warn">${hold.detail}</${Chip}>`}
        <${Endpoints} endpoints=${endpoints} />
      </th>
      ${
        today
          ? todayColumns.map(
              ([key, words]) =>
                html`<td key=${key} class="n" data-label=${words}>${today[key] === 0 ? html`<span class="muted">0</span>` : count(today[key])}</td>`,
            )
          : html`<td colspan=${todayColumns.length} class="muted">Nothing counted today</td>`
      }
      <td class="n" data-label="Queued">${count(queued)}</td>
      <td class="n" data-label="On the wire">${count(sending)}</td>
      <td data-label="Quota left"><${Quota} left=${quotaLeft} /></td>
      <td>${may('operations:write') && queued > 0 && html`<button type="button" aria-label=${`Cancel queue… of ${name ?? id}`} onClick=${() => ask(cancelling(caller, reload))}>Cancel queue…</button>`}</td>
    </tr>
  `;
}

export function Section() {
  /** @type {import('./load.js').Loaded<{ data: OperatorCaller[] }>} */
  const { data, error, loading, reload } = useLoad('/v1/operations/callers');
  const [dialog, ask] = useAct();
  const rows = data?.data ?? [];
  return html`
    <div class="stack">
      <div class="tools">
        <p class="muted">Outcomes of today, since midnight UTC, with recipients of broadcasts; some seconds late.</p>
        <button type="button" disabled=${loading} onClick=${reload}>Read again</button>
      </div>
      <${ErrorNote} error=${error} retry=${reload} />
      ${loading && !data && html`<${Loading} />`}
      ${data && rows.length === 0 && html`<${Empty}>The callers file has no entry.</${Empty}>`}
      ${
        rows.length > 0 &&
        html`<${Table} label="Callers today" stacks=${true} busy=${loading}
          head=${html`<th>Caller</th>${todayColumns.map(([key, words]) => html`<th key=${key} class="n">${words}</th>`)}<th class="n">Queued</th><th class="n">On the wire</th><th>Quota left</th><th><span class="hidden">Acts</span></th>`}>
          ${rows.map((caller) => html`<${Row} key=${caller.id} caller=${caller} ask=${ask} reload=${reload} />`)}
        </${Table}>`
      }
      ${dialog}
    </div>
  `;
}
