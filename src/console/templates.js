import { Field } from './find-filters.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { useLoad } from './load.js';
import { linkTo } from './router.js';
import { may } from './session.js';
import { TemplatePreview } from './template-preview.js';
import { Chip, Empty, ErrorNote, Loading, Table } from './ui.js';
import { counted } from './words.js';

/** @import { Template } from './shapes.d.ts' */
/** @import { Tone } from './ui.js' */

const pageSize = 50;

/** @type {[value: string, words: string][]} */
const statuses = [
  ['approved', 'Approved'],
  ['', 'All'],
  ['pending', 'Pending'],
  ['rejected', 'Rejected'],
  ['paused', 'Paused'],
];

/** @type {Record<string, Tone>} */
const tones = { approved: 'ok', pending: 'warn', rejected: 'bad', paused: 'warn', disabled: 'bad', deleted: 'idle' };

/** @param {{ rows: Template[] }} props */
const Rows = ({ rows }) => html`
  <${Table} label="Templates" head=${html`<th>Template</th><th>State</th><th class="wide">Language</th><th class="wide">Category</th><th>Text</th>`}>
    ${rows.map(
      ({ id, name, status, language, category, body }) => html`<tr key=${id}>
        <td><a href=${linkTo('templates', name)}>${name}</a></td>
        <td><${Chip} tone=${tones[status] ?? 'idle'}>${status}</${Chip}></td>
        <td class="wide">${language ?? ''}</td><td class="wide">${category ?? ''}</td>
        <td class="text muted">${body}</td>
      </tr>`,
    )}
  </${Table}>
`;

function List() {
  const [name, setName] = useState('');
  const [status, setStatus] = useState('approved');
  const [page, setPage] = useState(1);
  /** @type {import('./load.js').Loaded<{ data: Template[], page: { number: number, total?: number } }>} */
  const { data, error, loading, reload } = useLoad('/v1/templates', { name, status, page, pageSize });
  const rows = data?.data ?? [];
  const total = data?.page.total ?? 0;
  const last = Math.max(1, Math.ceil(total / pageSize));
  /** @param {(value: string) => void} set */
  const fromFirst = (set) => (/** @type {string} */ value) => {
    setPage(1);
    set(value);
  };
  return html`
    <div class="stack">
      <div class="tools">
        <${Field} name="Name contains" value=${name} onChange=${fromFirst(setName)} type="search" />
        <${Field} name="State" value=${status} onChange=${fromFirst(setStatus)} options=${statuses} />
      </div>
      <${ErrorNote} error=${error} retry=${reload} />
      ${loading && !data && html`<${Loading} />`}
      ${data && rows.length === 0 && html`<${Empty}>No template fits.</${Empty}>`}
      ${rows.length > 0 && html`<${Rows} rows=${rows} />`}
      ${
        last > 1 &&
        html`<nav class="pager" aria-label="Pages of templates">
          <button type="button" disabled=${page === 1} onClick=${() => setPage(page - 1)}>Previous</button>
          <span aria-live="polite">Page ${page} of ${last}, ${counted(total, 'template')}</span>
          <button type="button" disabled=${page >= last} onClick=${() => setPage(page + 1)}>Next</button>
        </nav>`
      }
    </div>
  `;
}

/** @param {{ argument: string | undefined }} props */
export function Section({ argument }) {
  if (!may('templates:read')) {
    return html`<${Empty}>Templates are shown to a key with the scope <code>templates:read</code>. Yours lacks it.</${Empty}>`;
  }
  if (argument === undefined) return html`<${List} />`;
  return html`
    <p class="back"><a href="#/templates">All templates</a></p>
    <${TemplatePreview} key=${argument} name=${argument} />
  `;
}
