import { callJson } from './api.js';
import { Choices } from './choices.js';
import { useAct } from './dialog.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { overview } from './live.js';
import { useLoad } from './load.js';
import { announce } from './notice.js';
import { may } from './session.js';
import { useStore } from './store.js';
import { Empty, ErrorNote, Loading, Time } from './ui.js';
import { count, counted } from './words.js';

/** @import { OperatorCaller, Sending } from './shapes.d.ts' */
/** @import { Act } from './dialog.js' */

/** @typedef {Sending['stopped']} Stopped */

/** @type {Stopped} */
const nothing = { all: false, callers: [], connections: [] };

/** @param {Stopped} stopped */
const isNothing = ({ all, callers, connections }) => !all && callers.length === 0 && connections.length === 0;

/** @param {Stopped} stopped */
function scopeWords({ all, callers, connections }) {
  if (all) return 'all sending, of every caller';
  return [
    ...(callers.length > 0 ? [`all sending of ${callers.join(', ')}`] : []),
    ...(connections.length > 0
      ? [`all sending over ${counted(connections.length, 'connection')} (${connections.join(', ')})`]
      : []),
  ].join(', and ');
}

/** @param {Stopped} stopped @param {string} reason */
const put = (stopped, reason) => callJson('/v1/operations/sending', { method: 'PUT', body: { stopped, reason } });

/** Shows how much a stop would affect, in numbers that are known now. @param {{ stopped: Stopped, callers: OperatorCaller[] }} props */
function Affected({ stopped, callers }) {
  const now = overview.get();
  const ids = stopped.all ? callers.map(({ id }) => id) : stopped.callers;
  const named = callers.filter(({ id }) => ids.includes(id));
  const queued = named.reduce((sum, caller) => sum + caller.queued, 0);
  return html`
    <ul class="plain-list">
      ${named.length > 0 && html`<li>New sends of ${counted(named.length, 'caller')} are refused with 503, and not recorded.</li>`}
      ${queued > 0 && html`<li>${counted(queued, 'queued message')} wait until it is released.</li>`}
      ${stopped.all && now && now.broadcasts.running > 0 && html`<li>${counted(now.broadcasts.running, 'running broadcast')} stand still.</li>`}
      <li>What is on the wire ends as it ends. Reading goes on.</li>
    </ul>
  `;
}

/** @param {{ sending: Sending, ask: (act: Act) => void, reload: () => void }} props */
function Now({ sending: { stopped, reason, changedBy, changedAt }, ask, reload }) {
  /** @type {Act} */
  const release = {
    title: 'Let sending go on',
    words: html`<p>This releases <strong>${scopeWords(stopped)}</strong>. What is queued goes out at once.</p>`,
    confirm: 'Release',
    askReason: 'Reason, for the log and the next operator',
    act: (why) => put(nothing, why),
    onDone: () => {
      announce('Released: sending goes on.');
      reload();
    },
  };
  const isFree = isNothing(stopped);
  return html`
    <section class="card" aria-labelledby="now-title">
      <h2 id="now-title" class="state" data-tone=${isFree ? 'ok' : 'bad'}>${isFree ? 'Nothing is stopped' : `Stopped: ${scopeWords(stopped)}`}</h2>
      ${
        changedAt &&
        html`<p class="muted">${isFree ? 'Last released' : 'Stopped'} by ${changedBy} at <${Time} at=${changedAt} />: ${reason}</p>`
      }
      ${!isFree && may('operations:write') && html`<p class="actions"><button type="button" class="primary" onClick=${() => ask(release)}>Release…</button></p>`}
    </section>
  `;
}

/** @param {{ sending: Sending, callers: OperatorCaller[], ask: (act: Act) => void, reload: () => void }} props */
function Brake({ sending, callers, ask, reload }) {
  const [kind, setKind] = useState(/** @type {'all' | 'some'} */ ('some'));
  const [chosen, setChosen] = useState(sending.stopped.callers);
  const [connections, setConnections] = useState(sending.stopped.connections.join(' '));
  /** @type {Stopped} */
  const stopped =
    kind === 'all'
      ? { ...nothing, all: true }
      : { all: false, callers: chosen, connections: connections.split(/[\s,]+/).filter(Boolean) };
  /** @type {Act} */
  const stop = {
    title: 'Stop sending',
    words: html`<p>This stops <strong>${scopeWords(stopped)}</strong>, on all replicas within two seconds, until somebody releases it.</p><${Affected} stopped=${stopped} callers=${callers} />`,
    confirm: kind === 'all' ? 'Stop all sending' : 'Stop',
    tone: 'danger',
    askReason: 'Reason: callers who are refused read it',
    act: (why) => put(stopped, why),
    onDone: () => {
      announce(`Stopped: ${scopeWords(stopped)}.`);
      reload();
    },
  };
  return html`
    <section class="card" aria-labelledby="brake-title">
      <h2 id="brake-title">Stop sending</h2>
      <fieldset class="choices">
        <legend class="label">What</legend>
        ${
          /** @type {const} */ ([
            ['some', 'Some callers or connections'],
            ['all', `All sending, of ${counted(callers.length, 'caller')}`],
          ]).map(
            ([value, words]) =>
              html`<label class="choice"><input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} /> ${words}</label>`,
          )
        }
      </fieldset>
      ${kind === 'some' && html`<${Choices} callers=${callers} chosen=${chosen} onChoose=${setChosen} connections=${connections} onConnections=${setConnections} />`}
      <p class="actions"><button type="button" class="danger" disabled=${isNothing(stopped)} onClick=${() => ask(stop)}>Stop…</button>
        ${isNothing(stopped) && html`<span class="muted">Choose what to stop.</span>`}</p>
    </section>
  `;
}

export function Section() {
  /** @type {import('./load.js').Loaded<Sending>} */
  const { data: sending, error, reload } = useLoad('/v1/operations/sending');
  /** @type {import('./load.js').Loaded<{ data: OperatorCaller[] }>} */
  const { data: callers, error: callersError } = useLoad('/v1/operations/callers');
  const waiting = useStore(overview)?.messages?.queued;
  const [dialog, ask] = useAct();
  if (error ?? callersError) return html`<${ErrorNote} error=${error ?? callersError} retry=${reload} />`;
  if (!sending || !callers) return html`<${Loading} />`;
  return html`
    <div class="stack">
      <${Now} sending=${sending} ask=${ask} reload=${reload} />
      ${
        may('operations:write')
          ? html`<${Brake} key=${JSON.stringify(sending.stopped)} sending=${sending} callers=${callers.data} ask=${ask} reload=${reload} />`
          : html`<${Empty}>Stopping needs a key with the scope <code>operations:write</code>.</${Empty}>`
      }
      ${waiting !== undefined && html`<p class="muted">${count(waiting)} messages are queued now.</p>`}
      ${dialog}
    </div>
  `;
}
