import { BudgetCurve } from './budget-curve.js';
import { Connections } from './connections.js';
import { html } from './html.js';
import { budget, overview } from './live.js';
import { reasonsOf, toneOf } from './readiness.js';
import { go } from './router.js';
import { showMessages } from './search.js';
import { useStore } from './store.js';
import { Figure, Loading, Table } from './ui.js';
import { count, counted } from './words.js';

/** @import { Overview, Ready } from './shapes.d.ts' */

const checkNames = {
  store: 'Records',
  gateway: 'Maton',
  key: 'Maton key',
  connection: 'WATI account',
};

/** @param {{ ready: Ready }} props */
function State({ ready }) {
  const reasons = reasonsOf(ready);
  const tone = toneOf(ready);
  return html`
    <section class="card state-card" aria-labelledby="state-title">
      <div>
        <h2 id="state-title" class="state" data-tone=${tone}>${ready.status === 'ready' ? 'Ready' : 'Not ready'}</h2>
        ${reasons.length === 0 ? html`<p class="muted">It does its work.</p>` : reasons.map((words) => html`<p>${words}</p>`)}
      </div>
      <dl class="checks">
        ${Object.entries(checkNames).map(
          ([name, words]) => html`<div><dt>${words}</dt><dd>${ready[/** @type {keyof Ready} */ (name)]}</dd></div>`,
        )}
      </dl>
    </section>
  `;
}

/** @type {[key: Exclude<keyof NonNullable<Overview['messages']>, 'cancelled'>, status: string, words: string][]} */
const messageCounts = [
  ['scheduled', 'queued', 'Scheduled'],
  ['queued', 'queued', 'Queued'],
  ['sending', 'sending', 'On the wire'],
  ['accepted', 'accepted', 'Accepted'],
  ['rejected', 'rejected', 'Rejected'],
  ['notSent', 'not_sent', 'Not sent'],
  ['unknown', 'unknown', 'Unknown'],
];

/** @param {{ messages: NonNullable<Overview['messages']> }} props */
const Messages = ({ messages }) => html`
  <section aria-labelledby="messages-title">
    <h2 id="messages-title">Messages on record</h2>
    <dl class="figures">
      ${messageCounts.map(
        ([key, status, words]) =>
          html`<${Figure} key=${key} name=${words} value=${count(messages[key])} tone=${key === 'unknown' && messages.unknown > 0 ? 'doubt' : undefined} onOpen=${() => (key === 'unknown' ? go('unknown') : showMessages({ status }))} />`,
      )}
    </dl>
  </section>
`;

/** @param {{ broadcasts: Overview['broadcasts'] }} props */
const OpenBroadcasts = ({ broadcasts }) => html`
  <section aria-labelledby="broadcasts-title">
    <h2 id="broadcasts-title"><a href="#/broadcasts">Broadcasts</a></h2>
    <dl class="figures">
      <${Figure} name="Running" value=${count(broadcasts.running)} />
      <${Figure} name="of these held" value=${count(broadcasts.held)} tone=${broadcasts.held > 0 ? 'warn' : undefined} />
      <${Figure} name="Paused" value=${count(broadcasts.paused)} />
      <${Figure} name="Scheduled" value=${count(broadcasts.scheduled)} />
    </dl>
  </section>
`;

/** @param {{ removed: Overview['callers']['removed'] }} props */
function Removed({ removed }) {
  if (removed.length === 0) return null;
  return html`
    <section aria-labelledby="removed-title">
      <h2 id="removed-title">Removed callers with work left</h2>
      <p class="muted">Their keys are gone, and what they queued waits. Put them back, or cancel it under <a href="#/callers">Callers</a>.</p>
      <${Table} label="Removed callers" head=${html`<th>Caller</th><th class="n">Queued</th><th class="n">On the wire</th>`}>
        ${removed.map(
          ({ id, queued, sending }) =>
            html`<tr key=${id}><td>${id}</td><td class="n">${count(queued)}</td><td class="n">${count(sending)}</td></tr>`,
        )}
      </${Table}>
    </section>
  `;
}

export function Section() {
  const now = useStore(overview);
  const points = useStore(budget);
  if (!now) return html`<${Loading} />`;
  return html`
    <div class="stack">
      <${State} ready=${now.readiness} />
      <${BudgetCurve} points=${points} now=${now.budget} />
      <div class="split">
        ${now.messages && html`<${Messages} messages=${now.messages} />`}
        <${OpenBroadcasts} broadcasts=${now.broadcasts} />
      </div>
      <${Removed} removed=${now.callers.removed} />
      <${Connections} />
      <p class="muted">${counted(now.callers.inFile, 'caller')} in the callers file.</p>
    </div>
  `;
}
