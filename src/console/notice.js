import { useEffect } from './hooks.js';
import { html } from './html.js';
import { createStore, useStore } from './store.js';

const notice = createStore('');
const shownMs = 8_000;

/** Announces the result of an act, also to screen readers. @param {string} words */
export const announce = (words) => notice.set(words);

export function Notice() {
  const words = useStore(notice);
  useEffect(() => {
    if (words === '') return undefined;
    const timer = setTimeout(() => notice.set(''), shownMs);
    return () => clearTimeout(timer);
  }, [words]);
  return html`<p class="notice" role="status" data-shown=${words !== ''}>${words}</p>`;
}
