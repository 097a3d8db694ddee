import { CallError, callJson } from './api.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { useLoad } from './load.js';
import { may } from './session.js';
import { Chip, Empty, ErrorNote, Loading, Table, Time } from './ui.js';

/** @import { Connection, CreatedConnection } from './shapes.d.ts' */
/** @import { Tone } from './ui.js' */

/** @type {Record<Connection['status'], { tone: Tone, words: string }>} */
const statuses = {
  active: { tone: 'ok', words: 'Active' },
  pending: { tone: 'warn', words: 'Waits for a person' },
  failed: { tone: 'bad', words: 'Failed' },
};

/** Maton shows the address only once, because it is secret. A pending connection is therefore replaced by a new one. */
/** @param {{ onCreated: () => void }} props */
function Authorize({ onCreated }) {
  const [state, setState] = useState(/** @type {{ busy?: boolean, error?: Error, url?: string }} */ ({}));
  const create = async () => {
    setState({ busy: true });
    try {
      /** @type {CreatedConnection} */
      const { authorizationUrl } = await callJson('/v1/connections', { method: 'POST', body: {} });
      setState(authorizationUrl?.startsWith('https://') ? { url: authorizationUrl } : {});
      onCreated();
    } catch (error) {
      setState({ error: error instanceof Error ? error : new CallError(0, {}) });
    }
  };
  if (state.url) {
    return html`<p class="note" data-tone="info" role="status">
      <a class="button primary" href=${state.url} target="_blank" rel="noreferrer noopener">Authorize at Maton</a>
      Shown once. Whoever opens it decides which WATI account this service uses.
    </p>`;
  }
  return html`
    <${ErrorNote} error=${state.error} />
    <p class="actions">
      <button type="button" disabled=${state.busy} onClick=${create}>Make an authorize link</button>
      <span class="muted">Maton shows a link once, so an account that still waits for a person gets a new one.</span>
    </p>
  `;
}

/** Shows the WATI accounts that this key may use, and authorizes new ones. */
export function Connections() {
  const mayRead = may('connections:read');
  /** @type {import('./load.js').Loaded<{ data: Connection[] }>} */
  const { data, error, loading, reload } = useLoad(mayRead ? '/v1/connections' : undefined);
  const rows = data?.data ?? [];
  const waits = rows.some(({ status }) => status !== 'active') || rows.length === 0;
  return html`
    <section aria-labelledby="connections-title">
      <h2 id="connections-title">Connections</h2>
      ${!mayRead && html`<${Empty}>Shown to a key with the scope <code>connections:read</code>.</${Empty}>`}
      ${loading && !data && html`<${Loading} />`}
      <${ErrorNote} error=${error} retry=${reload} />
      ${data && rows.length === 0 && html`<${Empty}>No WATI account is connected.</${Empty}>`}
      ${
        rows.length > 0 &&
        html`<${Table} label="Connections" stacks=${true} head=${html`<th>Connection</th><th>State</th><th>Method</th><th>Changed</th>`}>
          ${rows.map(({ id, status, method, updatedAt }) => {
            const { tone, words } = statuses[status];
            return html`<tr key=${id}>
              <td><code>${id}</code></td><td><${Chip} tone=${tone}>${words}</${Chip}></td><td data-label="Method">${method ?? ''}</td>
              <td data-label="Changed"><${Time} at=${updatedAt} /></td>
            </tr>`;
          })}
        </${Table}>`
      }
      ${data && waits && may('connections:write') && html`<${Authorize} onCreated=${reload} />`}
    </section>
  `;
}
