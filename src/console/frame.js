import { facts } from './facts.js';
import { useEffect, useRef } from './hooks.js';
import { html } from './html.js';
import { liveState, overview } from './live.js';
import { Notice } from './notice.js';
import { place } from './router.js';
import { sections } from './sections.js';
import { holder, lock } from './session.js';
import { useStore } from './store.js';
import { AccountBadge } from './ui.js';
import { zone } from './words.js';

/** @import { LiveState } from './live.js' */

/** @type {Record<LiveState, { tone: string, words: string }>} */
const liveWords = {
  connecting: { tone: 'idle', words: 'Connecting' },
  live: { tone: 'ok', words: 'Live' },
  waiting: { tone: 'warn', words: 'Reconnecting' },
  polling: { tone: 'info', words: 'Every 10 s' },
};

function Live() {
  const { tone, words } = liveWords[useStore(liveState)];
  return html`<span class="live" data-tone=${tone} role="status"><span class="dot" aria-hidden="true"></span>${words}</span>`;
}

/** Shows on every page that sending is stopped. */
function Stopped() {
  const stopped = useStore(overview)?.sending.stopped;
  if (!stopped || !(stopped.all || stopped.callers.length > 0 || stopped.connections.length > 0)) return null;
  const words = stopped.all ? 'All sending is stopped.' : 'Some sending is stopped.';
  return html`<p class="strip" data-tone="bad"><strong>${words}</strong> <a href="#/sending">Sending</a></p>`;
}

function Menu() {
  const { path } = useStore(place);
  const list = useRef(/** @type {HTMLUListElement | null} */ (null));
  // Scrolls to the current entry, because on a phone the menu is wider than the page.
  useEffect(
    () => list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }),
    [path],
  );
  return html`
    <nav class="menu" aria-label="Console">
      <ul ref=${list}>
        ${sections
          .filter(({ hidden }) => !hidden)
          .map((each) => {
            const here = each.path === path || each.children?.includes(path);
            return html`<li key=${each.path}>
              <a href=${`#/${each.path}`} aria-current=${here ? 'page' : undefined}>${each.name}</a>
            </li>`;
          })}
      </ul>
    </nav>
  `;
}

/** @param {{ children?: import('./preact.js').ComponentChildren }} props */
export function Frame({ children }) {
  const who = useStore(holder);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <header class="bar">
      <a class="brand" href="#/overview">wati-bff</a>
      <${AccountBadge} />
      <span class="space"></span>
      <${Live} />
      ${who && html`<span class="who" title="The holder of this key">${who.name}</span>`}
      <button type="button" class="quiet" onClick=${() => lock()}>Lock</button>
    </header>
    <${Stopped} />
    <div class="body">
      <${Menu} />
      <main id="main" tabindex="-1">${children}</main>
    </div>
    <${Notice} />
    <footer class="foot">
      <span>Times are in ${zone}</span>
      <span>Version ${facts.version}</span>
      ${facts.docs && html`<a href="/docs">All calls</a>`}
      <a href="/problems">Problems</a>
    </footer>
  `;
}

/** Moves the focus without changing the address, which names the open section. @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
