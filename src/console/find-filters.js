import { useId } from './hooks.js';
import { html } from './html.js';

/** @import { Query } from './api.js' */

/** @type {[value: string, words: string][]} */
const statuses = [
  ['', 'Any'],
  ['queued', 'Queued'],
  ['sending', 'On the wire'],
  ['accepted', 'Accepted'],
  ['rejected', 'Rejected'],
  ['not_sent', 'Not sent'],
  ['unknown', 'Unknown'],
  ['cancelled', 'Cancelled'],
];

/** @type {[value: string, words: string][]} */
const deliveries = [
  ['', 'Any'],
  ['none', 'Nothing known'],
  ['sent', 'Sent'],
  ['delivered', 'Delivered'],
  ['read', 'Read'],
  ['replied', 'Answered'],
  ['failed', 'Not delivered'],
];

/** @param {Event} event */
const typedInto = ({ target }) =>
  target instanceof HTMLInputElement || target instanceof HTMLSelectElement ? target.value : '';

/**
 * @param {{ name: string, value: string, onChange: (value: string) => void, options?: [value: string, words: string][], type?: string }} props
 */
export function Field({ name, value, onChange, options, type = 'text' }) {
  const id = useId();
  const change = (/** @type {Event} */ event) => onChange(typedInto(event));
  return html`
    <div class="field">
      <label for=${id}>${name}</label>
      ${
        options
          ? html`<select id=${id} value=${value} onChange=${change}>${options.map(([key, words]) => html`<option value=${key} selected=${key === value}>${words}</option>`)}</select>`
          : html`<input id=${id} type=${type} value=${value} onInput=${change} autocomplete="off" />`
      }
    </div>
  `;
}

/** Converts a local time of the form to the format of the service. @param {string} local */
const toUtc = (local) => (local === '' ? undefined : new Date(local).toISOString());

/** @param {Query[string]} at */
function toLocal(at) {
  if (typeof at !== 'string') return '';
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/**
 * The filters of a search.
 * @param {{ filters: Query, onChange: (filters: Query) => void }} props
 */
export function FilterFields({ filters, onChange }) {
  /** @param {string} name */
  const set = (name) => (/** @type {string | undefined} */ value) =>
    onChange({ ...filters, [name]: value || undefined });
  /** @param {string} name */
  const text = (name) => String(filters[name] ?? '');
  const used = Object.values(filters).filter((value) => value !== undefined).length;
  return html`
    <details class="more" open=${used > 0}>
      <summary>Narrow${used > 0 ? ` (${used})` : ''}</summary>
      <div class="fields">
        <${Field} name="Caller (id)" value=${text('caller')} onChange=${set('caller')} />
        <${Field} name="Outcome" value=${text('status')} onChange=${set('status')} options=${statuses} />
        <${Field} name="Delivery" value=${text('delivery')} onChange=${set('delivery')} options=${deliveries} />
        <${Field} name="Template" value=${text('template')} onChange=${set('template')} />
        <${Field} name="Lost call (id)" value=${text('lostCall')} onChange=${set('lostCall')} />
        <${Field} name="From" type="datetime-local" value=${toLocal(filters.since)} onChange=${(/** @type {string} */ at) => set('since')(toUtc(at))} />
        <${Field} name="Until" type="datetime-local" value=${toLocal(filters.until)} onChange=${(/** @type {string} */ at) => set('until')(toUtc(at))} />
      </div>
    </details>
  `;
}
