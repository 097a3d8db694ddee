import { CallError } from './api.js';
import { facts } from './facts.js';
import { html } from './html.js';
import { clock, dayAndTime } from './words.js';

/** @typedef {'ok' | 'info' | 'warn' | 'bad' | 'doubt' | 'idle'} Tone */
/** @typedef {import('./preact.js').ComponentChildren} Children */

export const AccountBadge = () =>
  html`<p class="account ${facts.sandbox ? 'sandbox' : 'real'}">${facts.sandbox ? 'SANDBOX' : 'REAL ACCOUNT'}</p>`;

/** @param {{ tone: Tone, children?: Children }} props */
export const Chip = ({ tone, children }) => html`<span class="chip" data-tone=${tone}>${children}</span>`;

/**
 * Shows a time in the zone of this machine, with UTC as a tooltip.
 * @param {{ at: string | undefined, long?: boolean }} props
 */
export const Time = ({ at, long = false }) =>
  at === undefined ? '' : html`<time datetime=${at} title=${at}>${long ? dayAndTime(at) : clock(at)}</time>`;

export const Loading = () => html`<p class="muted" role="status">Reading…</p>`;

/** @param {{ children?: Children }} props */
export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

/** @param {{ error: Error | undefined, retry?: () => void }} props */
export function ErrorNote({ error, retry }) {
  if (!error) return null;
  const page = error instanceof CallError ? error.page : undefined;
  const words = error instanceof CallError ? error.message : 'This part of the page could not be shown.';
  return html`
    <div class="note" data-tone="bad" role="alert">
      <p>${words}</p>
      <p class="actions">
        ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
        ${page && html`<a href=${page} target="_blank" rel="noreferrer">What this means</a>`}
      </p>
    </div>
  `;
}

/**
 * Shows a count under its name; `onOpen` opens the counted records.
 * @param {{ name: string, value: Children, tone?: Tone, mark?: string, onOpen?: () => void }} props
 */
export const Figure = ({ name, value, tone, mark, onOpen }) => html`
  <div class="figure" data-tone=${tone}>
    <dt data-mark=${mark}>${onOpen ? html`<button type="button" class="link" onClick=${onOpen}>${name}</button>` : name}</dt>
    <dd>${value}</dd>
  </div>
`;

/** @template Row @param {{ pages: import('./load.js').Paged<Row>, what: string }} props */
export function Pager({ pages: { number, older, newer, loading }, what }) {
  if (!older && !newer) return null;
  return html`
    <nav class="pager" aria-label=${`Pages of ${what}`}>
      <button type="button" disabled=${!newer || loading} onClick=${newer}>Newer</button>
      <span aria-live="polite">Page ${number}</span>
      <button type="button" disabled=${!older || loading} onClick=${older}>Older</button>
    </nav>
  `;
}

/**
 * A table that scrolls if it is wider than the page. With `stacks`, its rows become blocks on a phone.
 * @param {{ label: string, head: Children, children?: Children, busy?: boolean, stacks?: boolean }} props
 */
export const Table = ({ label, head, children, busy = false, stacks = false }) => html`
  <div class=${stacks ? 'table stacks' : 'table'} role="region" aria-label=${label} tabindex="0" aria-busy=${busy}>
    <table>
      <thead><tr>${head}</tr></thead>
      <tbody>${children}</tbody>
    </table>
  </div>
`;
