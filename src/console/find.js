import { CallError } from './api.js';
import { FilterFields } from './find-filters.js';
import { useEffect, useRef, useState } from './hooks.js';
import { html } from './html.js';
import { useLoad, usePages } from './load.js';
import { MessageTable } from './message-table.js';
import { search } from './search.js';
import { useStore } from './store.js';
import { Empty, ErrorNote, Loading, Pager } from './ui.js';

/** @import { OperatorMessage } from './shapes.d.ts' */
/** @import { Query } from './api.js' */
/** @import { Search } from './search.js' */

/**
 * Returns the queries that a search term may stand for.
 * @param {string} term
 * @returns {{ by: string, query: Query }[]}
 */
function meaningsOf(term) {
  if (term === '') return [{ by: 'filters', query: {} }];
  const number = term.replace(/[\s().+-]/g, '');
  return [
    { by: 'reference', query: { reference: term } },
    ...(/^[1-9]\d{6,14}$/.test(number) ? [{ by: 'number', query: { to: number } }] : []),
    { by: 'idempotency key', query: { idempotencyKey: term } },
  ];
}

const looksLikeId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}$/i;

/** @typedef {(by: string, found: number | undefined) => void} Tell */

/** @param {{ by: string, query: Query, tell: Tell }} props */
function Found({ by, query, tell }) {
  /** @type {import('./load.js').Paged<OperatorMessage>} */
  const pages = usePages('/v1/operations/messages', { ...query, limit: 25 });
  const { rows, loading, error, older, newer, reload } = pages;
  const isOver = !loading && !error && rows.length === 0 && !older && !newer;
  useEffect(
    () => tell(by, loading || error ? undefined : isOver ? 0 : Math.max(1, rows.length)),
    [loading, error, isOver, rows.length],
  );
  if (isOver || (loading && rows.length === 0)) return null;
  const heading = by === 'filters' ? 'Newest messages' : `By ${by}`;
  return html`
    <section aria-label=${heading}>
      <h2>${heading}</h2>
      <${ErrorNote} error=${error} retry=${reload} />
      ${!error && rows.length === 0 && html`<${Empty}>None on this page; there may be some on the next.</${Empty}>`}
      ${rows.length > 0 && html`<${MessageTable} label=${heading} messages=${rows} busy=${loading} answers=${by !== 'filters'} />`}
      <${Pager} pages=${pages} what=${heading} />
    </section>
  `;
}

/** @param {{ id: string, tell: Tell }} props */
function FoundById({ id, tell }) {
  /** @type {import('./load.js').Loaded<OperatorMessage>} */
  const { data, error, loading } = useLoad(`/v1/operations/messages/${id}`);
  const isMissing = error instanceof CallError && error.status === 404;
  useEffect(() => tell('id', loading ? undefined : data ? 1 : 0), [loading, data]);
  if (error && !isMissing) return html`<${ErrorNote} error=${error} />`;
  return data
    ? html`<section><h2>By id</h2><${MessageTable} label="By id" messages=${[data]} answers=${true} /></section>`
    : null;
}

/** @param {{ given: Search }} props */
function Results({ given: { term, filters } }) {
  const [found, setFound] = useState(/** @type {Record<string, number | undefined>} */ ({}));
  /** @type {Tell} */
  const tell = (by, n) => setFound((before) => ({ ...before, [by]: n }));
  const meanings = meaningsOf(term);
  const asked = [...meanings.map(({ by }) => by), ...(looksLikeId.test(term) ? ['id'] : [])];
  const isReading = asked.some((by) => found[by] === undefined);
  const nothing = asked.every((by) => found[by] === 0);
  return html`
    <div class="stack">
      ${isReading && html`<${Loading} />`}
      ${looksLikeId.test(term) && html`<${FoundById} id=${term} tell=${tell} />`}
      ${meanings.map(({ by, query }) => html`<${Found} key=${by} by=${by} query=${{ ...filters, ...query }} tell=${tell} />`)}
      ${
        nothing &&
        html`<${Empty}>${
          term === ''
            ? 'No message fits.'
            : html`Nothing is recorded under <strong>${term}</strong>. Records are deleted when their retention is over; look whether it is spelt as its caller spells it.`
        }</${Empty}>`
      }
    </div>
  `;
}

export function Section() {
  const given = useStore(search);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [filters, setFilters] = useState(given?.filters ?? /** @type {Query} */ ({}));
  useEffect(() => field.current?.focus(), []);
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    search.set({ term: field.current?.value.trim() ?? '', filters });
  };
  return html`
    <div class="stack">
      <form class="card find" role="search" onSubmit=${submit}>
        <label for="term">Order, number, message id or idempotency key</label>
        <div class="with-button">
          <input id="term" ref=${field} type="search" defaultValue=${given?.term ?? ''} maxlength="255" autocomplete="off" spellcheck="false" enterkeyhint="search" placeholder="A-77" />
          <button type="submit" class="primary">Find</button>
        </div>
        <${FilterFields} filters=${filters} onChange=${setFilters} />
      </form>
      ${given ? html`<${Results} key=${JSON.stringify(given)} given=${given} />` : html`<p class="muted">Left empty, it lists the newest messages of all callers.</p>`}
    </div>
  `;
}
